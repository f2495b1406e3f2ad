//! Rate limits and the errors of clients that exceed them.

use registrar::config::Registration;
use serde_json::{Value, json};

use crate::support::{Answer, GRANT, TestServer, form, machine, minimal, registering};

/// Starts a server with the default limits and these members on top.
async fn limited(members: Value) -> TestServer {
    TestServer::configured(|configuration| {
        let default = Registration::default().rate_limit_registration_request_count;
        configuration
            .live
            .registration
            .rate_limit_registration_request_count = default;
        registering(configuration, members);
    })
    .await
}

/// Sends a request to `path` with the credentials `id` and `secret`.
async fn sign_in(server: &TestServer, path: &str, id: &str, secret: &str) -> Answer {
    let request = server.ask("POST", path).basic_auth(id, Some(secret));
    Answer::of(form(request, &[GRANT, ("token", "x")])).await
}

fn expect_limited(answer: &Answer, option: &str) {
    answer.expect_error(429, &["too_many_requests"]);
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    let said = answer
        .member("error_description")
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        said.contains(&format!("retry in {seconds} second")) && said.ends_with(option),
        "{said}"
    );
}

#[tokio::test]
async fn by_default_one_address_can_register_hundreds_of_clients_but_not_thousands() {
    let server = limited(json!({})).await;
    let (mut accepted, begun) = (0, std::time::Instant::now());
    let refused = loop {
        let answer = server.post(&minimal()).await;
        match answer.status {
            201 => accepted += 1,
            _ => break answer,
        }
    };
    expect_limited(&refused, "rateLimitRegistrationRequestCount");
    // One more registration is allowed each fifth of a second.
    let most = 300 + 1 + begun.elapsed().as_millis() / 200;
    assert!((300..=most).contains(&accepted), "{accepted} clients");
}

#[tokio::test]
async fn zero_disables_the_default_limit() {
    let server = limited(json!({"rateLimitRegistrationRequestCount": 0})).await;
    for _ in 0..400 {
        server
            .post(&json!({"redirect_uris": 5}))
            .await
            .expect_status(400);
    }
}

#[tokio::test]
async fn an_administrator_can_sign_in_whatever_limit_is_exceeded() {
    let members = json!({
        "rateLimitRegistrationRequestCount": 1, "rateLimitRegistrationPeriodInSeconds": 3_600,
        "rateLimitTokenRequestCount": 1, "rateLimitTokenPeriodInSeconds": 3_600,
        "rateLimitAuthenticationFailureCount": 2, "rateLimitAuthenticationFailurePeriodInSeconds": 3_600,
    });
    let server = limited(members).await;
    let client = server.register(&machine()).await;
    expect_limited(
        &server.post(&machine()).await,
        "rateLimitRegistrationRequestCount",
    );
    server.access_token(&client).await;
    let again = server.basic(&client, "/token", &[GRANT]).await;
    expect_limited(&again, "rateLimitTokenRequestCount");
    let administrator = server.administrator();
    for expected in [401, 401, 429, 429] {
        sign_in(&server, "/token", &administrator.id, "wrong")
            .await
            .expect_status(expected);
    }
    for _ in 0..20 {
        server.access_token(&administrator).await;
    }
    let raise = json!([{"op": "replace", "path": "/registration/rateLimitRegistrationRequestCount", "value": 0}]);
    let token = server.access_token(&administrator).await;
    let request = server
        .ask("PATCH", "/admin/v1/config")
        .header("content-type", "application/json-patch+json");
    Answer::of(request.bearer_auth(token).body(raise.to_string()))
        .await
        .expect_status(200);
    server.register(&machine()).await;
}

#[tokio::test]
async fn failed_authentications_are_limited_on_every_endpoint_and_successful_ones_on_none() {
    let server = limited(json!({"rateLimitAuthenticationFailureCount": 3})).await;
    let (client, other) = (
        server.register(&machine()).await,
        server.register(&machine()).await,
    );
    for path in ["/token", "/introspect", "/revoke"] {
        sign_in(&server, path, &client.id, "wrong")
            .await
            .expect_error(401, &["invalid_client"]);
    }
    for path in ["/token", "/introspect", "/revoke"] {
        expect_limited(
            &sign_in(&server, path, &client.id, "wrong").await,
            "rateLimitAuthenticationFailureCount",
        );
    }
    sign_in(&server, "/token", &other.id, "wrong")
        .await
        .expect_error(401, &["invalid_client"]);
    for _ in 0..50 {
        server.access_token(&client).await;
    }
}

#[tokio::test]
async fn an_assertion_is_not_verified_after_too_many_failures() {
    let server = limited(json!({"rateLimitAuthenticationFailureCount": 2})).await;
    let client = server.register(&machine()).await;
    let assertion = async || {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        // {"alg":"ES256"} . {"sub": the client} . an invalid signature
        let encode = |text: &str| base64_url(text.as_bytes());
        let claims = json!({"sub": client.id, "iss": client.id}).to_string();
        let token = format!(
            "{}.{}.{}",
            encode(r#"{"alg":"ES256"}"#),
            encode(&claims),
            encode(&"x".repeat(64))
        );
        server
            .form(
                "/token",
                &[
                    GRANT,
                    ("client_assertion_type", kind),
                    ("client_assertion", &token),
                ],
            )
            .await
    };
    for _ in 0..2 {
        assertion().await.expect_error(401, &["invalid_client"]);
    }
    expect_limited(&assertion().await, "rateLimitAuthenticationFailureCount");
    server.access_token(&client).await;
}

fn base64_url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[tokio::test]
async fn failed_sign_ins_of_administrators_and_limits_at_the_token_endpoint_are_audited() {
    let server = limited(json!({
        "rateLimitAuthenticationFailureCount": 1, "rateLimitTokenRequestCount": 1,
        "rateLimitTokenPeriodInSeconds": 3_600,
    }))
    .await;
    let client = server.register(&machine()).await;
    let secret = client.body["client_secret"].as_str().unwrap();
    let administrator = server.administrator();
    // A caller mixes up the identifier and the secret of the client.
    sign_in(&server, "/token", secret, &client.id)
        .await
        .expect_status(401);
    for _ in 0..2 {
        sign_in(&server, "/token", &administrator.id, "wrong-9d3c").await;
        sign_in(&server, "/token", &client.id, "wrong-9d3c").await;
        server.basic(&client, "/token", &[GRANT]).await;
    }
    let events = server.events(0).await;
    let refused = |event: &&Value| {
        matches!(
            event["action"].as_str(),
            Some("authentication_refused" | "token_refused")
        )
    };
    let seen: Vec<_> = events
        .iter()
        .filter(refused)
        .map(|event| {
            [&event["action"], &event["subject"], &event["error"]]
                .map(|text| text.as_str().unwrap())
        })
        .collect();
    let expected = [
        [
            "authentication_refused",
            &administrator.id,
            "invalid_client",
        ],
        [
            "authentication_refused",
            &administrator.id,
            "too_many_requests",
        ],
        ["authentication_refused", &client.id, "too_many_requests"],
        ["token_refused", &client.id, "too_many_requests"],
    ];
    assert_eq!(seen, expected);
    let event = events
        .iter()
        .find(|event| event["action"] == "authentication_refused")
        .unwrap();
    assert_eq!(
        (&event["address"], &event["details"]["status"]),
        (&json!("127.0.0.1"), &json!(401))
    );
    assert!(
        event["correlation_id"].is_string() && event.get("actor").is_none_or(Value::is_null),
        "{event}"
    );
    let all = json!(events).to_string();
    assert!(
        !all.contains("wrong-9d3c") && !all.contains(secret),
        "{all}"
    );
}
