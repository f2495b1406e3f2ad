//! `registrar doctor`: what it says about a healthy server, and about each kind of mistake.

#![expect(clippy::indexing_slicing, reason = "tests report problems by failing")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Registrar, command};
use crate::remote::Ran;

/// Runs the command with the configuration and the data in `folder`, and with `more`.
fn doctor(folder: &Path, more: &[&str]) -> Ran {
    let (file, data) = (folder.join("registrar.toml"), folder.join("data"));
    let path = |path: &Path| path.to_str().expect("a path").to_owned();
    let (file, data) = (path(&file), path(&data));
    let all = [
        &[
            "doctor", "--format", "json", "--config", &file, "--data", &data,
        ],
        more,
    ]
    .concat();
    Ran::of(&command(&all).output().expect("the binary runs"))
}

/// Runs the command for `registrar`, and returns the report.
fn examined(registrar: &Registrar) -> (Option<i32>, Value) {
    let server = registrar.url("");
    let ran = doctor(registrar.folder(), &["--server", &server]);
    report(&ran)
}

fn report(ran: &Ran) -> (Option<i32>, Value) {
    let report = serde_json::from_str(&ran.out);
    let report = report.unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err));
    (ran.code, report)
}

/// Runs the command without a server, with this configuration.
fn examined_alone(configuration: &str) -> (Option<i32>, Value, TempDir) {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("registrar.toml"), configuration).expect("a file");
    let (code, report) = report(&doctor(folder.path(), &["--server", "http://127.0.0.1:9"]));
    (code, report, folder)
}

/// Asserts that the report has this verdict about the subject, with this text and an advice if it is not fine.
#[track_caller]
fn expect(report: &Value, verdict: &str, subject: &str, text: &str) {
    let checks = report["checks"].as_array().expect("checks");
    let found = checks.iter().find(|check| {
        let said = check["found"].as_str().expect("a text");
        check["subject"] == subject && check["verdict"] == verdict && said.contains(text)
    });
    let check =
        found.unwrap_or_else(|| panic!("no {verdict} of {subject} with '{text}': {report:#}"));
    if verdict == "problem" {
        assert!(check["advice"].is_string(), "{check}");
    }
}

#[tokio::test]
async fn a_healthy_server_has_no_problem() {
    let registrar = Registrar::start();
    let (code, report) = examined(&registrar);
    assert_eq!(
        (code, &report["problems"]),
        (Some(0), &json!(0)),
        "{report:#}"
    );
    for (subject, text) in [
        ("configuration", "is valid"),
        ("scripts", "without mistakes"),
        ("permissions", "files with secrets looked at"),
        ("store", "is writable"),
        ("server", "is alive"),
        ("readiness", "accepts requests"),
        ("store", "accepts changes"),
    ] {
        expect(&report, "ok", subject, text);
    }
    expect(&report, "skipped", "public URL", "server.issuer is not set");
    let key = std::fs::read_to_string(registrar.folder().join("data/registrar.key")).unwrap();
    assert!(!report.to_string().contains(key.trim()));
    let data = registrar.folder().join("data");
    let text = registrar
        .cli(&["doctor", "--data", data.to_str().unwrap()])
        .fine();
    assert!(text.contains("0 problems"), "{text}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_that_others_can_read_is_a_problem() {
    use std::os::unix::fs::PermissionsExt;
    let registrar = Registrar::start();
    let key = registrar.folder().join("data/registrar.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, report) = examined(&registrar);
    assert_eq!(code, Some(1));
    expect(
        &report,
        "problem",
        "permissions",
        "registrar.key: other users can read it",
    );
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_a_problem() {
    let folder = TempDir::new().unwrap();
    let (certificate, key) = crate::tls::expired(folder.path());
    let configuration = format!(
        "[server.tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        certificate.display(),
        key.display()
    );
    let (code, report, _folder) = examined_alone(&configuration);
    assert_eq!(code, Some(1));
    expect(&report, "problem", "tls", "the certificate has expired");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_a_problem() {
    let configuration = "[store]\nurl = \"postgres://u:hidden-word@127.0.0.1:9/r\"\nkeyFile = \"key\"\ntimeoutMs = 2000\n";
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("registrar.toml");
    std::fs::write(&file, configuration).unwrap();
    let ran = Ran::of(
        &command(&[
            "doctor",
            "--format",
            "json",
            "--config",
            file.to_str().unwrap(),
            "--server",
            "http://127.0.0.1:9",
        ])
        .output()
        .unwrap(),
    );
    let (code, report) = report(&ran);
    assert_eq!(code, Some(1));
    expect(&report, "problem", "store", "the store is unavailable");
    expect(&report, "warning", "server", "no server answers");
    assert!(!ran.out.contains("hidden-word") && !ran.err.contains("hidden-word"));
}

#[tokio::test]
async fn an_invalid_configuration_is_a_problem() {
    let (code, report, _folder) = examined_alone("[server]\nlisten = 5\n");
    assert_eq!(code, Some(1));
    expect(&report, "problem", "configuration", "server.listen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_whose_host_does_not_answer_is_a_problem() {
    let secrets = TempDir::new().unwrap();
    let file = secrets.path().join("secret");
    std::fs::write(&file, "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let registrar = Registrar::start_with(&format!(
        "[fetch]\nallowedHosts = [\"127.0.0.1:9\"]\n[[webhooks]]\nname = \"crm\"\nurl = \"https://127.0.0.1:9/hook\"\n\
         secretFile = \"{}\"\n",
        file.display()
    ));
    let (code, report) = examined(&registrar);
    assert_eq!(code, Some(1), "{report:#}");
    expect(
        &report,
        "problem",
        "webhooks",
        "the host of the webhook crm does not answer",
    );
    expect(&report, "warning", "fetch", "127.0.0.1:9 does not answer");
    expect(&report, "ok", "events", "webhook:crm");
}

/// Passes one request per connection on to `server`, with a header that names the caller. Returns its address.
fn proxy(listener: TcpListener, server: String) {
    std::thread::spawn(move || {
        for incoming in listener.incoming() {
            let (Ok(mut client), Ok(mut upstream)) = (incoming, TcpStream::connect(&server)) else {
                return;
            };
            // The head and the body of these small requests arrive at once or close together.
            let mut request = Vec::new();
            let mut part = [0; 4_096];
            while !is_whole(&request) {
                match client.read(&mut part) {
                    Ok(count) if count > 0 => request.extend_from_slice(&part[..count]),
                    _ => break,
                }
            }
            let text = String::from_utf8_lossy(&request);
            let text = text.replacen(
                "\r\n",
                "\r\nx-forwarded-for: 192.0.2.7\r\nconnection: close\r\n",
                1,
            );
            let mut answer = Vec::new();
            if upstream.write_all(text.as_bytes()).is_ok()
                && upstream.read_to_end(&mut answer).is_ok()
            {
                // The caller may have gone.
                let _ = client.write_all(&answer);
            }
        }
    });
}

/// Whether `request` has its head and the body that its head announces.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    body.len() >= length.map_or(0, |length| length.trim().parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_not_trusted_is_a_problem_and_a_trusted_one_is_not() {
    for (trusted, verdict, text) in [
        ("", "problem", "this proxy is not trusted"),
        (
            "trustedProxies = [\"127.0.0.1\"]",
            "ok",
            "It was made by 192.0.2.7",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let registrar =
            Registrar::start_with(&format!("[server]\nissuer = \"{issuer}\"\n{trusted}\n"));
        proxy(listener, registrar.host().to_owned());
        let (_, report) = examined(&registrar);
        expect(
            &report,
            "ok",
            "public URL",
            "is the metadata of this server",
        );
        expect(&report, verdict, "proxies", text);
    }
}

#[tokio::test]
async fn a_host_that_a_script_calls_is_asked() {
    let folder = TempDir::new().unwrap();
    let scripts = folder.path().join("scripts");
    std::fs::create_dir(&scripts).unwrap();
    let script = "const PARTNERS = \"https://127.0.0.1:9/v1\";\n\
                  fn createClient(context) {\n    http::get(global::PARTNERS);\n    true\n}\n";
    std::fs::write(scripts.join("10-partners.rhai"), script).unwrap();
    let registrar = Registrar::start_with(&format!("[scripts]\ndirectory = {scripts:?}\n"));
    let (_, report) = examined(&registrar);
    let said = "127.0.0.1:9, which 10-partners.rhai calls in line 3, does not answer to https";
    expect(&report, "warning", "scripts", said);
}

#[tokio::test]
async fn a_key_file_that_disappears_is_a_problem() {
    let registrar = Registrar::start();
    let key = registrar.folder().join("data/registrar.key");
    std::fs::rename(&key, registrar.folder().join("moved.key")).unwrap();
    let found = loop {
        let (code, report) = examined(&registrar);
        if code == Some(1) {
            break report;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    expect(&found, "problem", "readiness", "keyError");
}

/// Answers every request with the metadata of `issuer`, and tells `heard` what arrived.
fn another_server(listener: TcpListener, issuer: &str, heard: std::sync::mpsc::Sender<String>) {
    let body = json!({ "issuer": issuer }).to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    std::thread::spawn(move || {
        for incoming in listener.incoming() {
            let (mut client, mut part) = (incoming.expect("a connection"), [0; 4_096]);
            let count = client.read(&mut part).unwrap_or_default();
            let text = String::from_utf8_lossy(&part[..count]).into_owned();
            // The test may have ended.
            let _ = heard.send(text.to_lowercase());
            let _ = client.write_all(answer.as_bytes());
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_at_the_public_url_gets_no_credentials() {
    for its_own in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let (heard, requests) = std::sync::mpsc::channel();
        let said = if its_own {
            issuer.as_str()
        } else {
            "https://other.example.org"
        };
        another_server(listener, said, heard);
        let registrar = Registrar::start_with(&format!("[server]\nissuer = \"{issuer}\"\n"));
        let (code, report) = examined(&registrar);
        assert_eq!(code, Some(1));
        expect(&report, "problem", "public URL", "metadata");
        expect(
            &report,
            "skipped",
            "proxies",
            "does not lead to this server",
        );
        let heard: Vec<String> = requests.try_iter().collect();
        assert!(heard[0].contains("/.well-known/"), "{heard:?}");
        assert!(
            !heard
                .iter()
                .any(|request| request.contains("\nauthorization:")),
            "{heard:?}"
        );
    }
}
