//! `registrar documents check FILE`, which needs no server.

use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::command;

const URL: &str = "https://app.example.org/oauth/client.json";

/// Runs the check on a document.
fn check(document: &Value, arguments: &[&str]) -> Output {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("client.json");
    std::fs::write(&file, document.to_string()).expect("a file");
    let file = file.to_str().expect("a path");
    let all = [&["documents", "check", file], arguments].concat();
    command(&all).output().expect("the binary runs")
}

fn document() -> Value {
    json!({
        "client_id": URL,
        "client_name": "App",
        "redirect_uris": ["http://localhost/cb"],
        "token_endpoint_auth_method": "none",
    })
}

#[test]
fn a_valid_document_has_warnings_and_what_is_registered() {
    let output = check(&document(), &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    for line in [
        "warning: redirect_uris[0]: has the name localhost",
        "warning: application_type: is missing beside a loopback redirect URI",
        "warning: token_endpoint_auth_methods_supported: is missing",
        "A server with these settings registers:",
        "application_type",
        "It tells users that any program on their device can claim to be this client.",
    ] {
        assert!(
            text.lines().any(|one| one.starts_with(line)),
            "'{line}' is not in {text}"
        );
    }
}

#[test]
fn an_invalid_document_has_errors_and_the_exit_code_1() {
    let other = check(
        &document(),
        &[
            "--url",
            "https://app.example.org/other.json",
            "--format",
            "json",
        ],
    );
    assert_eq!(other.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&other.stdout).expect("JSON");
    assert_eq!(
        (&report["valid"], &report["metadata"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(report["errors"][0]["member"], "client_id");
    let errors = String::from_utf8_lossy(&other.stderr);
    assert!(errors.contains("the document has 1 error"), "{errors}");
}

#[test]
fn a_configuration_decides_what_is_accepted() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("r.toml");
    std::fs::write(&file, "[registration]\nclientDocumentLoopback = false\n").expect("a file");
    let output = check(&document(), &["--config", file.to_str().expect("a path")]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("error: redirect_uris[0]: must not be on loopback"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_url_belongs_to_a_file() {
    let output = command(&["documents", "check", URL, "--url", URL])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
}
