//! What is recorded about requests that wait, and who may see and decide.

use serde_json::json;

use super::{decide, defer, list, poll, server, waiting};
use crate::support::Answer;

#[tokio::test]
async fn every_step_is_in_the_audit_log_and_the_event_log_without_codes() {
    let server = server("offered", json!({})).await;
    let answer = server.post(&waiting()).await;
    let code = answer.body["registration_code"]
        .as_str()
        .unwrap()
        .to_owned();
    let shown = answer.body["verification_code"]
        .as_str()
        .unwrap()
        .to_owned();
    let id = list(&server, "").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    decide(&server, &id, "approve", "a good vendor")
        .await
        .expect_status(204);
    poll(&server, &code).await.expect_status(201);
    let (denied, id) = defer(&server, &waiting()).await;
    decide(&server, &id, "deny", "").await.expect_status(204);

    let events = server.called("GET", "/admin/v1/events").await;
    let types: Vec<&str> = events.body["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "client.pending",
            "client.approved",
            "client.created",
            "client.pending",
            "client.denied"
        ]
    );
    assert_eq!(events.body["events"][4]["pending"], id);
    let audit = server.called("GET", "/admin/v1/audit").await;
    for action in [
        "registration_pending",
        "registration_approved",
        "registration_denied",
        "client_created",
    ] {
        assert!(audit.text.contains(action), "{action} in {}", audit.text);
    }
    assert!(audit.text.contains("approved_by"), "{}", audit.text);
    assert!(audit.text.contains("a good vendor"), "{}", audit.text);
    for secret in [&code, &shown, &denied] {
        assert!(!audit.text.contains(secret) && !events.text.contains(secret));
    }
}

#[tokio::test]
async fn each_call_needs_its_scope() {
    let server = server("offered", json!({})).await;
    let (_, id) = defer(&server, &waiting()).await;
    let reader = server.administrator_token_for("pending.read").await;
    let ask = |method: &str, path: &str, token: &str| {
        Answer::of(server.ask(method, path).bearer_auth(token))
    };
    ask("GET", "/admin/v1/pending", &reader)
        .await
        .expect_status(200);
    for verb in ["approve", "deny"] {
        let path = format!("/admin/v1/pending/{id}/{verb}");
        ask("POST", &path, &reader).await.expect_status(403);
    }
    let other = server.administrator_token_for("clients.read").await;
    ask("GET", "/admin/v1/pending", &other)
        .await
        .expect_status(403);
    ask("GET", &format!("/admin/v1/pending/{id}"), &other)
        .await
        .expect_status(403);
}
