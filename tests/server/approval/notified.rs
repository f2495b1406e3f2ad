//! `registrationPending`: scripts are notified of what waits.

use std::path::Path;
use std::time::Duration;

use registrar::testing::FakeHost;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PAGE, decide, defer, waiting};
use crate::documents::{PATH, World};
use crate::events;
use crate::support::{Origin, Reply, TestServer, machine, registering, with};

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
/// Starts a world whose new URLs wait, with two webhooks: one for everything, and one for trusted clients only.
async fn announcing(receiver: &Origin, secrets: &Path) -> World {
    let webhook = |name: &str, more: Value| {
        let own =
            json!({"name": name, "url": receiver.url(&format!("/{name}")), "secretFile": secrets});
        with(own, more)
    };
    let webhooks = json!([
        webhook("all", json!({"include": "client"})),
        webhook("documents", json!({"clients": {"trustLevel": "document"}})),
        webhook(
            "statements",
            json!({"clients": {"trustLevel": "statement"}})
        ),
    ]);
    for path in ["/all", "/documents", "/statements"] {
        receiver.set(path, Reply::status(204));
    }
    let first = json!({"clientDocumentApproval": "first"});
    World::with(&[], first, |configuration| {
        configuration.live.webhooks = serde_json::from_value(webhooks).unwrap();
    })
    .await
}

#[tokio::test]
async fn webhooks_are_told_of_documents_that_wait_and_are_denied() {
    let (receiver, folder) = (Origin::new().await, TempDir::new().unwrap());
    let secrets = folder.path().join("secrets");
    std::fs::write(
        &secrets,
        "whsec_b25lIHNlY3JldCB0aGF0IHNpZ25zIGFuIGV2ZW50IQ==\n",
    )
    .unwrap();
    #[cfg(unix)]
    {
        let only_ours = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&secrets, only_ours).unwrap();
    }
    let world = announcing(&receiver, &secrets).await;
    let url = world.publish(PATH, json!({}));
    world
        .resolve(&url)
        .await
        .expect_error(403, &["document_pending"]);
    events::until(async || receiver.hits("/all") == 1 && receiver.hits("/documents") == 1).await;
    let deny = json!({"client_id": url});
    world.order("deny", deny).await.expect_status(204);
    events::until(async || receiver.hits("/all") == 2).await;
    let requests = receiver.received("/all");
    let bodies = requests
        .iter()
        .map(|request| serde_json::from_slice(request.body()).unwrap());
    let bodies: Vec<Value> = bodies.collect();
    for (body, kind) in bodies.iter().zip(["client.pending", "client.denied"]) {
        assert_eq!(body["type"], kind);
        assert_eq!(body["data"]["client_id"], url);
        assert_eq!(body["data"]["pending_type"], "document");
        assert_eq!(body["data"]["pending"], bodies[0]["data"]["pending"]);
    }
    assert_eq!(bodies[0]["data"]["client"]["client_name"], "Editor");
    assert_eq!(receiver.hits("/statements"), 0);
}

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
