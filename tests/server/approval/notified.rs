//! `registrationPending`: scripts are notified of what waits.

use std::time::Duration;

use registrar::testing::FakeHost;
use serde_json::{Value, json};

use super::{PAGE, decide, defer, waiting};
use crate::documents::{PATH, World};
use crate::events;
use crate::support::{TestServer, machine, registering, with};

/// Remembers what it is told, and shows that with an answer of its own.
const DOCUMENT: &str = r#"
fn registrationPending(context) {
    let waits = context.event.pending;
    if waits.type != "document" || waits.digest != context.document.digest { return; }
    if context.client.client_id != context.document.url { return; }
    kv::set("told", "it was told", 600);
}
fn mayFetchDocument(context) {
    if context.document.url.ends_with("told.json") {
        context.createWebApplicationException(403, #{ error: "document_denied", error_description: kv::get("told") });
    }
}
"#;
const CHAT: &str = "https://chat.example.org/message";
const TELL: &str = r#"
fn createClient(context) {
    if context.client.client_name == "New" { context.holdForApproval("a new vendor"); }
    true
}
fn registrationPending(context) {
    if context.client.client_name == "Cancelled" || context.event.attempt < 2 { throw "not yet" }
    let seen = context.client.to_map();
    let body = #{ client: seen, event: context.event, address: context.httpRequest.ipAddress };
    http::request(#{ method: "POST", url: "https://chat.example.org/message", body: body });
}
"#;

async fn told(host: &FakeHost, count: usize) -> Vec<Value> {
    while host.calls().len() < count {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let calls = host.calls().into_iter();
    let bodies = calls.map(|call| serde_json::from_slice(&call.body.unwrap()).unwrap());
    bodies.collect()
}

async fn telling(approval: &str, more: Value) -> (TestServer, std::sync::Arc<FakeHost>) {
    let options = json!({"registrationApproval": approval, "registrationApprovalUri": PAGE});
    let options = with(options, more);
    let (server, host) = TestServer::hosted(&[("10-tell.rhai", TELL)], |configuration| {
        registering(configuration, options);
        configuration.settings.scripts.retry_pauses_ms = vec![20];
    })
    .await;
    host.answer_json("POST", CHAT, 200, &json!({}));
    (server, host)
}

#[tokio::test]
async fn a_script_is_told_what_waits_and_why_but_no_secret() {
    let (server, host) = telling("offered", json!({})).await;
    let body = with(
        machine(),
        json!({"registration_mode": ["immediate", "approval"], "client_name": "New"}),
    );
    let (code, id) = defer(&server, &body).await;
    let seen = told(&host, 1).await.remove(0);
    let path = format!("/admin/v1/pending/{id}");
    let record = server.called("GET", &path).await.body;
    assert_eq!(seen["client"]["client_name"], "New");
    assert_eq!(seen["client"]["client_id"], record["client_id"]);
    assert_eq!(seen["client"].get("client_secret"), None);
    assert_eq!(seen["event"]["type"], "client.pending");
    assert_eq!(seen["address"], "127.0.0.1");
    assert_eq!(
        seen["event"]["pending"],
        json!({
            "id": id, "type": "registration", "digest": record["digest"], "reason": "a new vendor",
            "expires_at": record["expires_at"],
        })
    );
    assert!(!seen.to_string().contains(&code));
}

#[tokio::test]
async fn a_silent_registration_is_told_too() {
    let silent = json!({"registrationApprovalSilent": true});
    let (server, host) = telling("required", silent).await;
    let client = server.register(&machine()).await;
    let seen = told(&host, 1).await.remove(0);
    assert_eq!(seen["client"]["client_id"], client.body["client_id"]);
    assert_eq!(seen["client"]["disabled"], true);
    assert_eq!(seen["client"].get("client_secret"), None);
    assert_eq!(seen["event"]["pending"]["type"], "registration");
}

#[tokio::test]
async fn nobody_is_told_of_a_request_that_was_cancelled_meanwhile() {
    let (server, host) = telling("offered", json!({})).await;
    let body = with(waiting(), json!({"client_name": "Cancelled"}));
    let (code, _) = defer(&server, &body).await;
    let retried = async || events::hooks(&server).await["waiting"] != json!([]);
    events::until(&retried).await;
    let cancel = json!({"registration_code": code, "cancel_registration": true});
    server.post(&cancel).await.expect_status(204);
    events::until(async || !retried().await).await;
    let (_, id) = defer(&server, &waiting()).await;
    let told = told(&host, 1).await;
    assert_eq!(told[0]["event"]["pending"]["id"], id);
    decide(&server, &id, "approve", "").await.expect_status(204);
}

#[tokio::test]
async fn a_script_is_told_of_a_document_that_waits() {
    let world = World::with(
        &[("10-log.rhai", DOCUMENT)],
        json!({"clientDocumentApproval": "first"}),
        |configuration| configuration.settings.scripts.retry_pauses_ms = vec![20],
    )
    .await;
    let url = world.publish(PATH, json!({}));
    world
        .resolve(&url)
        .await
        .expect_error(403, &["document_pending"]);
    events::until(async || {
        let hooks = events::hooks(&world.server).await;
        hooks["cursor"] != json!(0) && hooks["lag"] == json!(0)
    })
    .await;
    let told = world.publish("/oauth/told.json", json!({}));
    let answer = world.resolve(&told).await;
    answer.expect_error(403, &["document_denied", "it was told"]);
}
