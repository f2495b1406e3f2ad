//! Other options, another time, and credentials that a trial names instead of presenting.

use serde_json::json;

use super::{attempt, steps, tried};
use crate::support::certificates::{CLIENT, Pair};
use crate::support::{START, TestServer, minimal, with};

#[tokio::test]
async fn other_options_apply_to_the_trial_only() {
    let server = TestServer::registering(json!({"dynamicRegistrationEnabled": false})).await;
    let judged = tried(&server, &json!({"body": minimal()})).await;
    assert_eq!(
        (judged["answer"]["status"].as_u64(), steps(&judged).1),
        (Some(403), vec!["enabled"])
    );
    let options =
        json!({"dynamicRegistrationEnabled": true, "dynamicRegistrationExpirationTime": 3600});
    let judged = tried(
        &server,
        &json!({"body": minimal(), "registration": options}),
    )
    .await;
    assert_eq!(judged["answer"]["status"], 201, "{judged}");
    assert_eq!(judged["answer"]["body"]["lifetime"], 3_600);
    assert_eq!(judged["origins"]["lifetime"], "default");
    server.post(&minimal()).await.expect_status(403);
}

#[tokio::test]
async fn the_time_is_that_of_the_trial_for_scripts_too() {
    let script =
        "fn createClient(context) { context.client.client_name = time::now().to_string(); true }";
    let server = TestServer::scripted(&[("10-time.rhai", script)], |_| {}).await;
    let input = json!({"body": minimal()});
    for (input, now) in [
        (input.clone(), START),
        (with(input, json!({"time": 2_000_000_000})), 2_000_000_000),
    ] {
        let judged = tried(&server, &input).await;
        let body = &judged["answer"]["body"];
        assert_eq!(body["client_id_issued_at"], now, "{judged}");
        assert_eq!(body["client_name"], now.to_string());
    }
}

#[tokio::test]
async fn an_initial_access_token_is_named_by_its_identifier() {
    let script = "fn createClient(context) { context.client.client_name = context.initialAccessToken.team; true }";
    let server = TestServer::scripted(&[("10-team.rhai", script)], |configuration| {
        crate::support::registering(configuration, json!({"initialAccessToken": "required"}));
    })
    .await;
    let policy = json!({"attributes": {"team": "blue"}, "maximum_lifetime": 60});
    let id = server
        .initial_access("of the team", json!({"uses": 1, "policy": policy}))
        .await;
    let without = tried(&server, &json!({"body": minimal()})).await;
    assert_eq!(without["answer"]["status"], 401);
    assert_eq!(steps(&without).1, ["initial_access_token"]);
    let input = json!({"body": minimal(), "initial_access_token": id});
    for _ in 0..2 {
        let judged = tried(&server, &input).await;
        assert_eq!(judged["answer"]["body"]["client_name"], "blue", "{judged}");
        assert_eq!(judged["origins"]["lifetime"], "initial_access_token");
    }
    let presented = json!({"body": minimal(), "headers": {"authorization": "Bearer of the team"}});
    assert_eq!(tried(&server, &presented).await["answer"]["status"], 201);
    server
        .post_with("of the team", &minimal())
        .await
        .expect_status(201);
    for unknown in [id.as_str(), "unknown"] {
        let judged = tried(
            &server,
            &with(input.clone(), json!({"initial_access_token": unknown})),
        )
        .await;
        assert_eq!(
            judged["answer"]["status"], 401,
            "{unknown} is used up or unknown"
        );
    }
}

#[tokio::test]
async fn the_address_and_the_headers_are_those_of_the_trial() {
    let script = r#"fn createClient(context) {
        context.client.client_name = `${context.httpRequest.ipAddress} ${context.httpRequest.headers["x-a"]}`;
        true
    }"#;
    let server = TestServer::scripted(&[("10-head.rhai", script)], |_| {}).await;
    let input = json!({"body": minimal(), "address": "192.0.2.7", "headers": {"x-a": ["1", "2"]}});
    let judged = tried(&server, &input).await;
    assert_eq!(
        judged["answer"]["body"]["client_name"], "192.0.2.7 1, 2",
        "{judged}"
    );
    let form = json!({"body": "a=b", "headers": {"content-type": "text/plain"}});
    assert_eq!(tried(&server, &form).await["answer"]["status"], 415);
}

#[tokio::test]
async fn a_certificate_is_given_as_pem() {
    let server = TestServer::registering(json!({"dcrAuthorizationWithMTLS": true})).await;
    let judged = tried(&server, &json!({"body": minimal()})).await;
    assert_eq!(steps(&judged).1, ["client_certificate"]);
    let pem = Pair::self_signed(CLIENT).pem();
    for (trusted, status) in [(true, 201), (false, 401)] {
        let certificate = json!({"pem": pem, "trusted": trusted});
        let judged = tried(
            &server,
            &json!({"body": minimal(), "certificate": certificate}),
        )
        .await;
        assert_eq!(judged["answer"]["status"], status, "{judged}");
    }
    let certificate = json!({"pem": pem, "trusty": true});
    attempt(
        &server,
        &json!({"body": minimal(), "certificate": certificate}),
    )
    .await
    .expect_error(400, &["invalid_request"]);
}
