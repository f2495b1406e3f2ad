//! `reuseIdenticalPublicClients`: identical registrations share one client.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{TestServer, minimal, with};

fn public() -> Value {
    with(minimal(), json!({"token_endpoint_auth_method": "none"}))
}

async fn reusing(more: Value) -> TestServer {
    TestServer::registering(with(json!({"reuseIdenticalPublicClients": true}), more)).await
}

async fn register(server: &TestServer, body: &Value) -> Value {
    let answer = server.post(body).await;
    answer.expect_status(201);
    answer.body
}

#[tokio::test]
async fn the_same_registration_gets_the_same_client_and_no_token() {
    let server = reusing(json!({})).await;
    let first = register(&server, &public()).await;
    server.clock.advance(100);
    // Members in another order, and an unknown one.
    let mut members: Vec<_> = public().as_object().unwrap().clone().into_iter().collect();
    members.reverse();
    members.push(("x_unknown".to_owned(), json!(1)));
    let again = register(&server, &Value::Object(members.into_iter().collect())).await;
    assert_eq!(again["client_id"], first["client_id"]);
    assert_eq!(again["client_id_issued_at"], first["client_id_issued_at"]);
    // A shared client has no management credentials, since the first registration can come from anybody.
    for answer in [&first, &again] {
        for member in [
            "registration_access_token",
            "registration_client_uri",
            "client_secret",
        ] {
            assert_eq!(answer[member], Value::Null, "{member}");
        }
    }
    let other = register(&server, &with(public(), json!({"client_name": "Other"}))).await;
    assert_ne!(other["client_id"], first["client_id"]);
    // Only the administrator can delete it; the next registration creates a new client.
    let token = server.administrator_token().await;
    let path = format!("/admin/v1/clients/{}", first["client_id"].as_str().unwrap());
    let gone = server
        .ask("DELETE", &path)
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), 204);
    assert_ne!(
        register(&server, &public()).await["client_id"],
        first["client_id"]
    );
}

#[tokio::test]
async fn simultaneous_registrations_get_the_same_client() {
    let server = reusing(json!({})).await;
    let body = public();
    let answers = join_all((0..20).map(|_| register(&server, &body))).await;
    for answer in &answers {
        assert_eq!(answer["client_id"], answers[0]["client_id"]);
    }
    let count = server.storage().count_clients().await.unwrap();
    assert_eq!(count, 2, "the administrator and this client");
}

#[tokio::test]
async fn clients_with_individual_properties_are_not_shared() {
    let server = reusing(json!({"initialAccessToken": "optional"})).await;
    for body in [minimal(), with(public(), json!({"lifetime": 1_000}))] {
        let (one, other) = (server.register(&body).await, server.register(&body).await);
        assert_ne!(one.id, other.id);
        server.read(&one).await.expect_status(200);
    }
    register(&server, &public()).await;
    server.initial_access("a-token", json!({})).await;
    let (one, other) = (
        server.post_with("a-token", &public()).await,
        server.post_with("a-token", &public()).await,
    );
    assert_ne!(one.member("client_id"), other.member("client_id"));
    assert!(one.member("registration_access_token").is_string());
}

#[tokio::test]
async fn it_is_disabled_by_default() {
    let server = TestServer::new().await;
    let (one, other) = (
        server.register(&public()).await,
        server.register(&public()).await,
    );
    assert_ne!(one.id, other.id);
}

#[tokio::test]
async fn a_registration_counts_as_a_use_of_the_shared_client() {
    let server =
        reusing(json!({"unusedClientLifetime": 1_000, "inactiveClientLifetime": 1_000})).await;
    let inside = server.inside();
    let first = register(&server, &public()).await;
    server.clock.advance(2_000);
    let again = register(&server, &public()).await;
    assert_eq!(again["client_id"], first["client_id"]);
    assert_eq!(inside.remove_unused().await, 0);
    server.clock.advance(1_000);
    assert_eq!(inside.remove_unused().await, 1);
    assert_ne!(
        register(&server, &public()).await["client_id"],
        first["client_id"]
    );
}
