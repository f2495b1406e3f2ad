//! K93: when a registration access token is replaced, and what becomes of the one before it.

use serde_json::json;

use crate::support::{Registered, TestServer, minimal};

#[tokio::test]
async fn a_token_rotates_on_update_and_the_old_one_dies_when_the_new_one_is_used() {
    let server = TestServer::registering(json!({"rotateRegistrationAccessToken": "onUpdate"})).await;
    let first = server.register(&minimal()).await;
    assert_eq!(server.read(&first).await.body["registration_access_token"], json!(first.token));
    let answer = server.update(&first, &first.update(json!({}))).await;
    answer.expect_status(200);
    let second = Registered::of(answer.body);
    assert_ne!(second.token, first.token);
    server.read(&first).await.expect_status(200);
    server.read(&second).await.expect_status(200);
    server.read(&first).await.expect_error(401, &["invalid_token"]);
    server.read(&second).await.expect_status(200);
}

#[tokio::test]
async fn an_answer_that_was_lost_locks_nobody_out() {
    let server = TestServer::registering(json!({"rotateRegistrationAccessToken": "onUse"})).await;
    let first = server.register(&minimal()).await;
    // The client never sees these answers, and asks again with the token that it has.
    let lost = Registered::of(server.read(&first).await.body);
    let arrived = Registered::of(server.read(&first).await.body);
    assert_ne!(lost.token, arrived.token);
    server.read(&lost).await.expect_error(401, &["invalid_token"]);
    server.read(&arrived).await.expect_status(200);
    server.read(&first).await.expect_error(401, &["invalid_token"]);
}

#[tokio::test]
async fn an_update_rotates_a_token_of_each_use_too() {
    let server = TestServer::registering(json!({"rotateRegistrationAccessToken": "onUse"})).await;
    let first = server.register(&minimal()).await;
    let second = Registered::of(server.update(&first, &first.update(json!({}))).await.body);
    assert_ne!(second.token, first.token);
    // The new token dies with the client, and so does the one that is still good beside it.
    server.delete(&second).await.expect_status(204);
    for dead in [&first, &second] {
        server.read(dead).await.expect_error(401, &["invalid_token"]);
    }
}

#[tokio::test]
async fn a_token_stays_where_the_operator_wants_that() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let answer = server.update(&client, &client.update(json!({}))).await;
    assert_eq!(answer.body["registration_access_token"], json!(client.token));
}
