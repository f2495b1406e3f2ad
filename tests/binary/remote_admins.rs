//! `registrar admin` with a running server.

use serde_json::{Value, json};

use crate::process::{Registrar, command};
use crate::remote::{Ran, write_credentials};

/// Runs a command with the credentials of `administrator`.
fn run_as(registrar: &Registrar, administrator: &Value, arguments: &[&str]) -> Ran {
    let folder = tempfile::TempDir::new().expect("a folder");
    let (server, file) = (
        registrar.url(""),
        write_credentials(folder.path(), administrator),
    );
    let more = ["--server", &server, "--credentials", &file];
    let output = command(&[arguments, &more].concat()).output();
    Ran::of(&output.expect("the binary runs"))
}

#[test]
fn an_administrator_is_created_rotated_disabled_enabled_and_deleted() {
    let registrar = Registrar::start();
    let ran = registrar.cli(&[
        "admin",
        "create",
        "--name",
        "SIEM",
        "--scope",
        "audit.read",
        "--note",
        "reads",
        "--format",
        "json",
    ]);
    assert!(ran.err.contains("shown only once"), "{}", ran.err);
    let siem = ran.json();
    let id = siem["client_id"].as_str().expect("an identifier");
    let secret = siem["client_secret"].as_str().expect("a secret");
    run_as(&registrar, &siem, &["audit"]).fine();
    run_as(&registrar, &siem, &["admin", "list"]).failed(1, &["scope"]);
    run_as(&registrar, &siem, &["admin", "delete", id]).failed(1, &["permission denied"]);

    let list = registrar.cli(&["admin", "list"]).fine();
    assert!(
        list.contains(id) && list.contains("SIEM") && !list.contains(secret),
        "{list}"
    );
    let shown = registrar
        .cli(&["admin", "show", id, "--format", "json"])
        .json();
    assert_eq!(
        (&shown["note"], &shown["scopes"]),
        (&json!("reads"), &json!(["audit.read"]))
    );

    let rotate = ["admin", "rotate", id, "--overlap", "1h", "--format", "json"];
    let rotated = registrar.cli(&rotate).json();
    run_as(&registrar, &siem, &["audit"]).fine();
    run_as(&registrar, &rotated, &["audit"]).fine();
    registrar.cli(&["admin", "disable", id]).fine();
    run_as(&registrar, &rotated, &["audit"]).failed(1, &["is disabled"]);
    registrar.cli(&["admin", "enable", id]).fine();
    run_as(&registrar, &rotated, &["audit"]).fine();
    assert_eq!(
        registrar.cli(&["admin", "delete", id]).fine(),
        "1 deleted\n"
    );
    registrar
        .cli(&["admin", "show", id])
        .failed(1, &["administrator not found"]);
    registrar
        .cli(&["admin", "disable", "administrator"])
        .failed(1, &["last_administrator"]);
    registrar
        .cli(&["admin", "create", "--name", "x"])
        .failed(2, &["--scope"]);
    let log = registrar.log();
    assert!(!log.contains(secret), "the secret is not logged");
    // Each line of a call names who called: an administrator with its name, a stranger with neither.
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let answered: Vec<Value> = lines
        .filter(|line| line["message"] == "request answered")
        .collect();
    let named = |path: &str, name: &Value| {
        answered
            .iter()
            .any(|line| line["path"] == path && line["span"]["actor_name"] == *name)
    };
    assert!(named("/admin/v1/audit", &json!("SIEM")), "{log}");
    let first = json!("Registrar administrator");
    assert!(named("/admin/v1/administrators", &first), "{log}");
    assert!(named("/token", &Value::Null) && !named("/token", &first));
    let mut siems = answered
        .iter()
        .filter(|line| line["span"]["actor_name"] == "SIEM");
    assert!(siems.all(|line| line["span"]["actor"] == id));
}
