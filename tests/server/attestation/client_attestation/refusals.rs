//! Client attestations and proofs that are rejected.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use super::{ATTESTATION, ISSUER, PROOF, Parties, attestation, post, proof, proven};
use crate::support::{
    Origin, Reply, START, Signer, TestServer, fetches_locally, minimal, registering, with,
};

const INVALID: &str = "invalid_client_attestation";

#[tokio::test]
async fn each_header_is_present_exactly_once() {
    let parties = Parties::new();
    let server = parties.server(json!({})).await;
    let (attestation, proof) = (parties.attestation(), parties.proof(&server, "1"));
    let one = (ATTESTATION, attestation.clone());
    let other = (PROOF, proof.clone());
    for headers in [
        vec![one.clone()],
        vec![other.clone()],
        vec![one.clone(), one.clone(), other.clone()],
        vec![one.clone(), other.clone(), other.clone()],
        vec![
            (ATTESTATION, format!("{attestation}, {attestation}")),
            other.clone(),
        ],
        vec![(ATTESTATION, String::new()), other.clone()],
        vec![(ATTESTATION, proof), (PROOF, attestation)],
    ] {
        post(&server, &headers, &minimal())
            .await
            .expect_error(400, &[INVALID]);
    }
    server.expect_empty().await;
    post(&server, &[one, other], &minimal())
        .await
        .expect_status(201);
}

#[tokio::test]
async fn an_invalid_attestation_is_rejected() {
    let parties = Parties::new();
    let server = parties.server(json!({})).await;
    let stranger = Signer::new(ISSUER, Algorithm::Es256);
    let good = || parties.attested();
    let by = |signer: &Signer, more: Value| attestation(signer, with(good(), more));
    let mut private = parties.instance.jwk();
    private["d"] = json!("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
    let cases = [
        ("another key", by(&stranger, json!({}))),
        (
            "another issuer",
            by(
                &parties.attester,
                json!({"iss": "https://other.example.org"}),
            ),
        ),
        ("no subject", by(&parties.attester, json!({"sub": null}))),
        ("no expiry", by(&parties.attester, json!({"exp": null}))),
        (
            "no key",
            by(&parties.attester, json!({"cnf": {"kid": "1"}})),
        ),
        (
            "a private key",
            by(&parties.attester, json!({"cnf": {"jwk": private}})),
        ),
        (
            "not valid yet",
            by(&parties.attester, json!({"nbf": START + 3_000})),
        ),
        (
            "for another audience",
            by(
                &parties.attester,
                json!({"aud": "https://other.example.org"}),
            ),
        ),
        (
            "another type of token",
            parties.attester.raw(&json!({"typ": "JWT"}), good()),
        ),
        ("no token", "x.y.z".to_owned()),
    ];
    for (name, attestation) in cases {
        let headers = [
            (ATTESTATION, attestation),
            (PROOF, parties.proof(&server, "1")),
        ];
        let answer = post(&server, &headers, &minimal()).await;
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (400, &json!(INVALID)),
            "{name}: {}",
            answer.text
        );
        answer.expect_error(400, &[INVALID]);
    }
    let over = by(&parties.attester, json!({"exp": START - 61}));
    let answer = post(
        &server,
        &[(ATTESTATION, over), (PROOF, parties.proof(&server, "1"))],
        &minimal(),
    )
    .await;
    answer.expect_error(400, &["use_fresh_attestation"]);
    // Only a holder of the attester's key learns that the attestation has expired.
    let over = by(&stranger, json!({"exp": START - 61}));
    let answer = post(
        &server,
        &[(ATTESTATION, over), (PROOF, parties.proof(&server, "1"))],
        &minimal(),
    )
    .await;
    answer.expect_error(400, &[INVALID]);
    server.expect_empty().await;
}

#[tokio::test]
async fn an_invalid_proof_is_rejected() {
    let parties = Parties::new();
    let server = parties.server(json!({})).await;
    let stranger = Signer::new("stranger", Algorithm::Es256);
    let by = |signer: &Signer, more: Value| proof(signer, with(proven(&server, "1"), more));
    let own = &parties.instance;
    let cases = [
        ("another key", by(&stranger, json!({}))),
        ("the key of the attester", by(&parties.attester, json!({}))),
        (
            "another audience",
            by(own, json!({"aud": "https://other.example.org"})),
        ),
        ("no audience", by(own, json!({"aud": null}))),
        ("no jti", by(own, json!({"jti": null}))),
        ("a jti that is not a string", by(own, json!({"jti": 5}))),
        ("an empty jti", by(own, json!({"jti": ""}))),
        ("no iat", by(own, json!({"iat": null}))),
        ("old", by(own, json!({"iat": START - 400}))),
        ("issued in the future", by(own, json!({"iat": START + 61}))),
        ("over", by(own, json!({"exp": START - 61}))),
        (
            "another type of token",
            own.raw(&json!({"typ": "JWT"}), proven(&server, "1")),
        ),
    ];
    for (name, proof) in cases {
        let answer = post(
            &server,
            &[(ATTESTATION, parties.attestation()), (PROOF, proof)],
            &minimal(),
        )
        .await;
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (400, &json!(INVALID)),
            "{name}: {}",
            answer.text
        );
        answer.expect_error(400, &[INVALID]);
    }
    server.expect_empty().await;
}

#[tokio::test]
async fn a_proof_is_valid_once() {
    let parties = Parties::new();
    let server = parties.server(json!({})).await;
    parties
        .post(&server, "1", &minimal())
        .await
        .expect_status(201);
    // Another signature over the same proof is the same proof.
    parties
        .post(&server, "1", &minimal())
        .await
        .expect_error(400, &[INVALID]);
    let body = minimal();
    let all =
        futures_util::future::join_all((0..8).map(|_| parties.post(&server, "2", &body))).await;
    let count = |status: u16| all.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(400)), (1, 7));
    // It is remembered for as long as it would be accepted.
    server.clock.advance(299);
    let late = proof(
        &parties.instance,
        with(proven(&server, "1"), json!({"iat": START})),
    );
    let headers = [(ATTESTATION, parties.attestation()), (PROOF, late)];
    post(&server, &headers, &minimal())
        .await
        .expect_error(400, &[INVALID]);
    // Another instance may choose the same jti.
    let other = Parties {
        instance: Signer::new("other", Algorithm::Es256),
        attester: parties.attester,
    };
    other
        .post(&server, "1", &minimal())
        .await
        .expect_status(201);
}

#[tokio::test]
async fn keys_of_an_attester_may_be_at_a_url() {
    let parties = Parties::new();
    let origin = Origin::new().await;
    let url = origin.at("/jwks", Reply::status(500));
    let server = TestServer::configured(|configuration| {
        fetches_locally(configuration);
        let trusted = json!([{"issuer": ISSUER, "jwksUri": url, "algorithms": ["ES256"]}]);
        registering(configuration, json!({ "trustedClientAttesters": trusted }));
    })
    .await;
    // This is not an error of the client.
    let answer = parties.post(&server, "1", &minimal()).await;
    answer.expect_error(503, &["temporarily_unavailable"]);
    assert!(!answer.header("retry-after").is_empty());
    server.expect_empty().await;
    origin.set("/jwks", Reply::json(parties.attester.jwks()));
    server.clock.advance(600);
    parties
        .post(&server, "1", &minimal())
        .await
        .expect_status(201);
}

#[tokio::test]
async fn an_attestation_needs_no_iss_and_its_keys_need_no_kid() {
    let parties = Parties::new();
    let server = parties.server(json!({})).await;
    let mut key = parties.instance.jwk();
    key.as_object_mut()
        .unwrap()
        .retain(|name, _| ["kty", "crv", "x", "y"].contains(&name.as_str()));
    let mut claims = with(parties.attested(), json!({"cnf": {"jwk": key}}));
    claims.as_object_mut().unwrap().shift_remove("iss");
    let headers = [
        (ATTESTATION, attestation(&parties.attester, claims)),
        (PROOF, parties.proof(&server, "1")),
    ];
    let answer = post(&server, &headers, &minimal()).await;
    answer.expect_status(201);
    assert_eq!(answer.body["jwks"]["keys"][0], key);
}
