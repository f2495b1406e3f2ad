//! The lifetime of a client.

use serde_json::{Value, json};

use crate::support::{Answer, START, TestServer, minimal, with};

async fn check(settings: Value, lifetime: Value, expected: Option<u64>) {
    let server = TestServer::registering(settings).await;
    let client = server
        .register(&with(minimal(), json!({"lifetime": lifetime})))
        .await;
    let end = expected.map_or(0, |seconds| START + seconds);
    assert_eq!(client.body["client_secret_expires_at"], json!(end));
    assert_eq!(
        client.body.get("lifetime"),
        expected.map(|seconds| json!(seconds)).as_ref()
    );
    let Some(seconds) = expected else { return };
    server.clock.advance(seconds - 1);
    server.read(&client).await.expect_status(200);
    server.clock.advance(1);
    server
        .read(&client)
        .await
        .expect_error(401, &["invalid_token"]);
}

#[tokio::test]
async fn the_lifetime_is_taken_from_the_request_unless_the_operator_forbids_it() {
    check(json!({}), Value::Null, None).await;
    check(json!({}), json!(60), Some(60)).await;
    check(
        json!({"dynamicRegistrationExpirationTime": 10}),
        Value::Null,
        Some(10),
    )
    .await;
    check(
        json!({"dynamicRegistrationExpirationTime": 10}),
        json!(5),
        Some(5),
    )
    .await;
    check(
        json!({"dynamicRegistrationExpirationTime": 10}),
        json!(0),
        Some(10),
    )
    .await;
    let forbidden =
        json!({"dynamicRegistrationExpirationTime": 10, "dcrForbidExpirationTimeInRequest": true});
    check(forbidden, json!(5), Some(10)).await;
    check(
        json!({"dynamicRegistrationExpirationTime": 0}),
        Value::Null,
        None,
    )
    .await;
}

#[tokio::test]
async fn a_lifetime_has_a_maximum_and_a_type() {
    let server = TestServer::registering(json!({"maximumClientLifetime": 100})).await;
    for lifetime in [json!(101), json!(-1), json!("60"), json!(1.5)] {
        server
            .post(&with(minimal(), json!({"lifetime": lifetime})))
            .await
            .expect_bad_metadata("lifetime");
    }
    server
        .register(&with(minimal(), json!({"lifetime": 100})))
        .await;
}

#[tokio::test]
async fn an_update_counts_the_lifetime_from_the_registration() {
    let server = TestServer::new().await;
    let client = server
        .register(&with(minimal(), json!({"lifetime": 100})))
        .await;
    server.clock.advance(50);
    let answer = server
        .update(&client, &client.update(json!({"lifetime": 200})))
        .await;
    answer.expect_status(200);
    assert_eq!(answer.body["client_secret_expires_at"], json!(START + 200));
    server
        .update(&client, &client.update(json!({"lifetime": 50})))
        .await
        .expect_bad_metadata("lifetime");
    server.clock.advance(149);
    server.read(&client).await.expect_status(200);
    server.clock.advance(1);
    server
        .read(&client)
        .await
        .expect_error(401, &["invalid_token"]);
}

#[tokio::test]
async fn a_later_default_lifetime_does_not_apply_to_updated_clients() {
    let server = TestServer::new().await;
    let forever = server.register(&minimal()).await;
    let short = server
        .register(&with(minimal(), json!({"lifetime": 100_000})))
        .await;
    for (key, value) in [
        ("dynamicRegistrationExpirationTime", json!(3_600)),
        ("maximumClientLifetime", json!(7_200)),
        ("dcrForbidExpirationTimeInRequest", json!(true)),
    ] {
        let on = json!([{"op": "add", "path": format!("/registration/{key}"), "value": value}]);
        let request = server.administrate("PATCH", "/admin/v1/config").await;
        let request = request.header("content-type", "application/json-patch+json");
        Answer::of(request.body(on.to_string()))
            .await
            .expect_status(200);
    }
    server.clock.advance(10_000);
    for (client, end) in [(&forever, 0), (&short, START + 100_000)] {
        for change in [json!({"client_name": "Other"}), json!({"lifetime": null})] {
            let answer = server.update(client, &client.update(change)).await;
            answer.expect_status(200);
            assert_eq!(answer.body["client_secret_expires_at"], json!(end));
        }
    }
}

#[tokio::test]
async fn an_unlimited_default_applies_to_an_update_without_a_lifetime() {
    let server = TestServer::new().await;
    let client = server
        .register(&with(minimal(), json!({"lifetime": 100})))
        .await;
    let answer = server
        .update(&client, &client.update(json!({"lifetime": null})))
        .await;
    assert_eq!(
        answer.body["client_secret_expires_at"],
        json!(0),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn the_sweep_removes_expired_clients_only() {
    let server = TestServer::new().await;
    let (short, long) = (
        server
            .register(&with(minimal(), json!({"lifetime": 10})))
            .await,
        server
            .register(&with(minimal(), json!({"lifetime": 1000})))
            .await,
    );
    let forever = server.register(&minimal()).await;
    server.clock.advance(10);
    let (storage, now) = (server.storage(), server.now());
    assert_eq!(storage.sweep_clients(now).await.unwrap(), 1);
    assert_eq!(storage.sweep_clients(now).await.unwrap(), 0);
    assert!(storage.client(&short.id).await.unwrap().is_none());
    assert!(storage.client(&long.id).await.unwrap().is_some());
    server.read(&forever).await.expect_status(200);
}
