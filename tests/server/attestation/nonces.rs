//! K168 to K170 and K181: the nonces that the server gives out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{StreamExt as _, stream};
use registrar::clock::Timestamp;
use serde_json::json;

use super::{VERIFIER, be_patient, nonce, requiring, showing, stale};
use crate::support::{TestServer, minimal, registering};

#[tokio::test]
async fn a_first_request_gets_its_nonce() {
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
async fn a_script_makes_the_nonce() {
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
async fn nonces_are_bounded_and_the_oldest_gives_way() {
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
    assert_eq!(limited, 401, "as many as there may be are out, and all of them are young");
    server.post(&showing(&format!("good|{oldest}"))).await.expect_status(201);
    server.clock.advance(20);
    nonce(&server).await;
}

/// A server that requires evidence and remembers so many nonces.
async fn bounded(most: u64) -> TestServer {
    TestServer::scripted(&[("10-verifier.rhai", VERIFIER)], |configuration| {
        registering(configuration, json!({"dcrAttestationEvidenceRequired": true}));
        be_patient(configuration);
        configuration.settings.limits.evidence_nonces = most;
    })
    .await
}

/// A device has to show evidence, as the seed does it; everybody else does not. (That ten thousand challenges
/// are bounded on every store is a contract of the store.)
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
async fn of_many_challenges_few_are_remembered_and_others_go_on() {
    const MOST: u64 = 20;
    let server = TestServer::scripted(&[("10-devices.rhai", DEVICES)], |configuration| {
        be_patient(configuration);
        configuration.settings.store.url = "memory:".into();
        configuration.settings.limits.evidence_nonces = MOST;
        // A nonce gives way after a second: what is refused is not what this is about.
        registering(configuration, json!({"evidenceNonceLifetime": 10}));
    })
    .await;
    let (mut nonces, mut plain) = (Vec::new(), 0);
    for _ in 0..50 {
        let device = json!({"redirect_uris": ["https://client.example.org/cb"], "client_name": "device"});
        let answers = stream::iter(0..20).map(|_| server.post(&device)).buffer_unordered(16);
        let answers: Vec<_> = answers.collect().await;
        nonces.extend(answers.iter().filter(|answer| answer.status != 429).map(stale));
        plain += usize::from(server.post(&minimal()).await.status == 201);
        server.clock.advance(1);
    }
    assert!(nonces.len() > 900, "only {} got a nonce", nonces.len());
    let nonces_of = &server.server().service().store.nonces;
    let mut remembered = 0;
    for nonce in &nonces {
        remembered += u64::from(nonces_of.consume(nonce, Timestamp::from_unix(server.now())).await.unwrap());
    }
    assert!((1..=MOST).contains(&remembered), "{remembered} are remembered");
    assert_eq!(plain, 50, "who needs no evidence is registered");
}
