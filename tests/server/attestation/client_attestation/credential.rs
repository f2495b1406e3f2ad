//! The effects of a valid client attestation.

use serde_json::{Value, json};

use super::{ATTESTATION, ISSUER, PROOF, Parties, SOFTWARE, post};
use crate::support::{
    Answer, GRANT, Registered, START, Signer, TestServer, machine, minimal, with,
};

#[tokio::test]
async fn the_attested_key_becomes_the_client_key_and_the_registration_is_attested() {
    let parties = Parties::new();
    let server = parties.server(json!({})).await;
    let answer = parties.post(&server, "1", &minimal()).await;
    answer.expect_status(201);
    let client = Registered::of(answer.body);
    assert_eq!(
        client.body["jwks"],
        json!({"keys": [parties.instance.jwk()]})
    );
    assert_eq!(client.body["software_id"], SOFTWARE);
    assert_eq!(client.body["token_endpoint_auth_method"], "private_key_jwt");
    assert_eq!(client.body.get("client_secret"), None);
    let provenance = server.provenance(&client).await;
    assert_eq!(provenance["trust_level"], "attested");
    assert_eq!(provenance["attestation_verifier"], ISSUER);
    assert_eq!(provenance["attestation_digest"].as_str().unwrap().len(), 64);
    let metadata = Answer::of(server.ask("GET", "/.well-known/oauth-authorization-server"))
        .await
        .body;
    for list in [
        "client_attestation_signing_alg_values_supported",
        "client_attestation_pop_signing_alg_values_supported",
    ] {
        assert!(
            metadata[list].as_array().unwrap().contains(&json!("ES256")),
            "{metadata}"
        );
    }
    // The attestation is valid until it expires; each proof is valid once.
    parties
        .post(&server, "2", &minimal())
        .await
        .expect_status(201);
}

#[tokio::test]
async fn the_attested_key_authenticates_the_client() {
    let parties = Parties::new();
    let server = parties.server(json!({})).await;
    let answer = parties.post(&server, "1", &machine()).await;
    answer.expect_status(201);
    let id = answer.body["client_id"].as_str().unwrap();
    for (signer, status) in [
        (
            &Signer::new("other", registrar::testing::Algorithm::Es256),
            401,
        ),
        (&parties.instance, 200),
    ] {
        let claims = json!({
            "iss": id, "sub": id, "aud": server.server().url(), "jti": "1", "exp": START + 60,
        });
        let assertion = signer.raw(&json!({}), claims);
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = [
            GRANT,
            ("client_assertion_type", kind),
            ("client_assertion", assertion.as_str()),
        ];
        server.form("/token", &form).await.expect_status(status);
    }
}

#[tokio::test]
async fn it_is_disabled_unless_an_attester_is_trusted() {
    let parties = Parties::new();
    let server = TestServer::new().await;
    // The headers are ignored, whatever they contain.
    let answer = parties.post(&server, "1", &minimal()).await;
    answer.expect_status(201);
    let client = Registered::of(answer.body);
    assert_eq!(client.body.get("jwks"), None);
    assert_eq!(server.provenance(&client).await["trust_level"], "open");
    post(&server, &[(PROOF, "x".to_owned())], &minimal())
        .await
        .expect_status(201);
    Answer::of(server.ask("POST", "/challenge"))
        .await
        .expect_status(404);
    let metadata = Answer::of(server.ask("GET", "/.well-known/oauth-authorization-server")).await;
    assert_eq!(metadata.body.get("challenge_endpoint"), None);
}

#[tokio::test]
async fn an_attested_client_needs_no_initial_access_token() {
    let parties = Parties::new();
    let server = parties
        .server(json!({"initialAccessToken": "required"}))
        .await;
    server.post(&minimal()).await.expect_status(401);
    parties
        .post(&server, "1", &minimal())
        .await
        .expect_status(201);
    // An invalid token is rejected in any case.
    let headers = [
        (ATTESTATION, parties.attestation()),
        (PROOF, parties.proof(&server, "2")),
        ("Authorization", "Bearer made-up".to_owned()),
    ];
    post(&server, &headers, &minimal())
        .await
        .expect_error(401, &["invalid_token"]);
}

#[tokio::test]
async fn the_attested_key_is_added_to_the_keys_of_the_request() {
    let parties = Parties::new();
    let server = parties.server(json!({})).await;
    let (own, other) = (
        parties.instance.jwk(),
        Signer::new("other", registrar::testing::Algorithm::Es256).jwk(),
    );
    let keys = |keys: Value| json!({"jwks": {"keys": keys}, "token_endpoint_auth_method": "private_key_jwt"});
    for (jti, (sent, registered)) in ["1", "2", "3"].iter().zip([
        (json!([other]), json!([other, own])),
        (json!([own, other]), json!([own, other])),
        (json!([own]), json!([own])),
    ]) {
        let answer = parties
            .post(&server, jti, &with(minimal(), keys(sent)))
            .await;
        answer.expect_status(201);
        assert_eq!(answer.body["jwks"]["keys"], registered);
    }
}

#[tokio::test]
async fn a_contradiction_of_the_attestation_is_rejected_and_uses_up_no_proof() {
    let parties = Parties::new();
    let server = parties.server(json!({})).await;
    for (more, rule) in [
        (json!({"software_id": "another"}), "software_id"),
        (
            json!({"jwks_uri": "https://client.example.org/jwks"}),
            "jwks_uri",
        ),
        (json!({"jwks": {"keys": "none"}}), "jwks"),
        (json!({"grant_types": ["made-up"]}), "grant_types"),
    ] {
        parties
            .post(&server, "1", &with(minimal(), more))
            .await
            .expect_bad_metadata(rule);
    }
    server.expect_empty().await;
    parties
        .post(
            &server,
            "1",
            &with(minimal(), json!({"software_id": SOFTWARE})),
        )
        .await
        .expect_status(201);
}

#[tokio::test]
async fn scripts_see_the_attester_but_not_the_headers() {
    let script = r#"
        fn createClient(context) {
            for name in context.httpRequest.headers.keys() {
                if name.contains("attestation") { throw "a credential is shown"; }
            }
            if context.trustLevel != "attested" { return false; }
            context.client.client_name = `${context.attestation.subject} by ${context.attestation.verifier}`;
            true
        }
    "#;
    let parties = Parties::new();
    let server = TestServer::scripted(&[("10.rhai", script)], |configuration| {
        crate::attestation::be_patient(configuration);
        let trusted = json!([{"issuer": ISSUER, "jwks": parties.attester.jwks()}]);
        crate::support::registering(configuration, json!({ "trustedClientAttesters": trusted }));
    })
    .await;
    let answer = parties.post(&server, "1", &minimal()).await;
    answer.expect_status(201);
    assert_eq!(
        answer.body["client_name"],
        format!("{SOFTWARE} by {ISSUER}")
    );
    server.post(&minimal()).await.expect_status(400);
}
