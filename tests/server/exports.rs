//! Templates: what the systems that follow this server add to clients that registered themselves.

use registrar::config::Configuration;
use serde_json::{Value, json};

use crate::events::page;
use crate::support::{Registered, TestServer, minimal, with};
use crate::webhooks::{Receiver, patch, until};

/// A template for all clients, and one for those that have the scope `profile`.
fn templates() -> Value {
    json!([
        {"target": "keycloak", "audiences": ["https://orders.example.org"], "roles": ["orders/reader"]},
        {"target": "keycloak", "scope": "profile", "audiences": ["https://people.example.org"]},
        {"target": "hydra", "trustLevel": "statement", "audiences": ["https://never.example.org"]},
    ])
}

fn templated(configuration: &mut Configuration) {
    configuration.live.exports = serde_json::from_value(templates()).unwrap();
}

/// Returns what a client without the scope `profile` gets.
fn plain() -> Value {
    json!({"keycloak": {
        "audiences": ["https://orders.example.org"], "roles": ["orders/reader"], "mappers": [], "defaultScopes": [],
        "attributes": {},
    }})
}

/// Returns what a client with the scope `profile` gets.
fn with_profile() -> Value {
    let mut added = plain();
    added["keycloak"]["audiences"] =
        json!(["https://orders.example.org", "https://people.example.org"]);
    added
}

async fn update(server: &TestServer, client: &Registered, more: Value) {
    let body = client.update(more);
    server.update(client, &body).await.expect_status(200);
}

/// Returns what the admin API shows of a client.
async fn shown(server: &TestServer, client: &Registered) -> Value {
    let path = format!("/admin/v1/clients/{}", client.id);
    let answer = server.called("GET", &path).await;
    answer.expect_status(200);
    answer.body["exports"].clone()
}

#[tokio::test]
async fn a_webhook_gets_what_templates_add_now() {
    let receiver = Receiver::new().await;
    let server = receiver
        .server(json!([receiver.webhook("gateway", json!({}))]))
        .await;
    let client = server.register(&minimal()).await;
    until(|| receiver.count() == 1).await;
    assert_eq!(receiver.bodies()[0]["data"].get("exports"), None);

    let value = templates();
    let operations = json!([{"op": "replace", "path": "/exports", "value": value}]);
    let patched = patch(&server, operations).await;
    patched.expect_status(200);
    assert_eq!(patched.body["origins"]["exports"], "patch");
    assert_eq!(patched.body["exports"][1]["scope"], "profile");

    update(&server, &client, json!({"client_name": "Other"})).await;
    until(|| receiver.count() == 2).await;
    update(&server, &client, json!({"scope": "profile"})).await;
    until(|| receiver.count() == 3).await;
    let operations = json!([{"op": "remove", "path": "/exports/0"}]);
    patch(&server, operations).await.expect_status(200);
    update(&server, &client, json!({"scope": "profile email"})).await;
    until(|| receiver.count() == 4).await;
    server.delete(&client).await.expect_status(204);
    until(|| receiver.count() == 5).await;
    let bodies = receiver.bodies();
    let seen = |at: usize| &bodies[at]["data"]["exports"];
    assert_eq!(*seen(1), plain());
    assert_eq!(*seen(2), with_profile());
    let audiences = json!(["https://people.example.org"]);
    assert_eq!(seen(3)["keycloak"]["audiences"], audiences);
    assert_eq!(bodies[4]["data"].get("exports"), None);
}

#[tokio::test]
async fn hooks_see_what_templates_add() {
    let script = "
        fn tell(event) { http::post(\"https://other.example.org/seen\", event.exports, #{}); }
        fn clientCreated(context) { tell(context.event); }
        fn clientUpdated(context) { tell(context.event); }
        fn clientDeleted(context) { tell(context.event); }";
    let (server, host) = TestServer::hosted(&[("10-a.rhai", script)], templated).await;
    host.answer_json("POST", "https://other.example.org/seen", 200, &json!({}));
    let client = server.register(&minimal()).await;
    until(|| host.calls().len() == 1).await;
    update(&server, &client, json!({"scope": "profile"})).await;
    until(|| host.calls().len() == 2).await;
    server.delete(&client).await.expect_status(204);
    until(|| host.calls().len() == 3).await;
    let seen = host.calls().into_iter().map(|call| {
        let body = call.body.expect("a body");
        serde_json::from_slice(&body).expect("JSON")
    });
    let seen: Vec<Value> = seen.collect();
    assert_eq!(seen, [plain(), with_profile(), json!({})]);
}

#[tokio::test]
async fn the_feed_and_the_admin_api_show_what_templates_add() {
    let server = TestServer::configured(templated).await;
    let deleted = server.register(&minimal()).await;
    server.delete(&deleted).await.expect_status(204);
    let one = server.register(&minimal()).await;
    let metadata = with(minimal(), json!({"scope": "profile"}));
    let two = server.register(&metadata).await;
    assert_eq!(shown(&server, &one).await, plain());
    assert_eq!(shown(&server, &two).await, with_profile());

    let feed = page(&server, "").await;
    feed.expect_status(200);
    let events = feed.body["events"].as_array().expect("events");
    let seen = events.iter().map(|event| event.get("exports").cloned());
    let seen: Vec<Option<Value>> = seen.collect();
    assert_eq!(seen, [None, None, Some(plain()), Some(with_profile())]);
    let mut following = crate::events::Followed::open(&server, "after=3", None).await;
    assert_eq!(following.event().await.2, events[3]);

    let path = "/admin/v1/clients?client_name=K&include=client";
    let list = server.called("GET", path).await;
    list.expect_status(200);
    let clients = list.body["clients"].as_array().expect("clients");
    assert_eq!(clients.len(), 2);
    for client in clients {
        let is_two = client["client_id"] == *two.id;
        let expected = if is_two { with_profile() } else { plain() };
        assert_eq!(client["exports"], expected);
        assert_eq!(client["metadata"]["client_name"], "K");
        assert_eq!(client["metadata"].get("client_secret"), None);
    }
    let list = server
        .called("GET", "/admin/v1/clients?client_name=K")
        .await;
    let client = &list.body["clients"][0];
    assert!(client.get("metadata").is_none() && client.get("exports").is_none());
    let wrong = server
        .called("GET", "/admin/v1/clients?include=secret")
        .await;
    wrong.expect_status(400);
}

#[tokio::test]
async fn the_administrator_has_no_exports() {
    let server = TestServer::configured(templated).await;
    let list = server
        .called(
            "GET",
            "/admin/v1/clients?trust_level=operator&include=client",
        )
        .await;
    let administrator = &list.body["clients"][0];
    assert_eq!(administrator["trust_level"], "operator");
    assert!(administrator.get("exports").is_none(), "{administrator}");
}

#[tokio::test]
async fn a_patch_with_an_unusable_template_is_rejected() {
    let server = TestServer::configured(templated).await;
    for (more, reason) in [
        (
            json!({"target": "Key cloak"}),
            "exports[3].target: must have 1 to 64 characters",
        ),
        (
            json!({"trustLevel": "trusted"}),
            "exports[3].trustLevel: 'trusted' is not a trust level",
        ),
        (json!({"roles": []}), "exports[3]: adds nothing"),
        (
            json!({"mappers": [{}]}),
            "exports[3].mappers: must have a name",
        ),
        (json!({"role": []}), "unknown field `role`"),
    ] {
        let template = with(json!({"target": "keycloak", "roles": ["reader"]}), more);
        let operations = json!([{"op": "add", "path": "/exports/-", "value": template}]);
        let answer = patch(&server, operations).await;
        answer.expect_status(400);
        let description = answer.member("error_description").as_str().unwrap();
        assert!(description.contains(reason), "{description}");
    }
}
