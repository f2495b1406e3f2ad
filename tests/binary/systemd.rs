//! The protocol between the server and systemd.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests report problems by failing"
)]

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};

use crate::process::{PATIENCE, Registrar, command};

/// Returns the lines of the next message.
fn heard(socket: &UnixDatagram) -> Vec<String> {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).expect("it says something");
    String::from_utf8_lossy(&buffer[..length])
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Runs the server from start to stop with a service manager that listens at `name`.
fn tells_its_life(socket: &UnixDatagram, name: &str) {
    let mut registrar = Registrar::start_prepared("", |command| {
        command.env("NOTIFY_SOCKET", name);
    });
    assert_eq!(heard(socket), ["READY=1"]);
    registrar.signal("-HUP");
    let reloading = heard(socket);
    assert_eq!(reloading[0], "RELOADING=1");
    let time = reloading[1]
        .strip_prefix("MONOTONIC_USEC=")
        .expect("the time");
    assert!(time.parse::<u64>().unwrap() > 0);
    assert_eq!(heard(socket), ["READY=1"]);
    assert!(registrar.terminate().success());
    assert_eq!(heard(socket), ["STOPPING=1"]);
}

#[test]
fn the_service_manager_is_notified_of_start_reload_and_stop() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("notify");
    tells_its_life(&UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap());
}

#[test]
fn an_abstract_socket_is_notified_too() {
    let name = format!("registrar-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    tells_its_life(
        &UnixDatagram::bind_addr(&address).unwrap(),
        &format!("@{name}"),
    );
}

#[tokio::test]
async fn sighup_reloads_the_configuration() {
    let registrar = Registrar::start();
    let http = reqwest::Client::new();
    let reloads = async || {
        let text = http
            .get(registrar.url("/metrics"))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let is_reload = |line: &str| {
            let is_ok = line.starts_with("registrar_reloads_total") && line.contains("\"ok\"");
            is_ok && !line.ends_with(" 0")
        };
        text.lines().filter(|line| is_reload(line)).count()
    };
    assert_eq!(reloads().await, 0, "nothing changed");
    registrar.signal("-HUP");
    // Scripts and configuration are reloaded; there is no certificate.
    crate::process::until(async || reloads().await == 2).await;
}

#[tokio::test]
async fn a_socket_that_systemd_opened_is_listened_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let (data, configuration) = (
        folder.path().join("data"),
        folder.path().join("registrar.toml"),
    );
    std::fs::write(&configuration, "").unwrap();
    let binary = command(&[]).get_program().to_owned();
    // The variables name the process that they are for, so a shell sets them and then becomes that process.
    let mut child = Command::new("sh")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "-c",
            "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&0 0</dev/null",
            "sh",
        ])
        .arg(binary)
        .arg("--config")
        .arg(&configuration)
        .arg("--data")
        .arg(&data)
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    // The connection succeeds before the server is ready, which is the purpose of such a socket.
    let answer = reqwest::get(format!("http://{address}/healthz")).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answer.expect("the server took the socket").status(), 200);
}
