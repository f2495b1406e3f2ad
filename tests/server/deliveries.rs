//! What the hooks behind the response are told, whoever changes a client, and what becomes of events that cannot
//! be delivered.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use registrar::testing::FakeHost;
use serde_json::{Value, json};

use crate::support::{START, TestServer, minimal, registering, with};
use crate::transfer::{export, import, read, write};

const DAY: u64 = 86_400;
const SEEN: &str = "https://other.example.org/seen";

const TELL: &str = "
fn tell(context) {
    let event = context.event;
    let answer = http::post(\"https://other.example.org/seen\", #{
        client: context.client.client_id, name: context.client.client_name,
        type: event.type, reason: event.reason, id: event.id, position: event.position,
    }, #{});
    if answer.status >= 300 { throw `status ${answer.status}` }
}
fn clientCreated(context) { tell(context); }
fn clientUpdated(context) { tell(context); }
fn clientDeleted(context) { tell(context); }";

/// Waits for what must happen soon.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !condition().await {
        assert!(
            Instant::now() < end,
            "it did not happen in a minute: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Returns a server whose hooks tell another system, with pauses of a few milliseconds.
async fn telling(members: Value) -> (TestServer, Arc<FakeHost>) {
    TestServer::hosted(&[("10-tell.rhai", TELL)], |configuration| {
        configuration.settings.scripts.retry_pauses_ms = vec![5];
        registering(configuration, members);
        configuration
            .live
            .registration
            .rate_limit_registration_request_count = Some(0);
    })
    .await
}

fn set_status(host: &FakeHost, status: u16) {
    host.answer_json("POST", SEEN, status, &json!({}));
}

/// Returns what the other system was told.
fn told(host: &FakeHost) -> Vec<Value> {
    let calls = host.calls().into_iter();
    calls
        .map(|call| serde_json::from_slice(&call.body.unwrap()).unwrap())
        .collect()
}

async fn parked(server: &TestServer) -> Vec<Value> {
    server.storage().parked("hooks").await.unwrap()
}

/// Returns the state of the hooks as a consumer.
async fn hooks(server: &TestServer) -> Value {
    let state = server.storage().consumer("hooks").await;
    state.unwrap().unwrap_or_default()
}

/// Returns the number of events that wait, as they are stored.
async fn waiting(server: &TestServer) -> usize {
    let state = hooks(server).await;
    state["waiting"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn whoever_changes_a_client_the_hooks_are_told_once() {
    let (server, host) = telling(json!({"unusedClientLifetime": DAY})).await;
    set_status(&host, 200);
    let inside = server.inside();
    let expiring = server
        .register(&with(minimal(), json!({"lifetime": 100})))
        .await;
    let unused = server.register(&minimal()).await;
    let bulk = server
        .register(&with(minimal(), json!({"software_id": "bulk"})))
        .await;
    let imported = server.register(&minimal()).await;
    let (mut lines, _) = read(&export(&server).await);
    lines.retain(|line| line.to_string().contains(&imported.id));
    server.delete(&imported).await.expect_status(204);
    import(&server, "", write(&lines)).await.expect_status(200);

    let path = format!("/admin/v1/clients/{}", imported.id);
    for members in [
        json!({"client_name": "Other"}),
        json!({"client_name": "Other", "disabled": true}),
        json!({"client_name": "Other", "disabled": false}),
    ] {
        let request = server.administrate("PUT", &path).await;
        let answer = request
            .json(&with(minimal(), members))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
    }
    let deleted = server
        .called("DELETE", "/admin/v1/clients?software_id=bulk&confirm=1")
        .await;
    assert_eq!(deleted.body, json!({"deleted": 1}));
    server.clock.advance(100);
    inside.sweep().await;
    server.clock.advance(DAY);
    let used = format!("{path}/used");
    server.called("POST", &used).await.expect_status(204);
    assert_eq!(inside.remove_unused().await, 1);
    server.called("DELETE", &path).await.expect_status(204);

    let expected = [
        (&expiring.id, "client.created", "request"),
        (&unused.id, "client.created", "request"),
        (&bulk.id, "client.created", "request"),
        (&imported.id, "client.created", "request"),
        (&imported.id, "client.deleted", "request"),
        (&imported.id, "client.created", "import"),
        (&imported.id, "client.updated", "administrator"),
        (&imported.id, "client.disabled", "administrator"),
        (&imported.id, "client.enabled", "administrator"),
        (&bulk.id, "client.deleted", "administrator"),
        (&expiring.id, "client.deleted", "expired"),
        (&unused.id, "client.deleted", "unused"),
        (&imported.id, "client.deleted", "administrator"),
    ]
    .map(|(client, kind, reason)| json!([client, kind, reason]));
    until("all is told", async || told(&host).len() >= expected.len()).await;
    let mut told = told(&host);
    told.sort_by_key(|event| event["position"].as_u64());
    let told: Vec<Value> = told
        .iter()
        .map(|event| json!([event["client"], event["type"], event["reason"]]))
        .collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn an_event_that_fails_for_too_long_is_parked_and_others_go_on() {
    let script = "fn clientCreated(context) {
        if context.client.client_name == \"stuck\" { throw \"the CRM rejected it\" }
        http::post(\"https://other.example.org/seen\", #{ client: context.client.client_id }, #{});
    }";
    let (server, host) = TestServer::hosted(&[("10-a.rhai", script)], |configuration| {
        configuration.settings.scripts.retry_pauses_ms = vec![5];
    })
    .await;
    set_status(&host, 200);
    let stuck = with(minimal(), json!({"client_name": "stuck"}));
    let stuck = server.register(&stuck).await;
    server.register(&minimal()).await;
    until("the other is told", async || host.calls().len() == 1).await;
    until("it waits", async || waiting(&server).await == 1).await;
    server.clock.advance(23 * 3_600);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(parked(&server).await.is_empty());
    server.clock.advance(2 * 3_600);
    until("it is parked", async || !parked(&server).await.is_empty()).await;
    let parked = parked(&server).await;
    assert_eq!(parked[0]["event"]["client_id"], *stuck.id);
    assert!(
        parked[0]["error"]
            .to_string()
            .contains("the CRM rejected it"),
        "{parked:?}"
    );
    assert_eq!((parked.len(), waiting(&server).await), (1, 0));
    server.register(&minimal()).await;
    until("later events go on", async || host.calls().len() == 2).await;
}

#[tokio::test]
async fn a_clock_that_jumps_parks_nothing() {
    let (server, host) = telling(json!({})).await;
    set_status(&host, 503);
    let client = server.register(&minimal()).await;
    until("it fails", async || host.calls().len() >= 2).await;
    server.clock.jump(30 * DAY);
    let before = host.calls().len();
    until("it fails again", async || host.calls().len() >= before + 2).await;
    assert!(parked(&server).await.is_empty());
    set_status(&host, 200);
    until("it is told", async || waiting(&server).await == 0).await;
    assert!(parked(&server).await.is_empty());
    assert_eq!(told(&host)[0]["client"], *client.id);
}

fn plain(turn: usize) -> Value {
    json!({
        "id": format!("c{turn}"), "metadata": {"redirect_uris": ["https://client.example.org/cb"]},
        "issued_at": START, "revision": 1, "tokens": {"current": ""},
        "provenance": {"trust_level": "open", "configuration": "c"},
    })
}

#[tokio::test]
async fn after_an_outage_with_more_events_than_a_consumer_takes_nothing_is_parked() {
    let (server, host) = telling(json!({})).await;
    set_status(&host, 503);
    let all: Vec<Value> = (0..1_500).map(plain).collect();
    let imported = server.storage().import_clients(all.clone()).await;
    imported.unwrap();
    // Every event that the consumer takes has failed.
    until("it fails", async || host.calls().len() >= 1_500).await;
    set_status(&host, 200);
    until("all is told or parked", async || {
        hooks(&server).await["cursor"].as_u64() >= Some(1_500) && waiting(&server).await == 0
    })
    .await;
    let parked: BTreeSet<u64> = parked(&server)
        .await
        .iter()
        .filter_map(|parked| parked["position"].as_u64())
        .collect();
    assert!(parked.is_empty(), "{} events are parked", parked.len());
}

#[tokio::test]
async fn an_event_is_skipped_although_it_was_being_delivered_at_that_moment() {
    let (server, host) = telling(json!({})).await;
    set_status(&host, 503);
    host.hold();
    server.register(&minimal()).await;
    until("it is being delivered", async || host.waiting() == 1).await;
    server.storage().skip("hooks", 1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    host.release();
    until("the order is carried out", async || {
        !server.storage().has_orders("hooks").await.unwrap()
    })
    .await;
    assert_eq!((host.calls().len(), waiting(&server).await), (1, 0));
}

#[tokio::test]
async fn hooks_that_come_back_after_long_get_the_events_from_then_on() {
    let (server, host) = telling(json!({})).await;
    set_status(&host, 200);
    server.register(&minimal()).await;
    until("it is told", async || host.calls().len() == 1).await;
    server.write_script("10-tell.rhai", "fn createClient(context) { true }");
    until("the consumer has ended", async || {
        hooks(&server).await["dormant_since"].is_u64()
    })
    .await;
    server.register(&minimal()).await;
    server.clock.advance(2 * DAY);
    server.write_script("10-tell.rhai", TELL);
    until("the cursor is prepared", async || {
        hooks(&server).await["dormant_since"].is_null()
    })
    .await;
    let later = server.register(&minimal()).await;
    until("the later one is told", async || host.calls().len() == 2).await;
    assert_eq!(told(&host)[1]["client"], *later.id);
}
