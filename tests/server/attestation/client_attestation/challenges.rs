//! Server challenges in the proof of a client attestation.

use serde_json::{Value, json};

use super::{ATTESTATION, PROOF, Parties, post, proof, proven};
use crate::support::{Answer, TestServer, minimal, with};

const HEADER: &str = "oauth-client-attestation-challenge";

async fn challenge(server: &TestServer) -> String {
    let answer = Answer::of(server.ask("POST", "/challenge")).await;
    answer.expect_status(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.body["attestation_challenge"]
        .as_str()
        .expect("a challenge")
        .to_owned()
}

async fn show(parties: &Parties, server: &TestServer, jti: &str, challenge: Value) -> Answer {
    let claims = with(proven(server, jti), json!({ "challenge": challenge }));
    let headers = [
        (ATTESTATION, parties.attestation()),
        (PROOF, proof(&parties.instance, claims)),
    ];
    post(server, &headers, &minimal()).await
}

/// Returns the challenge in an answer that requires one.
#[track_caller]
fn asked(answer: &Answer) -> String {
    answer.expect_error(400, &["use_attestation_challenge"]);
    assert_eq!(answer.header(HEADER).len(), 43, "32 bytes in base64url");
    answer.header(HEADER).to_owned()
}

#[tokio::test]
async fn a_required_challenge_is_in_the_answer() {
    let parties = Parties::new();
    let server = parties
        .server(json!({"clientAttestationChallengeRequired": true}))
        .await;
    let first = asked(&parties.post(&server, "1", &minimal()).await);
    show(&parties, &server, "1", json!(first))
        .await
        .expect_status(201);
    // The challenge is valid once, whatever else the proof contains.
    let second = asked(&show(&parties, &server, "2", json!(first)).await);
    assert_ne!(first, second);
    asked(&show(&parties, &server, "3", json!("made-up")).await);
    server.clock.advance(151);
    asked(&show(&parties, &server, "4", json!(second)).await);
    assert_eq!(server.storage().count_clients().await.unwrap(), 2);
}

#[tokio::test]
async fn a_challenge_can_be_fetched_in_advance() {
    let parties = Parties::new();
    let server = parties.server(json!({})).await;
    let metadata = Answer::of(server.ask("GET", "/.well-known/oauth-authorization-server")).await;
    assert_eq!(
        metadata.body["challenge_endpoint"],
        server.url("/challenge")
    );
    let (first, second) = (challenge(&server).await, challenge(&server).await);
    assert_ne!(first, second);
    show(&parties, &server, "1", json!(first))
        .await
        .expect_status(201);
    // A challenge is optional here, but one that is sent must be valid.
    asked(&show(&parties, &server, "2", json!(first)).await);
    parties
        .post(&server, "3", &minimal())
        .await
        .expect_status(201);
}

#[tokio::test]
async fn challenges_count_towards_the_limit_of_outstanding_nonces() {
    let parties = Parties::new();
    let server = TestServer::configured(|configuration| {
        configuration.settings.limits.evidence_nonces = 3;
        let trusted = json!([{"issuer": super::ISSUER, "jwks": parties.attester.jwks()}]);
        crate::support::registering(configuration, json!({ "trustedClientAttesters": trusted }));
    })
    .await;
    for _ in 0..3 {
        challenge(&server).await;
    }
    let answer = Answer::of(server.ask("POST", "/challenge")).await;
    answer.expect_error(429, &["too_many_requests"]);
    assert!(!answer.header("retry-after").is_empty());
    // A client that needs no challenge is not affected.
    parties
        .post(&server, "1", &minimal())
        .await
        .expect_status(201);
}
