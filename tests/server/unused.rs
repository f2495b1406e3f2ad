//! Unused clients: how a use is recorded, and when unused clients are removed.

use serde_json::{Value, json};

use crate::support::{Answer, GRANT, Registered, START, TestServer, machine, minimal, with};

const DAY: u64 = 86_400;

async fn admin(server: &TestServer, method: &str, path: &str, body: &Value) -> Answer {
    let token = server.administrator_token().await;
    let request = server.ask(method, path).bearer_auth(token);
    Answer::of(if body.is_null() {
        request
    } else {
        request.json(body)
    })
    .await
}

/// Returns the time of the last use of `client` from the admin API.
async fn last_use(server: &TestServer, client: &Registered) -> Value {
    let shown = admin(
        server,
        "GET",
        &format!("/admin/v1/clients/{}", client.id),
        &json!(null),
    )
    .await;
    shown.expect_status(200);
    shown.body["last_used_at"].clone()
}

async fn removing() -> TestServer {
    TestServer::registering(json!({"unusedClientLifetime": DAY, "inactiveClientLifetime": 7 * DAY}))
        .await
}

#[tokio::test]
async fn tokens_and_introspections_count_as_uses() {
    let server = TestServer::new().await;
    let client = server.register(&machine()).await;
    assert_eq!(last_use(&server, &client).await, Value::Null);
    server.clock.advance(10);
    let token = server.access_token(&client).await;
    assert_eq!(last_use(&server, &client).await, json!(START + 10));
    server.storage().write_uses().await.unwrap();
    server.clock.advance(3_599);
    // Another client introspects a token of this client.
    let seen = server
        .basic(&server.administrator(), "/introspect", &[("token", &token)])
        .await;
    seen.expect_status(200);
    assert_eq!(
        last_use(&server, &client).await,
        json!(START + 10),
        "the last use is recorded to the hour"
    );
    let token = server.access_token(&client).await;
    server.clock.advance(1);
    let seen = server
        .basic(&server.administrator(), "/introspect", &[("token", &token)])
        .await;
    assert_eq!(seen.member("active"), true);
    assert_eq!(last_use(&server, &client).await, json!(START + 3_610));
}

#[tokio::test]
async fn an_invalid_secret_is_not_a_use() {
    let server = TestServer::new().await;
    let mut client = server.register(&machine()).await;
    client.body["client_secret"] = json!("wrong");
    server
        .basic(&client, "/token", &[GRANT])
        .await
        .expect_status(401);
    assert_eq!(last_use(&server, &client).await, Value::Null);
}

#[tokio::test]
async fn an_authorization_server_reports_uses() {
    let server = TestServer::new().await;
    let (one, two, three) = (
        server.register(&minimal()).await,
        server.register(&minimal()).await,
        server.register(&minimal()).await,
    );
    server.clock.advance(DAY);
    let path = format!("/admin/v1/clients/{}/used", one.id);
    admin(&server, "POST", &path, &json!(null))
        .await
        .expect_status(204);
    assert_eq!(last_use(&server, &one).await, json!(START + DAY));
    let many = json!([two.id, {"client_id": three.id, "at": START + 5}, "nobody"]);
    let told = admin(&server, "POST", "/admin/v1/clients/used", &many).await;
    told.expect_status(202);
    assert_eq!(told.body, json!({"noted": 3}));
    assert_eq!(last_use(&server, &two).await, json!(START + DAY));
    assert_eq!(last_use(&server, &three).await, json!(START + 5));
    // A use in the future is recorded with the current time.
    let later = json!([{"client_id": three.id, "at": START + 9 * DAY}]);
    admin(&server, "POST", "/admin/v1/clients/used", &later)
        .await
        .expect_status(202);
    assert_eq!(last_use(&server, &three).await, json!(START + DAY));
    let path = format!("/admin/v1/clients/{}/used", three.id);
    admin(&server, "POST", &path, &json!({"at": START + 3 * DAY}))
        .await
        .expect_status(204);

    admin(&server, "POST", "/admin/v1/clients/nobody/used", &json!({}))
        .await
        .expect_status(404);
    for bad in [
        json!({}),
        json!([1]),
        json!([{"at": 1}]),
        json!([{"client_id": "a", "when": 1}]),
        json!("a"),
    ] {
        let refused = admin(&server, "POST", "/admin/v1/clients/used", &bad).await;
        refused.expect_error(400, &["invalid_request"]);
    }
    let many: Vec<String> = (0..=1_000).map(|turn| turn.to_string()).collect();
    let refused = admin(&server, "POST", "/admin/v1/clients/used", &json!(many)).await;
    refused.expect_error(400, &["invalid_request"]);
    admin(&server, "POST", &path, &json!({"at": -1}))
        .await
        .expect_error(400, &["invalid_request"]);
    let (administrator, form) = (server.administrator(), [GRANT, ("scope", "clients.read")]);
    let reader = server.basic(&administrator, "/token", &form).await;
    let reader = reader.body["access_token"].as_str().unwrap().to_owned();
    let refused = Answer::of(server.ask("POST", &path).bearer_auth(reader)).await;
    refused.expect_error(403, &["insufficient_scope"]);
}

#[tokio::test]
async fn reporting_uses_needs_its_own_scope_only() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let teller = server.administrator_token_for("clients.used").await;
    let call = async |method: &str, path: &str| {
        Answer::of(
            server
                .ask(method, path)
                .bearer_auth(&teller)
                .json(&json!([client.id])),
        )
        .await
    };
    call("POST", "/admin/v1/clients/used")
        .await
        .expect_status(202);
    let path = format!("/admin/v1/clients/{}", client.id);
    for method in ["GET", "PUT", "DELETE"] {
        call(method, &path)
            .await
            .expect_error(403, &["insufficient_scope"]);
    }
    let writer = server
        .administrator_token_for("clients.read clients.write")
        .await;
    let told = server
        .ask("POST", &format!("{path}/used"))
        .bearer_auth(writer);
    Answer::of(told)
        .await
        .expect_error(403, &["insufficient_scope"]);
}

#[tokio::test]
async fn unused_clients_are_removed_and_the_log_gives_the_reason() {
    let server = removing().await;
    let inside = server.inside();
    let (unused, used, managed) = (
        server.register(&minimal()).await,
        server.register(&machine()).await,
        server.register(&machine()).await,
    );
    for client in [&used, &managed] {
        server.access_token(client).await;
    }
    server.clock.advance(DAY - 1);
    assert_eq!(inside.remove_unused().await, 0);
    server.clock.advance(1);
    assert_eq!(inside.remove_unused().await, 1);
    server
        .read(&unused)
        .await
        .expect_error(401, &["invalid_token"]);
    server.read(&used).await.expect_status(200);

    // An update is not a use and keeps the recorded one.
    server
        .update(&managed, &managed.update(json!({"client_name": "Other"})))
        .await
        .expect_status(200);
    assert_eq!(last_use(&server, &managed).await, json!(START));
    server.clock.advance(5 * DAY);
    server.access_token(&used).await;
    server.clock.advance(DAY);
    assert_eq!(inside.remove_unused().await, 1);
    server
        .read(&managed)
        .await
        .expect_error(401, &["invalid_token"]);
    server.read(&used).await.expect_status(200);
    assert_eq!(inside.remove_unused().await, 0);

    let events = server.storage().audited(0).await.unwrap();
    let removed: Vec<_> = events
        .iter()
        .filter(|event| event["details"].get("reason").is_some())
        .map(|event| (&event["subject"], &event["details"]["reason"]))
        .collect();
    assert_eq!(
        removed,
        [
            (&json!(unused.id), &json!("unused")),
            (&json!(managed.id), &json!("inactive"))
        ]
    );
    // The administrator is never removed as unused.
    server.clock.advance(1_000 * DAY);
    assert_eq!(inside.remove_unused().await, 1);
    server.administrator_token().await;
}

/// The recipe of config/deploy/README.md.
#[tokio::test]
async fn public_clients_that_were_never_used_are_removed_if_so_configured() {
    let server = TestServer::new().await;
    let public = || with(minimal(), json!({"token_endpoint_auth_method": "none"}));
    let (abandoned, read, told) = (
        server.register(&public()).await,
        server.register(&public()).await,
        server.register(&public()).await,
    );
    server.clock.advance(29 * DAY);
    server.read(&read).await.expect_status(200);
    let path = format!("/admin/v1/clients/{}/used", told.id);
    admin(&server, "POST", &path, &json!(null))
        .await
        .expect_status(204);
    let change =
        json!([{"op": "add", "path": "/registration/unusedClientLifetime", "value": 30 * DAY}]);
    let request = server.administrate("PATCH", "/admin/v1/config").await;
    let request = request.header("content-type", "application/json-patch+json");
    Answer::of(request.body(change.to_string()))
        .await
        .expect_status(200);
    // The affected clients can be listed in advance; uses are written from time to time.
    server.storage().write_uses().await.unwrap();
    let list = admin(
        &server,
        "GET",
        "/admin/v1/clients?trust_level=open",
        &json!(null),
    )
    .await;
    let listed = list.body["clients"].as_array().unwrap().iter();
    let unused = listed
        .filter(|client| client["last_used_at"].is_null())
        .count();
    assert_eq!(unused, 2, "{}", list.text);

    server.inside().sweep().await;
    assert_eq!(server.storage().count_clients().await.unwrap(), 4);
    server.clock.advance(DAY);
    server.inside().sweep().await;
    for client in [&abandoned, &read] {
        server
            .read(client)
            .await
            .expect_error(401, &["invalid_token"]);
    }
    server.read(&told).await.expect_status(200);
    server.administrator_token().await;
}

#[tokio::test]
async fn no_client_is_removed_by_default() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    server.clock.advance(10_000 * DAY);
    assert_eq!(server.inside().remove_unused().await, 0);
    server.read(&client).await.expect_status(200);
}

#[tokio::test]
async fn a_stop_loses_no_recorded_use() {
    let server = TestServer::new().await;
    let client = server.register(&machine()).await;
    server.access_token(&client).await;
    let storage = server.storage();
    server.stop().await;
    let stored = storage.client(&client.id).await.unwrap().unwrap();
    assert_eq!(stored["last_used_at"], START);
}
