//! Client attestation as the authentication method of a client at the token endpoint.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use super::{ATTESTATION, ISSUER, PROOF, Parties, attestation, proof, proven};
use crate::support::{
    Answer, GRANT, Origin, Reply, START, Signer, TestServer, form, machine, registering, with,
};

const METHOD: &str = "attest_jwt_client_auth";

fn methods() -> Value {
    json!({"tokenEndpointAuthMethodsSupported": [METHOD, "client_secret_basic"]})
}

async fn ask(server: &TestServer, client: &str, headers: &[(&str, String)]) -> Answer {
    let request = headers
        .iter()
        .fold(server.ask("POST", "/token"), |request, (name, value)| {
            request.header(*name, value)
        });
    Answer::of(form(request, &[GRANT, ("client_id", client)])).await
}

/// Starts a server and registers a client with this method.
async fn registered(parties: &Parties, more: Value) -> (TestServer, String) {
    let server = parties.server(with(methods(), more)).await;
    let answer = parties.post(&server, "registration", &machine()).await;
    answer.expect_status(201);
    assert_eq!(answer.body["token_endpoint_auth_method"], METHOD);
    let id = answer.body["client_id"].as_str().unwrap().to_owned();
    (server, id)
}

#[tokio::test]
async fn an_attested_client_gets_a_token_with_a_proof_that_is_valid_once() {
    let parties = Parties::new();
    let (server, id) = registered(&parties, json!({})).await;
    let attested = |more: Value| with(with(parties.attested(), json!({"sub": id})), more);
    let by = |signer: &Signer, more: Value| (ATTESTATION, attestation(signer, attested(more)));
    let own = |jti: &str| (PROOF, parties.proof(&server, jti));
    let good = [by(&parties.attester, json!({})), own("1")];
    ask(&server, &id, &good).await.expect_status(200);
    ask(&server, &id, &good)
        .await
        .expect_error(401, &["invalid_client"]);
    ask(&server, &id, &[good[0].clone(), own("2")])
        .await
        .expect_status(200);
    // Another instance of the same client with an attestation of the same attester.
    let instance = Signer::new("instance", Algorithm::Es256);
    let other = by(&parties.attester, json!({"cnf": {"jwk": instance.jwk()}}));
    let its_own = (PROOF, proof(&instance, proven(&server, "3")));
    ask(&server, &id, &[other.clone(), its_own])
        .await
        .expect_status(200);
    ask(&server, &id, &[other, own("4")])
        .await
        .expect_error(400, &["invalid_client_attestation"]);
}

#[tokio::test]
async fn an_attestation_of_another_client_gets_no_token_whether_or_not_it_exists() {
    let parties = Parties::new();
    let second = Signer::new("https://second.example.org", Algorithm::Es256);
    let trusted = json!([{"issuer": ISSUER, "jwks": parties.attester.jwks()},
                         {"issuer": second.iss, "jwks": second.jwks()}]);
    let (server, id) = registered(&parties, json!({"trustedClientAttesters": trusted})).await;
    let unknown = "11111111-1111-4111-8111-111111111111";
    let attested = |more: Value| with(parties.attested(), more);
    let by = |signer: &Signer, more: Value| (ATTESTATION, attestation(signer, attested(more)));
    let own = |jti: &str| (PROOF, parties.proof(&server, jti));
    let stranger = Signer::new(ISSUER, Algorithm::Es256);
    let cases = [
        // The name of the software is not the identifier of the client.
        (
            &*id,
            by(&parties.attester, json!({})),
            401,
            "invalid_client",
        ),
        (
            &*id,
            by(&parties.attester, json!({"sub": unknown})),
            401,
            "invalid_client",
        ),
        // Another attester than at the registration.
        (
            &*id,
            by(&second, json!({"sub": id, "iss": second.iss})),
            401,
            "invalid_client",
        ),
        (
            unknown,
            by(&parties.attester, json!({"sub": unknown})),
            401,
            "invalid_client",
        ),
        (
            &*id,
            by(&stranger, json!({"sub": id})),
            400,
            "invalid_client_attestation",
        ),
        (
            unknown,
            by(&stranger, json!({"sub": unknown})),
            400,
            "invalid_client_attestation",
        ),
        (
            &*id,
            by(&parties.attester, json!({"sub": id, "exp": START - 100})),
            400,
            "use_fresh_attestation",
        ),
    ];
    for (number, (client, header, status, code)) in cases.into_iter().enumerate() {
        let answer = ask(&server, client, &[header, own(&number.to_string())]).await;
        answer.expect_error(status, &[code]);
    }
    let good = by(&parties.attester, json!({"sub": id}));
    ask(&server, &id, std::slice::from_ref(&good))
        .await
        .expect_error(400, &["invalid_client_attestation"]);
    // Rejected requests did not use up a valid proof.
    ask(&server, &id, &[good, own("last")])
        .await
        .expect_status(200);
    // A client that registered another method cannot use this one.
    let secret = server.register(&machine()).await;
    let header = by(&parties.attester, json!({"sub": secret.id}));
    ask(&server, &secret.id, &[header, own("x")])
        .await
        .expect_error(401, &["invalid_client"]);
}

#[tokio::test]
async fn a_challenge_is_required_if_configured() {
    let parties = Parties::new();
    let server = parties.server(methods()).await;
    let answer = parties.post(&server, "registration", &machine()).await;
    let id = answer.body["client_id"].as_str().unwrap().to_owned();
    let strict = parties
        .server(with(
            methods(),
            json!({"clientAttestationChallengeRequired": true}),
        ))
        .await;
    let header = (
        ATTESTATION,
        attestation(
            &parties.attester,
            with(parties.attested(), json!({"sub": id})),
        ),
    );
    let answer = ask(
        &strict,
        &id,
        &[header, (PROOF, parties.proof(&strict, "1"))],
    )
    .await;
    answer.expect_error(400, &["use_attestation_challenge"]);
    assert!(
        !answer
            .header("oauth-client-attestation-challenge")
            .is_empty()
    );
}

#[tokio::test]
async fn without_trusted_attesters_the_method_cannot_be_registered_and_is_not_published() {
    let parties = Parties::new();
    let document = async |server: &TestServer| {
        Answer::of(server.ask("GET", "/.well-known/oauth-authorization-server"))
            .await
            .body
    };
    let body = with(machine(), json!({"token_endpoint_auth_method": METHOD}));
    let server = TestServer::registering(methods()).await;
    let answer = server.post(&body).await;
    answer.expect_error(400, &["invalid_client_metadata"]);
    assert!(
        answer.text.contains("token_endpoint_auth_method"),
        "{}",
        answer.text
    );
    let offered = document(&server).await;
    assert_eq!(
        offered["token_endpoint_auth_methods_supported"],
        json!(["client_secret_basic"])
    );
    assert!(
        offered
            .get("client_attestation_pop_methods_supported")
            .is_none()
    );
    let server = parties.server(methods()).await;
    server.post(&body).await.expect_status(201);
    let offered = document(&server).await;
    assert_eq!(
        offered["token_endpoint_auth_methods_supported"],
        methods()["tokenEndpointAuthMethodsSupported"]
    );
    assert_eq!(
        offered["revocation_endpoint_auth_methods_supported"],
        methods()["tokenEndpointAuthMethodsSupported"]
    );
    // Without `none` the list would require an attestation of every client.
    assert_eq!(
        offered["client_attestation_pop_methods_supported"],
        json!(["attestation_pop_jwt", "none"])
    );
}

#[tokio::test]
async fn with_an_upstream_the_proof_methods_are_those_of_the_upstream() {
    let parties = Parties::new();
    for said in [None, Some(json!(["attestation_pop_jwt"]))] {
        let origin = Origin::new().await;
        let upstream = origin.url("");
        let mut theirs = json!({"issuer": upstream, "token_endpoint": format!("{upstream}/token")});
        if let Some(said) = &said {
            theirs["client_attestation_pop_methods_supported"] = said.clone();
            theirs["challenge_endpoint"] = "https://as.example.org/challenge".into();
        }
        origin.set("/.well-known/openid-configuration", Reply::json(theirs));
        let trusted = json!([{"issuer": ISSUER, "jwks": parties.attester.jwks()}]);
        let server = TestServer::configured(|configuration| {
            configuration
                .settings
                .discovery
                .insert("upstream".to_owned(), upstream.into());
            registering(configuration, json!({ "trustedClientAttesters": trusted }));
        })
        .await;
        let found = Answer::of(server.ask("GET", "/.well-known/oauth-authorization-server"))
            .await
            .body;
        assert_eq!(
            found.get("client_attestation_pop_methods_supported"),
            said.as_ref(),
            "{found}"
        );
        let challenge = found["challenge_endpoint"].as_str().unwrap();
        assert_eq!(
            challenge.starts_with("https://as.example.org"),
            said.is_some(),
            "{challenge}"
        );
        assert!(found["client_attestation_signing_alg_values_supported"].is_array());
    }
}
