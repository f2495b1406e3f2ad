//! K171 to K173, K178 and K180: evidence of a request, and who appraises it.

use registrar::jose::Algorithm;
use serde_json::json;

use super::{VERIFIER, nonce, requiring, showing, stale};
use crate::support::{Signer, TestServer, minimal, with};

#[tokio::test]
async fn evidence_is_good_once_for_its_nonce_and_never_told() {
    let server = requiring(VERIFIER).await;
    let evidence = format!("good|{}", nonce(&server).await);
    let client = server.register(&showing(&evidence)).await;
    assert_eq!(client.body["client_name"], "affirming");
    assert_eq!(client.body.get("evidence"), None);
    assert!(!server.read(&client).await.text.contains("good|"));
    let provenance = server.provenance(&client).await;
    assert_eq!(provenance["trust_level"], "attested");
    assert!(provenance.to_string().contains("tests") && !provenance.to_string().contains("good|"));

    let again = server.post(&showing(&evidence)).await;
    assert_eq!(again.status, 400, "{}", again.text);
    stale(&server.post(&showing("good|made-up-nonce")).await);
    let late = format!("good|{}", nonce(&server).await);
    server.clock.advance(151);
    stale(&server.post(&showing(&late)).await);
}

#[tokio::test]
async fn evidence_that_is_not_good_registers_nobody() {
    let server = requiring(VERIFIER).await;
    server.post(&showing("bad|x")).await.expect_bad_metadata("evidence");
    for evidence in [json!(5), json!(["x"]), json!({})] {
        server.post(&with(minimal(), json!({"evidence": evidence}))).await.expect_bad_metadata("evidence");
    }
    let long = server.post(&showing(&"x".repeat(70_000))).await;
    assert!([400, 413].contains(&long.status), "{}", long.text);
    server.expect_empty().await;
}

#[tokio::test]
async fn evidence_that_nobody_appraises_proves_nothing() {
    let required = TestServer::registering(json!({"dcrAttestationEvidenceRequired": true})).await;
    let refused = required.post(&showing("e")).await;
    assert!(refused.status >= 400, "{}", refused.text);
    let open = TestServer::new().await;
    let client = open.register(&showing("secret-evidence")).await;
    assert!(!open.read(&client).await.text.contains("secret-evidence"));
    assert_eq!(open.provenance(&client).await["trust_level"], "open");
    // K180: none is sent where none is required.
    open.register(&minimal()).await;
}

#[tokio::test]
async fn the_same_evidence_registers_one_client_even_where_no_nonce_is_looked_at() {
    let server = requiring("fn verifyEvidence(context) { true }").await;
    let client = server.register(&showing("e")).await;
    stale(&server.post(&showing("e")).await);
    server.delete(&client).await.expect_status(204);
    stale(&server.post(&showing("e")).await);
    // Of several at the same time one registers.
    let body = showing("another");
    let all = futures_util::future::join_all((0..8).map(|_| server.post(&body))).await;
    let count = |status: u16| all.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(400)), (1, 7));
}

/// The pattern of the seed: evidence is handled inside `createClient`.
const SEED: &str = r#"
    fn createClient(context) {
        let evidence = context.registerRequest.evidence;
        if evidence == () {
            context.createStaleEvidenceWebApplicationException(attestation::new_nonce());
            return false;
        }
        if !attestation::consume_nonce(context.evidence.claims.eat_nonce) { return false; }
        if context.registerRequest.getEvidence() != evidence { throw "two spellings of one thing"; }
        context.attestation = #{ verifier: "inside", sub: context.evidence.claims.sub };
        true
    }
"#;

#[tokio::test]
async fn evidence_may_be_handled_in_create_client_as_the_seed_does() {
    let device = Signer::new("device", Algorithm::Es256);
    let server = requiring(SEED).await;
    let nonce = nonce(&server).await;
    let evidence = device.token(json!({"eat_nonce": nonce, "sub": "one"}));
    let client = server.register(&showing(&evidence)).await;
    let provenance = server.provenance(&client).await;
    assert_eq!(provenance["trust_level"], "attested");
    assert_eq!(provenance["attestation_verifier"], "inside");
    let again = device.token(json!({"eat_nonce": nonce, "sub": "two"}));
    server.post(&showing(&again)).await.expect_error(400, &["invalid_client_metadata"]);
    let silent = requiring("fn createClient(context) { true }").await;
    silent.post(&showing("e")).await.expect_bad_metadata("evidence");
    silent.expect_empty().await;
}
