//! `registrar clients`.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::process::Registrar;
use crate::remote::Ran;

fn id(client: &Value) -> &str {
    client["client_id"].as_str().expect("an identifier")
}

#[tokio::test]
async fn clients_are_listed_as_a_table_and_as_json() {
    let registrar = Registrar::start();
    let one = registrar
        .register(json!({"client_name": "Erste Bank", "software_id": "s-1"}))
        .await;
    let two = registrar.register(json!({"client_name": "銀行"})).await;

    let table = registrar.cli(&["clients", "list"]).fine();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines.len(),
        4,
        "a heading, two clients and the administrator: {table}"
    );
    let heading: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(
        heading,
        [
            "CLIENT_ID",
            "NAME",
            "TRUST",
            "ISSUED",
            "EXPIRES",
            "SOFTWARE"
        ]
    );
    let row = lines
        .iter()
        .find(|line| line.starts_with(id(&one)))
        .expect("a row");
    assert!(
        row.contains("  Erste Bank  ") && row.contains("  open  ") && row.ends_with("s-1"),
        "{row}"
    );
    assert!(
        table.contains("administrator") && table.contains("銀行"),
        "{table}"
    );

    let list = registrar
        .cli(&["clients", "list", "--format", "json"])
        .json();
    assert_eq!(list.as_array().expect("an array").len(), 3);
    let named = registrar
        .cli(&[
            "clients",
            "list",
            "--client-name",
            "bank",
            "--format",
            "json",
        ])
        .json();
    assert_eq!(
        (named.as_array().unwrap().len(), id(&named[0])),
        (1, id(&one))
    );
    let limited = registrar
        .cli(&["clients", "list", "--limit", "1", "--format", "json"])
        .json();
    assert_eq!(limited.as_array().unwrap().len(), 1);
    let filters = [
        "--issued-before",
        "2000-01-01T00:00:00Z",
        "--trust-level",
        "open",
    ];
    let none = registrar
        .cli(&[&["clients", "list", "--format", "json"][..], &filters].concat())
        .json();
    assert_eq!(none, json!([]));
    let secret = two["client_secret"].as_str().expect("a secret");
    assert!(
        !registrar
            .cli(&["clients", "list", "--format", "json"])
            .fine()
            .contains(secret)
    );
}

#[tokio::test]
async fn a_client_is_shown_with_its_provenance_and_deleted() {
    let registrar = Registrar::start();
    let client = registrar
        .register(json!({"client_name": "A", "contacts": ["a@example.org", "b@example.org"]}))
        .await;
    let shown = registrar
        .cli(&["clients", "show", id(&client), "--format", "json"])
        .json();
    assert_eq!(shown["metadata"]["client_name"], "A");
    let table = registrar.cli(&["clients", "show", id(&client)]).fine();
    for [member, value] in [
        ["client_id", id(&client)],
        ["metadata.client_name", "A"],
        ["metadata.contacts", "a@example.org, b@example.org"],
        ["provenance.trust_level", "open"],
    ] {
        let has = |line: &str| {
            line.split_once("  ")
                .is_some_and(|(name, rest)| name == member && rest.trim() == value)
        };
        assert!(table.lines().any(has), "{member} {value}: {table}");
    }
    let secret = client["client_secret"].as_str().expect("a secret");
    assert!(!table.contains(secret) && !shown.to_string().contains(secret));

    assert_eq!(
        registrar.cli(&["clients", "delete", id(&client)]).fine(),
        "1 deleted\n"
    );
    registrar
        .cli(&["clients", "show", id(&client)])
        .failed(1, &["client not found"]);
    registrar
        .cli(&["clients", "delete", id(&client)])
        .failed(1, &["client not found"]);
}

#[test]
fn a_deletion_must_name_its_clients() {
    let registrar = Registrar::start();
    registrar
        .cli(&["clients", "delete"])
        .failed(2, &["an ID, or a filter"]);
    registrar
        .cli(&["clients", "delete", ".."])
        .failed(2, &["not an identifier"]);
    registrar
        .cli(&["clients", "delete", ""])
        .failed(2, &["not an identifier"]);
    registrar
        .cli(&["clients", "delete", "--software-id", "s"])
        .failed(2, &["0 clients", "--confirm 0"]);
    registrar
        .cli(&["clients", "delete", "x", "--software-id", "s"])
        .failed(2, &["cannot be used with"]);
    registrar
        .cli(&["clients", "delete", "--confirm", "1"])
        .failed(2, &["an ID, or a filter"]);
    registrar
        .cli(&["clients", "list", "--issued-from", "yesterday"])
        .failed(2, &["2026-01-31T12:00:00Z"]);
    assert_eq!(
        registrar
            .cli(&["clients", "list", "--format", "json"])
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn the_administrator_cannot_lock_itself_out() {
    let registrar = Registrar::start();
    let delete = registrar.cli(&["clients", "delete", "administrator"]);
    delete.failed(
        1,
        &["access_denied", "status 403", "/admin/v1/administrators"],
    );
    assert_eq!(
        registrar
            .cli(&["clients", "list", "--format", "json"])
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_closed_pipe_ends_a_list_quietly() {
    let registrar = Registrar::start();
    for format in ["table", "json"] {
        let mut command = registrar.asked(&["clients", "list", "--format", format]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        drop(child.stdout.take());
        let ran = Ran::of(&child.wait_with_output().expect("it ends"));
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{format}");
    }
}
