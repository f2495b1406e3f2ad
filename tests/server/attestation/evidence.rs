//! Evidence in a request and its appraisal.

use registrar::testing::Algorithm;
use serde_json::json;

use super::{VERIFIER, nonce, requiring, showing, stale};
use crate::support::{Signer, TestServer, minimal, with};
use crate::trial::{step, tried};

#[tokio::test]
async fn evidence_is_valid_once_for_its_nonce_and_never_disclosed() {
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
async fn invalid_evidence_is_rejected() {
    let server = requiring(VERIFIER).await;
    server
        .post(&showing("bad|x"))
        .await
        .expect_bad_metadata("evidence");
    for evidence in [json!(5), json!(["x"]), json!({})] {
        server
            .post(&with(minimal(), json!({"evidence": evidence})))
            .await
            .expect_bad_metadata("evidence");
    }
    let long = server.post(&showing(&"x".repeat(70_000))).await;
    assert!([400, 413].contains(&long.status), "{}", long.text);
    server.expect_empty().await;
}

#[tokio::test]
async fn evidence_that_is_not_appraised_proves_nothing() {
    let required = TestServer::registering(json!({"dcrAttestationEvidenceRequired": true})).await;
    let refused = required.post(&showing("e")).await;
    assert!(refused.status >= 400, "{}", refused.text);
    let open = TestServer::new().await;
    let client = open.register(&showing("secret-evidence")).await;
    assert!(!open.read(&client).await.text.contains("secret-evidence"));
    assert_eq!(open.provenance(&client).await["trust_level"], "open");
    // Evidence is optional if it is not required.
    open.register(&minimal()).await;
}

#[tokio::test]
async fn the_same_evidence_registers_one_client_even_if_no_nonce_is_checked() {
    let server = requiring("fn verifyEvidence(context) { true }").await;
    let client = server.register(&showing("e")).await;
    stale(&server.post(&showing("e")).await);
    server.delete(&client).await.expect_status(204);
    stale(&server.post(&showing("e")).await);
    // Of several simultaneous requests, one registers a client.
    let body = showing("another");
    let all = futures_util::future::join_all((0..8).map(|_| server.post(&body))).await;
    let count = |status: u16| all.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(400)), (1, 7));
}

/// Janssen's pattern: `createClient` handles the evidence.
const IN_CREATE_CLIENT: &str = r#"
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
async fn evidence_may_be_handled_in_create_client_as_in_janssen() {
    let device = Signer::new("device", Algorithm::Es256);
    let server = requiring(IN_CREATE_CLIENT).await;
    let nonce = nonce(&server).await;
    let evidence = device.token(json!({"eat_nonce": nonce, "sub": "one"}));
    let client = server.register(&showing(&evidence)).await;
    let provenance = server.provenance(&client).await;
    assert_eq!(provenance["trust_level"], "attested");
    assert_eq!(provenance["attestation_verifier"], "inside");
    let again = device.token(json!({"eat_nonce": nonce, "sub": "two"}));
    server
        .post(&showing(&again))
        .await
        .expect_error(400, &["invalid_client_metadata"]);
    let silent = requiring("fn createClient(context) { true }").await;
    silent
        .post(&showing("e"))
        .await
        .expect_bad_metadata("evidence");
    silent.expect_empty().await;
}

#[tokio::test]
async fn a_trial_appraises_evidence_and_its_nonce_stays_valid() {
    let server = requiring(VERIFIER).await;
    let evidence = format!("good|{}", nonce(&server).await);
    let input = json!({"body": showing(&evidence)});
    for _ in 0..2 {
        let judged = tried(&server, &input).await;
        assert_eq!(judged["answer"]["status"], 201, "{judged}");
        assert_eq!(step(&judged, "evidence")["verdict"], "passed");
        assert_eq!(judged["origins"]["client_name"], "script:10-verifier.rhai");
    }
    server.post(&showing(&evidence)).await.expect_status(201);

    let judged = tried(&server, &input).await;
    let answer = &judged["answer"];
    assert_eq!(answer["status"], 400, "{judged}");
    assert!(!judged["steps"].to_string().contains("good|"), "{judged}");
    // The nonce is gone, and nobody can tell it from one that never existed.
    let again = json!({"body": showing(&evidence), "repeated": true});
    let judged = tried(&server, &again).await;
    assert_eq!(judged["answer"]["body"]["error"], "stale_evidence");

    let judged = tried(&server, &json!({"body": showing("good|made-up-nonce")})).await;
    assert_eq!(judged["answer"]["body"]["error"], "stale_evidence");
    // The nonce of the answer exists in the trial only.
    let offered = judged["answer"]["body"]["nonce"].as_str().unwrap();
    stale(&server.post(&showing(&format!("good|{offered}"))).await);
}
