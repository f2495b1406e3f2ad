//! Output whose reader is gone, as behind `| true` and `| head -1`: commands end quietly with their usual
//! exit code, and a server keeps running.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{command, server};

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// Commands that need no server, and their exit codes. `folder` is empty.
fn commands(folder: &TempDir) -> Vec<(Vec<String>, i32)> {
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(
        folder.path().join("request.json"),
        r#"{"client_name": "K"}"#,
    )
    .expect("a request");
    std::fs::create_dir_all(folder.path().join("bad")).expect("a folder");
    std::fs::write(folder.path().join("bad/10-bad.rhai"), "fn createClient(").expect("a script");
    let (definitions, request, bad, none) = (
        path("definitions"),
        path("request.json"),
        path("bad"),
        path("none"),
    );
    let all: [(&[&str], i32); 14] = [
        (&["--help"], 0),
        (&["--version"], 0),
        (&["serve", "--no-such-flag"], 2),
        (&["check"], 0),
        (&["check", "--config", &none], 1),
        (&["schema", "Client"], 0),
        (&["schema", "Nothing"], 2),
        (&["script", "definitions", "--output", &definitions], 0),
        (&["script", "check"], 0),
        (&["script", "check", "--format", "json"], 0),
        (&["script", "check", "--scripts", &bad], 1),
        (&["script", "test"], 0),
        (
            &["script", "call", "createClient", "--request", &request],
            0,
        ),
        (&["store", "check", "--data", &none], 1),
    ];
    all.into_iter()
        .map(|(words, code)| (words.iter().map(|word| (*word).to_owned()).collect(), code))
        .collect()
}

#[test]
fn every_command_keeps_its_exit_code_when_nobody_reads_its_output() {
    let folder = TempDir::new().expect("a temporary folder");
    for (words, code) in commands(&folder) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = command(&words)
            .stdout(closed())
            .stderr(Stdio::piped())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        assert!(!said.contains("panicked"), "{words:?}: {said}");
        // Standard error has no reader either.
        let status = command(&words)
            .stdout(closed())
            .stderr(closed())
            .status()
            .expect("it runs");
        assert_eq!(
            status.code(),
            Some(code),
            "{words:?} with standard error closed"
        );
    }
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let full = || File::options().write(true).open("/dev/full");
    if full().is_err() {
        return;
    }
    for words in [&["schema", "Client"][..], &["script", "check"], &["check"]] {
        let output = command(words)
            .stdout(full().unwrap())
            .stderr(Stdio::piped())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        assert!(said.contains("cannot be written"), "{words:?}: {said}");
    }
}

/// A server in `folder` whose log is JSON.
fn json_server(folder: &TempDir) -> Command {
    let configuration = "[telemetry]\nformat = \"json\"\n";
    std::fs::write(folder.path().join("registrar.toml"), configuration).expect("a configuration");
    server(folder.path())
}

fn healthz(address: &str) -> u16 {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        reqwest::get(format!("http://{address}/healthz"))
            .await
            .expect("an answer")
            .status()
            .as_u16()
    })
}

#[test]
fn a_server_keeps_running_when_nobody_reads_its_output_and_its_log_reports_the_start() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut child = json_server(&folder)
        .stdout(closed())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let log = BufReader::new(child.stderr.take().expect("its log"));
    let lines = log
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let started = lines
        .into_iter()
        .find(|line| line["message"] == "server started");
    let started = started.expect("it reports that it started");
    let address = started["listen"].as_str().expect("an address").to_owned();
    assert_eq!(healthz(&address), 200);
    child.kill().expect("it still runs");
    child.wait().expect("it ends");
    let expected = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("issuer", format!("http://{address}")),
        ("store", "sled".to_owned()),
    ];
    for (name, value) in expected {
        assert_eq!(started[name], value, "{started}");
    }
    assert!(
        started.get("admin").is_none() && started["tls"] == false,
        "{started}"
    );
}

#[test]
fn a_server_keeps_running_when_nobody_reads_its_log() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut child = json_server(&folder)
        .stdout(Stdio::piped())
        .stderr(closed())
        .spawn()
        .expect("it starts");
    let mut greeting = BufReader::new(child.stdout.take().expect("its greeting"));
    let mut line = String::new();
    greeting.read_line(&mut line).expect("a line");
    let address = line
        .trim()
        .rsplit("//")
        .next()
        .expect("an address")
        .to_owned();
    for _ in 0..3 {
        assert_eq!(healthz(&address), 200);
    }
    child.kill().expect("it still runs");
    child.wait().expect("it ends");
}
