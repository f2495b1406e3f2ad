//! Hooks that run after the answer was sent.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{TestServer, minimal, with};

const TELL: &str = "
fn tell(what, context) {
    let seen = context.client.to_map();
    http::request(#{ method: \"PUT\", url: `https://other.example.org/${what}`, body: seen });
}
fn clientCreated(context) { tell(\"created\", context); }
fn clientUpdated(context) { tell(\"updated\", context); }
fn clientDeleted(context) { tell(\"deleted\", context); }";

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn another_system_is_notified() {
    let (server, host) = TestServer::hosted(&[("10-a.rhai", TELL)], |_| {}).await;
    for what in ["created", "updated", "deleted"] {
        host.answer_json(
            "PUT",
            &format!("https://other.example.org/{what}"),
            200,
            &json!({}),
        );
    }
    let client = server.register(&minimal()).await;
    until(|| host.calls().len() == 1).await;
    server
        .update(&client, &client.update(json!({"client_name": "Other"})))
        .await
        .expect_status(200);
    until(|| host.calls().len() == 2).await;
    server.delete(&client).await.expect_status(204);
    until(|| host.calls().len() == 3).await;
    let told: Vec<(String, Value)> = host
        .calls()
        .into_iter()
        .map(|call| {
            (
                call.url,
                serde_json::from_slice(&call.body.unwrap()).unwrap(),
            )
        })
        .collect();
    for ((url, seen), (what, name)) in
        told.iter()
            .zip([("created", "K"), ("updated", "Other"), ("deleted", "Other")])
    {
        assert!(url.ends_with(what), "{url}");
        assert_eq!(
            (&seen["client_id"], &seen["client_name"]),
            (&json!(client.id), &json!(name))
        );
        assert_eq!(
            seen.get("client_secret"),
            client
                .body
                .get("client_secret")
                .filter(|_| what != "deleted")
        );
        assert_eq!(seen.get("registration_access_token"), None);
    }
}

#[tokio::test]
async fn a_client_deleted_while_its_events_are_queued_is_not_recreated_elsewhere() {
    let (server, host) = TestServer::hosted(&[("10-a.rhai", TELL)], |_| {}).await;
    for what in ["created", "updated", "deleted"] {
        host.answer_json(
            "PUT",
            &format!("https://other.example.org/{what}"),
            200,
            &json!({}),
        );
    }
    host.hold();
    let client = server.register(&minimal()).await;
    until(|| host.waiting() == 1).await;
    server
        .update(&client, &client.update(json!({"client_name": "Other"})))
        .await
        .expect_status(200);
    server.delete(&client).await.expect_status(204);
    host.release();
    // Queued events are delivered before the server stops.
    server.stop().await;
    let told: Vec<String> = host.calls().into_iter().map(|call| call.url).collect();
    assert_eq!(
        told,
        [
            "https://other.example.org/created",
            "https://other.example.org/deleted"
        ]
    );
}

#[tokio::test]
async fn requests_do_not_wait_for_these_hooks_and_faults_affect_no_client() {
    let (server, host) = TestServer::hosted(&[("10-a.rhai", TELL)], |_| {}).await;
    host.hold();
    // More events than are delivered at the same time, each of them stuck.
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(server.register(&minimal()).await);
    }
    until(|| host.waiting() > 0).await;
    server.read(&clients[0]).await.expect_status(200);
    let scripts = server.server().service().snapshot().scripts.clone();
    assert_eq!(scripts.runtime().notifications_waiting(), 20);
    host.release();
}

#[tokio::test]
async fn rejected_requests_cause_no_event() {
    let script = "fn clientCreated(context) { http::get(\"https://other.example.org/\"); }
        fn createClient(context) { context.client.client_name != \"refused\" }";
    let (server, host) = TestServer::hosted(&[("10-a.rhai", script)], |_| {}).await;
    let refused = with(minimal(), json!({"client_name": "refused"}));
    server
        .post(&refused)
        .await
        .expect_error(400, &["invalid_client_metadata"]);
    assert_eq!(
        server
            .server()
            .service()
            .snapshot()
            .scripts
            .runtime()
            .notifications_waiting(),
        0
    );
    assert!(host.calls().is_empty());
}

#[tokio::test]
async fn a_stop_delivers_queued_events_but_does_not_wait_for_ever() {
    let soon = |configuration: &mut registrar::config::Configuration| {
        configuration.settings.limits.shutdown_ms = 5_000;
        configuration.settings.scripts.retry_pauses_ms = vec![3_600_000];
    };
    // The first attempt fails and the pause is an hour, for which the stop does not wait.
    let script = "fn clientCreated(context) {
        if kv::increment(context.client.client_id, 1, 60) == 1 { throw \"not yet\" }
        http::get(\"https://other.example.org/\");
    }";
    let (server, host) = TestServer::hosted(&[("10-a.rhai", script)], soon).await;
    for _ in 0..3 {
        server.register(&minimal()).await;
    }
    let runtime = server
        .server()
        .service()
        .snapshot()
        .scripts
        .runtime()
        .clone();
    server.stop().await;
    // It is tried once more and then given up, because the fake host has no further answer.
    assert_eq!(
        (host.calls().len(), runtime.notifications_waiting()),
        (3, 0)
    );
    assert_eq!(runtime.notifications_lost(), 3);
}

#[tokio::test]
async fn the_scripts_of_the_request_get_the_event_even_if_others_are_loaded_meanwhile() {
    let tell = |version: usize| {
        format!(
            "fn clientCreated(context) {{ http::get(`https://other.example.org/{version}`); }}
             fn createClient(context) {{ context.client.software_version = \"{version}\"; true }}"
        )
    };
    let (server, host) = TestServer::hosted(&[("10-a.rhai", &tell(1))], |_| {}).await;
    host.hold();
    // Eight events are delivered at a time, so the ninth is queued while the scripts change.
    for _ in 0..9 {
        server.register(&minimal()).await;
    }
    server.write_script("10-a.rhai", &tell(2));
    while server.register(&minimal()).await.body["software_version"] != "2" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    host.release();
    until(|| host.calls().iter().any(|call| call.url.ends_with('2'))).await;
    let first = host
        .calls()
        .iter()
        .filter(|call| call.url.ends_with('1'))
        .count();
    assert!(first >= 9, "{first}");
}
