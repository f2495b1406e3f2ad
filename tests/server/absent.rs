//! `null` and the empty string count as absent in all input: a request, a software statement, a
//! signed request, an update, a key.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::statements::{issuer, knowing, request};
use crate::support::{Answer, Registered, Signer, TestServer, machine, minimal, with};

/// Returns both values that make a member absent.
fn ways() -> [Value; 2] {
    [Value::Null, json!("")]
}

#[tokio::test]
async fn every_member_of_a_request_may_be_absent_in_either_way() {
    let server = TestServer::new().await;
    let plain = server.register(&minimal()).await;
    let names = |body: &Value| {
        body.as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
    };
    let expected = names(&plain.body);
    for absent in ways() {
        let mut members = serde_json::Map::new();
        for (name, ..) in registrar::testing::members() {
            members.insert(name.to_owned(), absent.clone());
            members.insert(format!("{name}#fr"), absent.clone());
        }
        let client = server
            .register(&with(Value::Object(members), minimal()))
            .await;
        assert_eq!(names(&client.body), expected, "{absent}");
        // The same members in an update, including the members that an update must not have.
        let sent = with(client.update(json!({})), json!({}));
        let nothing: Value = registrar::testing::members()
            .into_iter()
            .filter(|(name, ..)| sent.get(name).is_none())
            .map(|(name, ..)| (name.to_owned(), absent.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let answer = server.update(&client, &with(sent, nothing)).await;
        answer.expect_status(200);
        assert_eq!(answer.body["client_name"], "K");
        // The member that names the client is required.
        let nameless = client.update(json!({"client_id": absent}));
        server
            .update(&client, &nameless)
            .await
            .expect_bad_metadata("client_id: must be present");
    }
}

#[tokio::test]
async fn an_absent_secret_is_not_compared() {
    let server = TestServer::new().await;
    let client = server
        .register(&with(machine(), json!({"client_name": "M"})))
        .await;
    for absent in ways() {
        let answer = server
            .update(&client, &client.update(json!({"client_secret": absent})))
            .await;
        answer.expect_status(200);
        assert_eq!(answer.body["client_secret"], client.body["client_secret"]);
    }
    let wrong = client.update(json!({"client_secret": " "}));
    server
        .update(&client, &wrong)
        .await
        .expect_bad_metadata("client_secret");
}

#[tokio::test]
async fn an_absent_statement_counts_as_no_statement() {
    let (plain, issuer) = (TestServer::new().await, issuer());
    let required = knowing(&issuer, json!({"softwareStatementRequired": true})).await;
    for absent in ways() {
        let body = with(minimal(), json!({"software_statement": absent}));
        plain.register(&body).await;
        let answer = required.post(&body).await;
        answer.expect_error(400, &["invalid_software_statement"]);
        assert!(answer.text.contains("is required"), "{}", answer.text);
    }
}

#[tokio::test]
async fn an_absent_claim_erases_nothing() {
    let issuer = issuer();
    let names = json!({"software_client_uri": "client_uri"});
    let server = knowing(&issuer, json!({"softwareStatementClaims": names})).await;
    let asked = json!({"client_uri": "https://client.example.org/", "scope": "openid", "contacts": ["a@example.org"]});
    for absent in ways() {
        let claims = json!({
            "client_name": absent, "redirect_uris": absent, "scope": absent, "contacts": absent,
            "software_client_uri": absent, "client_name#fr": absent, "software_id": "s",
        });
        let client = server
            .register(&with(request(&issuer.token(claims)), asked.clone()))
            .await;
        for (name, value) in with(minimal(), asked.clone()).as_object().unwrap() {
            assert_eq!(client.body.get(name), Some(value), "{name}: {absent}");
        }
    }
}

#[tokio::test]
async fn an_absent_member_of_a_signed_request_is_absent() {
    let party = Signer::new("tpp", Algorithm::Ps256);
    let server = TestServer::registering(json!({
        "dcrSignatureValidationEnabled": true, "dcrSignatureValidationJwks": party.jwks(),
    }))
    .await;
    for (number, absent) in ways().into_iter().enumerate() {
        let more = json!({"jti": number.to_string(), "tos_uri": absent, "jwks": absent, "software_statement": absent});
        let answer = server
            .post_bytes("application/jwt", party.token(with(minimal(), more)))
            .await;
        answer.expect_status(201);
        assert_eq!(
            (answer.body.get("tos_uri"), answer.body.get("jwks")),
            (None, None)
        );
    }
}

#[tokio::test]
async fn an_absent_member_of_a_key_is_absent() {
    let (server, signer) = (TestServer::new().await, Signer::new("c", Algorithm::Es256));
    for absent in ways() {
        let unsaid: Value = [
            "d", "p", "q", "dp", "dq", "qi", "oth", "k", "use", "alg", "key_ops", "x5c",
        ]
        .into_iter()
        .map(|name| (name.to_owned(), absent.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into();
        let key = with(signer.jwk(), unsaid);
        let keyed =
            json!({"jwks": {"keys": [key]}, "token_endpoint_auth_method": "private_key_jwt"});
        let client = server.register(&with(machine(), keyed)).await;
        let stored = client.body["jwks"]["keys"][0].as_object().unwrap();
        assert!(stored.values().all(Value::is_string), "{stored:?}");
        // The key still authenticates its client.
        let (url, now) = (server.server().url().to_owned(), server.now());
        let assertion = signer.raw(
            &json!({}),
            json!({"iss": client.id, "sub": client.id, "aud": url, "jti": absent.to_string(), "exp": now + 60}),
        );
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let parameters = [
            crate::support::GRANT,
            ("client_assertion_type", kind),
            ("client_assertion", &*assertion),
        ];
        Answer::of(crate::support::form(
            server.ask("POST", "/token"),
            &parameters,
        ))
        .await
        .expect_status(200);
        // An issuer may publish such keys, too.
        let issuer = Signer::new("https://directory.example", Algorithm::Es256);
        let published = with(issuer.jwk(), json!({"d": absent, "use": absent}));
        let entry = json!({"id": "1", "type": "SSA", "issuers": [issuer.iss], "jwks": {"keys": [published]}});
        let knowing = TestServer::registering(
            json!({"softwareStatementValidationType": "builtin", "dcrSsaValidationConfigs": [entry]}),
        )
        .await;
        knowing.register(&request(&issuer.token(json!({})))).await;
    }
    let leaked = with(signer.jwk(), json!({"d": "AQAB"}));
    server
        .post(&with(minimal(), json!({"jwks": {"keys": [leaked]}})))
        .await
        .expect_bad_metadata("private");
}

#[tokio::test]
async fn the_inside_of_a_custom_attribute_is_kept() {
    let members = json!({"dynamicRegistrationCustomAttributes": ["tool", "other"]});
    let server = TestServer::registering(members).await;
    let tool = json!({"parameters": {"a": "", "b": null}, "labels": [""]});
    let client = server
        .register(&with(minimal(), json!({"tool": tool, "other": null})))
        .await;
    assert_eq!(
        (client.body.get("tool"), client.body.get("other")),
        (Some(&tool), None)
    );
}

#[tokio::test]
async fn null_and_empty_are_absent_for_an_administrator_too() {
    let server = TestServer::new().await;
    let client = server
        .register(&with(
            minimal(),
            json!({"tos_uri": "https://client.example.org/tos"}),
        ))
        .await;
    let administrator = server.administrator_token().await;
    for absent in ways() {
        let body = client.update(json!({
            "tos_uri": absent, "software_statement": absent, "client_secret": absent,
            "registration_access_token": absent,
        }));
        let request = server.ask("PUT", &format!("/admin/v1/clients/{}", client.id));
        let answer = Answer::of(request.bearer_auth(&administrator).json(&body)).await;
        answer.expect_status(200);
        let read = server.read(&Registered::of(client.body.clone())).await;
        assert_eq!(read.body.get("tos_uri"), None);
    }
}
