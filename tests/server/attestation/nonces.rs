//! The nonces that the server issues.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use super::{VERIFIER, be_patient, nonce, requiring, showing, stale};
use crate::support::{TestServer, minimal, registering};

#[tokio::test]
async fn a_first_request_gets_a_nonce() {
    let server = requiring(VERIFIER).await;
    let first = stale(&server.post(&json!({"client_name": "x"})).await);
    let second = nonce(&server).await;
    assert_ne!(first, second);
    for nonce in [first, second] {
        assert!(URL_SAFE_NO_PAD.decode(nonce).unwrap().len() >= 32);
    }
    server.expect_empty().await;
}

#[tokio::test]
async fn a_script_creates_the_nonce() {
    let script = r#"
        fn getEvidenceNonce(context) { "nonce-of-a-verifier" }
        fn verifyEvidence(context) { true }
    "#;
    let server = requiring(script).await;
    assert_eq!(nonce(&server).await, "nonce-of-a-verifier");
    let client = server.register(&showing("e")).await;
    assert_eq!(server.provenance(&client).await["trust_level"], "attested");
}

#[tokio::test]
async fn nonces_are_limited_and_the_oldest_is_dropped() {
    let server = bounded(100).await;
    let oldest = nonce(&server).await;
    let mut limited = 0;
    for _ in 0..500 {
        let answer = server.post(&minimal()).await;
        if answer.status == 429 {
            assert!(!answer.header("retry-after").is_empty());
            limited += 1;
        } else {
            stale(&answer);
        }
    }
    assert_eq!(
        limited, 401,
        "the maximum number of nonces is outstanding, and none is old enough to be dropped"
    );
    server
        .post(&showing(&format!("good|{oldest}")))
        .await
        .expect_status(201);
    server.clock.advance(20);
    nonce(&server).await;
}

/// Starts a server that requires evidence and remembers at most `most` nonces.
async fn bounded(most: u64) -> TestServer {
    TestServer::scripted(&[("10-verifier.rhai", VERIFIER)], |configuration| {
        registering(
            configuration,
            json!({"dcrAttestationEvidenceRequired": true}),
        );
        be_patient(configuration);
        configuration.settings.limits.evidence_nonces = most;
    })
    .await
}

/// A device must send evidence, as in Janssen; other clients need none. (The contract of the store tests
/// that ten thousand challenges are limited on every store.)
const DEVICES: &str = r#"
    fn createClient(context) {
        if context.client.client_name == "device" {
            context.createStaleEvidenceWebApplicationException(attestation::new_nonce());
            return false;
        }
        true
    }
"#;

#[tokio::test]
async fn many_challenges_are_limited_and_other_clients_are_not_affected() {
    const MOST: u64 = 20;
    let server = TestServer::scripted(&[("10-devices.rhai", DEVICES)], |configuration| {
        be_patient(configuration);
        configuration.settings.store.url = "memory:".into();
        configuration.settings.limits.evidence_nonces = MOST;
        // A nonce may be dropped after a second, so a rejection for lack of space does not matter here.
        registering(configuration, json!({"evidenceNonceLifetime": 10}));
    })
    .await;
    let (mut nonces, mut plain) = (Vec::new(), 0);
    for _ in 0..50 {
        let device =
            json!({"redirect_uris": ["https://client.example.org/cb"], "client_name": "device"});
        let answers = stream::iter(0..20)
            .map(|_| server.post(&device))
            .buffer_unordered(16);
        let answers: Vec<_> = answers.collect().await;
        nonces.extend(
            answers
                .iter()
                .filter(|answer| answer.status != 429)
                .map(stale),
        );
        plain += usize::from(server.post(&minimal()).await.status == 201);
        server.clock.advance(1);
    }
    assert!(
        nonces.len() > 900,
        "only {} requests got a nonce",
        nonces.len()
    );
    let storage = server.storage();
    let mut remembered = 0;
    for nonce in &nonces {
        remembered += u64::from(storage.consume_nonce(nonce, server.now()).await.unwrap());
    }
    assert!(
        (1..=MOST).contains(&remembered),
        "{remembered} are remembered"
    );
    assert_eq!(plain, 50, "clients that need no evidence are registered");
}
