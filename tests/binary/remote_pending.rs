//! `registrar pending`: what waits is listed, shown, approved and denied.

use serde_json::{Value, json};

use crate::process::Registrar;

const SETTINGS: &str = r#"
[registration]
registrationApproval = "offered"
registrationApprovalUri = "https://console.example.org/approve"
"#;

/// Sends `body` to the registration endpoint, and returns the status and the answer.
async fn post(registrar: &Registrar, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(registrar.url("/register"));
    let answer = request.json(body).send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.expect("JSON"))
}

/// Registers a client that waits, and returns its answer.
async fn defer(registrar: &Registrar, name: &str) -> Value {
    let body = json!({
        "redirect_uris": ["https://client.example.org/cb"], "client_name": name,
        "registration_mode": ["approval"],
    });
    let (status, answer) = post(registrar, &body).await;
    assert_eq!(status, 202, "{answer}");
    answer
}

#[tokio::test]
async fn what_waits_is_listed_shown_approved_and_denied() {
    let registrar = Registrar::start_with(SETTINGS);
    let (one, two) = (
        defer(&registrar, "One").await,
        defer(&registrar, "Two").await,
    );
    let code = one["verification_code"].as_str().unwrap();
    let found = registrar
        .cli(&["pending", "list", "--code", code, "--format", "json"])
        .json();
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(found[0]["client_name"], "One");
    let id = found[0]["id"].as_str().unwrap();

    let table = registrar.cli(&["pending", "list"]).fine();
    assert!(
        table.starts_with("ID") && table.contains("Two") && table.contains("waiting"),
        "{table}"
    );
    let shown = registrar.cli(&["pending", "show", id]).fine();
    assert!(
        shown.contains("redirect_uris") && shown.contains("waiting"),
        "{shown}"
    );

    let approved = registrar
        .cli(&["pending", "approve", id, "--note", "contract 4711"])
        .fine();
    assert_eq!(approved, "1 approved\n");
    let (status, client) = post(
        &registrar,
        &json!({"registration_code": one["registration_code"]}),
    )
    .await;
    assert_eq!(status, 201, "{client}");
    let client_id = client["client_id"].as_str().unwrap();
    let client = registrar
        .cli(&["clients", "show", client_id, "--format", "json"])
        .json();
    assert_eq!(client["provenance"]["approval"]["note"], "contract 4711");

    let rest = registrar
        .cli(&["pending", "list", "--state", "waiting", "--format", "json"])
        .json();
    let id = rest[0]["id"].as_str().unwrap();
    assert_eq!(registrar.cli(&["pending", "deny", id]).fine(), "1 denied\n");
    let (status, denied) = post(
        &registrar,
        &json!({"registration_code": two["registration_code"]}),
    )
    .await;
    assert_eq!((status, &denied["error"]), (400, &json!("access_denied")));
    let again = registrar.cli(&["pending", "deny", id]);
    again.failed(1, &["no longer waits"]);
    let metrics = reqwest::get(registrar.url("/metrics"))
        .await
        .expect("metrics");
    let metrics = metrics.text().await.expect("a text");
    for (change, count) in [("pending", 2), ("approved", 1), ("denied", 1)] {
        let start = "registrar_pending_changes_total{";
        let mut lines = metrics.lines().filter(|line| line.starts_with(start));
        let name = format!("change=\"{change}\"");
        let is_it = |line: &&str| line.contains("type=\"registration\"") && line.contains(&name);
        let line = lines.find(is_it).expect("a line");
        assert!(line.ends_with(&format!(" {count}")), "{line}");
    }
    let updates = registrar.cli(&["pending", "list", "--type", "update", "--format", "json"]);
    assert_eq!(updates.json(), json!([]));
    let until = ["pending", "deny", id, "--until", "+1d"];
    registrar.cli(&until).failed(1, &["until"]);
    let past = ["pending", "deny", id, "--until", "30d"];
    let said = "this is in the past; +30d is that much from now";
    registrar.cli(&past).failed(2, &[said]);
    let digest = ["pending", "approve", id, "--digest", "other"];
    registrar.cli(&digest).failed(1, &["digest"]);
}
