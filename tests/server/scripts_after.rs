//! Hooks that run after the answer was sent.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, TestServer, minimal, with};

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
async fn events_of_a_client_that_is_deleted_meanwhile_are_delivered_in_order() {
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
    until(|| host.calls().len() == 3).await;
    let told: Vec<String> = host.calls().into_iter().map(|call| call.url).collect();
    assert_eq!(
        told,
        [
            "https://other.example.org/created",
            "https://other.example.org/updated",
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
    assert_eq!(server.storage().last_event().await.unwrap(), 0);
    assert!(host.calls().is_empty());
}

#[tokio::test]
async fn events_of_one_client_wait_for_the_retry_and_events_of_others_do_not() {
    let script = "fn tell(what, name) { http::get(`https://other.example.org/${what}-${name}`); }
        fn clientCreated(context) {
            let name = context.client.client_name;
            if name == \"stuck\" && context.event.attempt < 3 { throw \"not yet\" }
            tell(\"created\", name);
        }
        fn clientUpdated(context) { tell(\"updated\", context.client.client_name); }";
    let quick = |configuration: &mut registrar::config::Configuration| {
        configuration.settings.scripts.retry_pauses_ms = vec![300];
    };
    let (server, host) = TestServer::hosted(&[("10-a.rhai", script)], quick).await;
    let expected = ["created-K", "created-stuck", "updated-stuck"]
        .map(|path| format!("https://other.example.org/{path}"));
    for url in &expected {
        host.answer_json("GET", url, 200, &json!({}));
    }
    let stuck = with(minimal(), json!({"client_name": "stuck"}));
    let stuck = server.register(&stuck).await;
    server.register(&minimal()).await;
    server
        .update(&stuck, &stuck.update(json!({})))
        .await
        .expect_status(200);
    until(|| host.calls().len() == 3).await;
    let told: Vec<String> = host.calls().into_iter().map(|call| call.url).collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_a_script_sees_of_an_event_and_of_its_request() {
    let script = "fn clientCreated(context) {
        let event = context.event;
        http::post(\"https://other.example.org/seen\", #{
            type: event.type, reason: event.reason, position: event.position, attempt: event.attempt,
            revision: event.revision, id: event.id, at: event.at,
            path: context.httpRequest.path, agent: context.httpRequest.headers[\"x-test\"],
            asked: context.registerRequest.client_name, level: context.trustLevel,
        }, #{});
    }";
    let (server, host) = TestServer::hosted(&[("10-a.rhai", script)], |_| {}).await;
    host.answer_json("POST", "https://other.example.org/seen", 200, &json!({}));
    let asked = server.ask("POST", "/register").header("x-test", "yes");
    Answer::of(asked.json(&minimal())).await.expect_status(201);
    until(|| host.calls().len() == 1).await;
    let seen: Value = serde_json::from_slice(host.calls()[0].body.as_ref().unwrap()).unwrap();
    assert!(seen["id"].as_str().unwrap().starts_with("evt_"), "{seen}");
    assert!(seen["at"].as_u64().unwrap() > 0, "{seen}");
    for (name, value) in [
        ("type", json!("client.created")),
        ("reason", json!("request")),
        ("position", json!(1)),
        ("attempt", json!(1)),
        ("revision", json!(1)),
        ("path", json!("/register")),
        ("agent", json!("yes")),
        ("asked", json!("K")),
        ("level", json!("open")),
    ] {
        assert_eq!(seen[name], value, "{name}: {seen}");
    }
}

#[tokio::test]
async fn a_hook_that_is_added_gets_the_events_from_then_on_with_the_scripts_in_force() {
    let tell = |version: usize| {
        format!(
            "fn clientCreated(context) {{ http::get(`https://other.example.org/{version}`); }}
             fn createClient(context) {{ context.client.software_version = \"{version}\"; true }}"
        )
    };
    let (server, host) = TestServer::hosted(&[], |_| {}).await;
    server.register(&minimal()).await;
    for version in [1, 2] {
        let url = format!("https://other.example.org/{version}");
        host.answer_json("GET", &url, 200, &json!({}));
        server.write_script("10-a.rhai", &tell(version));
        let version = version.to_string();
        while server.register(&minimal()).await.body["software_version"] != *version {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        until(|| host.calls().iter().any(|call| call.url.ends_with(&version))).await;
    }
}
