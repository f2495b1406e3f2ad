//! Rotation of registration access tokens, and the validity of the previous token.

use serde_json::json;

use crate::support::{Registered, TestServer, minimal};

#[tokio::test]
async fn a_token_rotates_on_update_and_the_old_one_is_valid_until_the_new_one_is_used() {
    let server =
        TestServer::registering(json!({"rotateRegistrationAccessToken": "onUpdate"})).await;
    let first = server.register(&minimal()).await;
    assert_eq!(
        server.read(&first).await.body["registration_access_token"],
        json!(first.token)
    );
    let answer = server.update(&first, &first.update(json!({}))).await;
    answer.expect_status(200);
    let second = Registered::of(answer.body);
    assert_ne!(second.token, first.token);
    server.read(&first).await.expect_status(200);
    server.read(&second).await.expect_status(200);
    server
        .read(&first)
        .await
        .expect_error(401, &["invalid_token"]);
    server.read(&second).await.expect_status(200);
}

#[tokio::test]
async fn a_lost_answer_locks_no_client_out() {
    let server = TestServer::registering(json!({"rotateRegistrationAccessToken": "onUse"})).await;
    let first = server.register(&minimal()).await;
    // The client never sees these answers and retries with the token that it has.
    let lost = Registered::of(server.read(&first).await.body);
    let arrived = Registered::of(server.read(&first).await.body);
    assert_ne!(lost.token, arrived.token);
    server
        .read(&lost)
        .await
        .expect_error(401, &["invalid_token"]);
    server.read(&arrived).await.expect_status(200);
    server
        .read(&first)
        .await
        .expect_error(401, &["invalid_token"]);
}

#[tokio::test]
async fn a_token_that_rotates_on_each_use_rotates_on_update_too() {
    let server = TestServer::registering(json!({"rotateRegistrationAccessToken": "onUse"})).await;
    let first = server.register(&minimal()).await;
    let second = Registered::of(server.update(&first, &first.update(json!({}))).await.body);
    assert_ne!(second.token, first.token);
    // With the client, both the new token and the still valid previous one become invalid.
    server.delete(&second).await.expect_status(204);
    for dead in [&first, &second] {
        server
            .read(dead)
            .await
            .expect_error(401, &["invalid_token"]);
    }
}

#[tokio::test]
async fn a_token_does_not_rotate_if_so_configured() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let answer = server.update(&client, &client.update(json!({}))).await;
    assert_eq!(
        answer.body["registration_access_token"],
        json!(client.token)
    );
}
