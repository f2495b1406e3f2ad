//! Registration requests and their answers.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::{Answer, START, TestServer, minimal, with};

#[tokio::test]
async fn a_registration_is_answered_with_credentials_that_must_not_be_cached() {
    let server = TestServer::new().await;
    let answer = server.post(&minimal()).await;
    answer.expect_status(201);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
    assert!(!answer.member("client_id").as_str().unwrap().is_empty());
    assert!(answer.member("client_secret").as_str().unwrap().len() >= 32);
    assert_eq!(answer.member("client_secret_expires_at"), &json!(0));
}

#[tokio::test]
async fn defaults_are_registered_and_returned() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    assert_eq!(
        client.body["token_endpoint_auth_method"],
        "client_secret_basic"
    );
    assert_eq!(client.body["grant_types"], json!(["authorization_code"]));
    assert_eq!(client.body["response_types"], json!(["code"]));
    assert_eq!(client.body["redirect_uris"], minimal()["redirect_uris"]);
    assert_eq!(client.body["client_name"], "K");
    assert_eq!(client.body["application_type"], "web");
}

#[tokio::test]
async fn two_registrations_share_nothing() {
    let server = TestServer::new().await;
    let (one, two) = (
        server.register(&minimal()).await,
        server.register(&minimal()).await,
    );
    assert_ne!(one.id, two.id);
    assert_ne!(one.token, two.token);
    assert_ne!(one.body["client_secret"], two.body["client_secret"]);
}

#[tokio::test]
async fn an_unknown_member_is_ignored() {
    let server = TestServer::new().await;
    let client = server
        .register(&with(
            minimal(),
            json!({"example_extension_parameter": "v"}),
        ))
        .await;
    assert_eq!(client.body.get("example_extension_parameter"), None);
}

#[tokio::test]
async fn a_localised_name_is_returned_unchanged() {
    let server = TestServer::new().await;
    let name = "\u{30af}\u{30e9}\u{30a4}\u{30a2}\u{30f3}\u{30c8}\u{540d} e\u{301}";
    let client = server
        .register(&with(minimal(), json!({"client_name#ja-Jpan-JP": name})))
        .await;
    assert_eq!(client.body["client_name#ja-Jpan-JP"], name);
    assert_eq!(client.body["client_name"], "K");
    assert_eq!(
        server.read(&client).await.body["client_name#ja-Jpan-JP"],
        name
    );
}

#[tokio::test]
async fn other_methods_are_answered_with_allow_or_require_a_token() {
    let server = TestServer::new().await;
    for method in ["GET", "PUT", "DELETE"] {
        let answer = Answer::of(server.ask(method, "/register")).await;
        answer.expect_error(401, &["invalid_token"]);
    }
    let answer = Answer::of(server.ask("PATCH", "/register")).await;
    answer.expect_error(405, &["method_not_allowed"]);
    assert_eq!(answer.header("allow"), "POST, GET, PUT, DELETE, OPTIONS");
}

#[tokio::test]
async fn a_client_without_redirects_needs_no_redirect_uri() {
    let server = TestServer::new().await;
    let client = server
        .register(&json!({"grant_types": ["client_credentials"]}))
        .await;
    assert_eq!(client.body["response_types"], json!([]));
    assert_eq!(client.body.get("redirect_uris"), None);
}

#[tokio::test]
async fn grant_types_and_response_types_must_agree() {
    let server = TestServer::registering(json!({
        "grantTypesSupported": ["authorization_code", "implicit", "client_credentials"],
        "responseTypesSupported": ["code", "token", "id_token"],
    }))
    .await;
    let cases = [
        json!({"grant_types": ["authorization_code"], "response_types": ["token"]}),
        json!({"grant_types": ["implicit"], "response_types": ["code"]}),
        json!({"grant_types": []}),
        json!({"grant_types": ["foo"]}),
        json!({"grant_types": "authorization_code"}),
    ];
    for case in cases {
        server
            .post(&with(minimal(), case))
            .await
            .expect_error(400, &["invalid_client_metadata"]);
    }
}

#[tokio::test]
async fn a_public_client_gets_no_secret() {
    let server = TestServer::new().await;
    let client = server
        .register(&with(
            minimal(),
            json!({"token_endpoint_auth_method": "none"}),
        ))
        .await;
    assert_eq!(client.body.get("client_secret"), None);
    assert_eq!(client.body.get("client_secret_expires_at"), None);
}

#[tokio::test]
async fn an_unknown_authentication_method_is_rejected_and_the_supported_ones_are_named() {
    let server = TestServer::new().await;
    let answer = server
        .post(&with(
            minimal(),
            json!({"token_endpoint_auth_method": "foo"}),
        ))
        .await;
    answer.expect_bad_metadata("private_key_jwt");
}

#[tokio::test]
async fn granted_scopes_are_the_requested_ones_that_are_defined() {
    let server = TestServer::new().await;
    let client = server
        .register(&with(minimal(), json!({"scope": "openid profile"})))
        .await;
    assert_eq!(client.body["scope"], "openid profile");
    let client = server
        .register(&with(minimal(), json!({"scope": "openid made_up"})))
        .await;
    assert_eq!(client.body["scope"], "openid");
    for scope in [json!(["openid"]), json!("openid \"x\""), json!("a\\b")] {
        server
            .post(&with(minimal(), json!({"scope": scope})))
            .await
            .expect_bad_metadata("scope");
    }
}

#[tokio::test]
async fn default_scopes_are_added_unless_that_is_disabled() {
    let scopes = |configuration: &mut registrar::config::Configuration| {
        for scope in &mut configuration.live.scopes {
            scope.default = scope.id == "openid";
        }
    };
    let server = TestServer::configured(scopes).await;
    assert_eq!(server.register(&minimal()).await.body["scope"], "openid");
    assert_eq!(
        server
            .register(&with(minimal(), json!({"scope": "email"})))
            .await
            .body["scope"],
        "email openid"
    );
    let server = TestServer::configured(|configuration| {
        scopes(configuration);
        configuration
            .live
            .registration
            .dynamic_registration_scopes_param_enabled = false;
    })
    .await;
    assert_eq!(server.register(&minimal()).await.body.get("scope"), None);
    assert_eq!(
        server
            .register(&with(minimal(), json!({"scope": "email"})))
            .await
            .body["scope"],
        "email"
    );
}

#[tokio::test]
async fn an_answer_has_no_null_and_no_empty_string() {
    let server = TestServer::new().await;
    let sent =
        json!({"client_uri": "", "tos_uri": null, "contacts": ["a@example.org"], "lifetime": 60});
    let client = server.register(&with(minimal(), sent)).await;
    let updated = server
        .update(
            &client,
            &client.update(json!({"client_name": "", "contacts": null})),
        )
        .await;
    updated.expect_status(200);
    for body in [
        &client.body,
        &server.read(&client).await.body,
        &updated.body,
    ] {
        let is_hole = |value: &Value| value.is_null() || value == "";
        let holes: Vec<_> = body
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, value)| is_hole(value))
            .collect();
        assert!(holes.is_empty(), "{holes:?}");
        assert_eq!(body["client_id_issued_at"], json!(START));
        assert_eq!(body["client_secret_expires_at"], json!(START + 60));
    }
}

#[tokio::test]
async fn no_two_clients_share_a_credential() {
    let server = TestServer::new().await;
    let mut seen = HashSet::new();
    for _ in 0..200 {
        let client = server.register(&minimal()).await;
        for value in [
            &client.id,
            &client.token,
            client.body["client_secret"].as_str().unwrap(),
        ] {
            assert!(
                value.len() >= 32,
                "{value} is too short for 128 random bits"
            );
            assert!(
                !value.starts_with("https://"),
                "an identifier that looks like a URL"
            );
            assert!(seen.insert((*value).to_owned()), "{value} was issued twice");
        }
    }
}

#[tokio::test]
async fn an_address_that_registers_too_often_is_told_when_to_retry() {
    let server = TestServer::registering(json!({
        "rateLimitRegistrationRequestCount": 5,
        "rateLimitRegistrationPeriodInSeconds": 3600,
    }))
    .await;
    let mut refused = 0;
    for _ in 0..20 {
        let answer = server.post(&minimal()).await;
        if answer.status == 429 {
            answer.expect_error(429, &["too_many_requests"]);
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
            refused += 1;
        } else {
            answer.expect_status(201);
        }
    }
    assert_eq!(refused, 15);
}

#[tokio::test]
async fn a_web_page_of_any_origin_may_register() {
    let server = TestServer::new().await;
    let preflight = server
        .ask("OPTIONS", "/register")
        .header("origin", "https://app.example.org")
        .header("access-control-request-method", "PUT")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        );
    let answer = Answer::of(preflight).await;
    assert!((200..300).contains(&answer.status), "{}", answer.status);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(
        answer
            .header("access-control-allow-methods")
            .contains("PUT")
    );
    assert!(
        answer
            .header("access-control-allow-headers")
            .contains("authorization")
    );
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let post = server
        .ask("POST", "/register")
        .header("origin", "https://app.example.org")
        .json(&minimal());
    assert_eq!(
        Answer::of(post).await.header("access-control-allow-origin"),
        "*"
    );
}

#[tokio::test]
async fn a_disabled_registration_rejects_requests_and_is_not_published() {
    let server = TestServer::registering(json!({"dynamicRegistrationEnabled": false})).await;
    server
        .post(&minimal())
        .await
        .expect_error(403, &["access_denied"]);
    let document = Answer::of(server.ask("GET", "/.well-known/openid-configuration")).await;
    assert_eq!(document.member("registration_endpoint"), &Value::Null);
}

#[tokio::test]
async fn unverifiable_requests_are_rejected() {
    let server = TestServer::new().await;
    let refused = server
        .post(&with(minimal(), json!({"software_statement": "a.b.c"})))
        .await;
    refused.expect_error(400, &["invalid_software_statement"]);
    server
        .post_bytes("application/jwt", "a.b.c")
        .await
        .expect_bad_metadata("signed");
    let server = TestServer::registering(json!({"softwareStatementRequired": true})).await;
    server
        .post(&minimal())
        .await
        .expect_error(400, &["invalid_software_statement"]);
    let server = TestServer::registering(json!({"dcrSignatureValidationEnabled": true})).await;
    server.post(&minimal()).await.expect_bad_metadata("signed");
}

#[tokio::test]
async fn nothing_of_a_rejected_request_is_stored() {
    let refuse = "fn createClient(context) { context.client.client_name == \"K\" }";
    let server = TestServer::scripted(&[("10-a.rhai", refuse)], |_| {}).await;
    let refused = [
        json!({"subject_type": "foo"}),
        json!({"redirect_uris": []}),
        json!({"client_name": "other"}),
    ];
    for more in refused {
        server
            .post(&with(minimal(), more))
            .await
            .expect_error(400, &["invalid_client_metadata", "invalid_redirect_uri"]);
    }
    server.expect_empty().await;
    server.register(&minimal()).await;
    assert_eq!(
        server.storage().count_clients().await.unwrap(),
        2,
        "the client and the administrator"
    );
}

#[tokio::test]
async fn configured_custom_attributes_are_registered() {
    let server = TestServer::registering(json!({
        "dynamicRegistrationCustomAttributes": ["department", "tier"],
        "dynamicRegistrationDefaultCustomAttributes": {"tier": "bronze"},
    }))
    .await;
    let client = server
        .register(&with(
            minimal(),
            json!({"department": {"id": 7}, "other": 1}),
        ))
        .await;
    assert_eq!(client.body["department"], json!({"id": 7}));
    assert_eq!(client.body["tier"], "bronze");
    assert_eq!(client.body.get("other"), None);
}

#[tokio::test]
async fn an_unknown_path_is_answered_in_json() {
    let server = TestServer::new().await;
    let answer = Answer::of(server.ask("GET", "/nothing")).await;
    answer.expect_error(404, &["not_found"]);
    assert_eq!(answer.header("server"), "");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}
