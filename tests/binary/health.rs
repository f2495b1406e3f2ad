//! `registrar health`: how it finds the server, what it prints, and its exit code.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Registrar, command, until};
use crate::remote::Ran;
use crate::tls;

fn health(arguments: &[&str]) -> Ran {
    let all = [&["health"], arguments].concat();
    Ran::of(&command(&all).output().expect("the binary runs"))
}

/// Writes a configuration for the command, and asks with it.
fn health_by_file(folder: &Path, configuration: &str) -> Ran {
    let file = folder.join("asked.toml");
    std::fs::write(&file, configuration).expect("a file");
    health(&["--config", file.to_str().expect("a path")])
}

/// Listens on a port, and answers one request with `answer` if there is one. Returns the URL.
fn stand_in(answer: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = [0; 4_096];
        let _ = stream.read(&mut head);
        if let Some(answer) = answer {
            let _ = stream.write_all(answer.as_bytes());
        }
        // Reading until the client has finished avoids a reset of the connection.
        while stream.read(&mut head).is_ok_and(|length| length > 0) {}
    });
    url
}

#[test]
fn the_configuration_file_names_the_server_that_is_asked() {
    let registrar = Registrar::start();
    let (url, folder) = (registrar.url(""), TempDir::new().expect("a folder"));
    let listen = format!("[server]\nlisten = {:?}\n", registrar.host());
    let out = health_by_file(folder.path(), &listen).fine();
    assert_eq!(out, format!("{url} is ready\n"));
    assert_eq!(health(&["--url", &url]).fine(), out);
    let alive = health(&["--url", &url, "--live"]).fine();
    assert_eq!(alive, format!("{url} is alive\n"));
    // A configuration in which somebody made a mistake still names the server.
    let mistaken = format!("{listen}[registration]\nnoSuchKey = 1\n");
    let ran = health_by_file(folder.path(), &mistaken);
    assert!(ran.err.contains("noSuchKey"), "{}", ran.err);
    assert_eq!(ran.fine(), out);
}

#[test]
fn the_probes_are_on_the_admin_listener_if_there_is_one() {
    let registrar = Registrar::start_with("[admin]\nlisten = \"127.0.0.1:0\"\n");
    let admin = registrar
        .greeting
        .split("metrics are on http://")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .expect("it prints the address");
    let folder = TempDir::new().expect("a folder");
    let listen = format!(
        "[server]\nlisten = {:?}\n[admin]\nlisten = {admin:?}\n",
        registrar.host()
    );
    let out = health_by_file(folder.path(), &listen).fine();
    assert_eq!(out, format!("http://{admin} is ready\n"));
    health(&["--url", &registrar.url("")]).failed(1, &["has no probes", "admin listener", "--url"]);
}

/// The certificate is for the name that clients use, and the command uses an address of the machine.
#[test]
fn the_certificate_of_the_own_server_is_not_verified_and_that_of_a_named_server_is() {
    let folder = TempDir::new().expect("a folder");
    let tls = tls::configuration(folder.path());
    let registrar = Registrar::start_with(&tls);
    let url = registrar.url("");
    let address = url.strip_prefix("https://").expect("TLS");
    let listen = format!("[server]\nlisten = {address:?}\n{tls}");
    let out = health_by_file(folder.path(), &listen).fine();
    assert_eq!(out, format!("{url} is ready\n"));
    health(&["--url", &url]).failed(1, &["no TLS connection to https://127.0.0.1:", "--ca"]);
    let ca = folder.path().join("server.pem");
    let ca = ca.to_str().expect("a path");
    assert_eq!(health(&["--url", &url, "--ca", ca]).fine(), out);
}

#[test]
fn a_server_that_is_not_well_is_reported_with_exit_code_1() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let gone = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    health(&["--url", &gone]).failed(
        1,
        &[
            &format!("the server at {gone} is unreachable"),
            "is it running?",
        ],
    );
    let body =
        r#"{"error":"temporarily_unavailable","error_description":"the store does not respond"}"#;
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let ill = stand_in(Some(answer.leak()));
    health(&["--url", &ill]).failed(
        1,
        &[&format!("{ill} is not ready: the store does not respond")],
    );
    let other = stand_in(Some("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
    health(&["--url", &other]).failed(1, &["is not from a Registrar (status 200)"]);
}

#[test]
fn the_time_is_limited() {
    let (silent, begun) = (stand_in(None), Instant::now());
    health(&["--url", &silent, "--timeout", "1"])
        .failed(1, &[&format!("no answer from {silent} within 1 seconds")]);
    assert!(begun.elapsed() < Duration::from_secs(20));
    health(&["--timeout", "0"]).failed(2, &["--timeout"]);
    health(&["--url", "nowhere"]).failed(2, &["expected an http or https URL"]);
}

#[tokio::test]
async fn what_failed_although_the_server_is_ready_is_printed() {
    let registrar = Registrar::start();
    let url = registrar.url("");
    assert_eq!(health(&["--url", &url]).err, "");
    registrar.configure("[registration]\nnoSuchKey = 1\n");
    until(async || {
        let ran = health(&["--url", &url]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        ran.err.contains("warning: configurationError: ") && ran.err.contains("noSuchKey")
    })
    .await;
}
