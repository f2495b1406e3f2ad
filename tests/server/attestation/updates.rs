//! Evidence of an update: it replaces the registration (RFC 7592), so new evidence is required.

use serde_json::json;

use super::verifier::{Verifier, attested, result, unavailable};
use super::{VERIFIER, be_patient, nonce, requiring, showing, stale};
use crate::support::{Registered, TestServer, minimal, registering, with};

/// Asserts that the registered metadata of `client` is unchanged.
async fn expect_unchanged(server: &TestServer, client: &Registered) {
    let read = server.read(client).await;
    read.expect_status(200);
    assert_eq!(
        (read.header("etag"), &read.body["client_name"]),
        ("\"1\"", &client.body["client_name"])
    );
}

#[tokio::test]
async fn an_update_needs_its_own_evidence() {
    let server = requiring(VERIFIER).await;
    let evidence = format!("good|{}", nonce(&server).await);
    let client = server.register(&showing(&evidence)).await;
    let id = json!({"client_id": client.id});
    let without = stale(&server.update(&client, &with(minimal(), id.clone())).await);
    // The evidence of the registration is used up.
    stale(
        &server
            .update(&client, &with(showing(&evidence), id.clone()))
            .await,
    );
    server
        .update(&client, &with(showing("bad|x"), id.clone()))
        .await
        .expect_bad_metadata("evidence");
    expect_unchanged(&server, &client).await;

    // The nonce in the answer to a PUT is an ordinary nonce.
    let fresh = with(showing(&format!("good|{without}")), id);
    let updated = server.update(&client, &fresh).await;
    updated.expect_status(200);
    assert!(!updated.text.contains("good|"), "{}", updated.text);
    assert_eq!(server.provenance(&client).await["trust_level"], "attested");
    stale(&server.update(&client, &fresh).await);
    // Used evidence does not register another client either.
    stale(&server.post(&showing(&format!("good|{without}"))).await);
}

#[tokio::test]
async fn an_update_is_appraised_by_the_verifier() {
    let verifier = Verifier::new().await;
    let server = verifier.server(json!({})).await;
    let first = nonce(&server).await;
    verifier.says(&first, result(&first, json!({})));
    let client = server.register(&attested(&first)).await;
    let before = server.provenance(&client).await["attestation_digest"].clone();
    let update = async |nonce: &str, evidence: &str| {
        let more = json!({"client_id": client.id, "client_name": "K2", "evidence": evidence});
        server.update(&client, &with(attested(nonce), more)).await
    };
    let second = nonce(&server).await;
    verifier.says(
        &second,
        result(&second, json!({"ear.status": "contraindicated"})),
    );
    update(&second, "AAAA")
        .await
        .expect_bad_metadata("contraindicated");
    verifier.is("DOWN");
    server.clock.advance(61);
    let third = nonce(&server).await;
    unavailable(&update(&third, "AAAB").await);
    expect_unchanged(&server, &client).await;
    verifier.is("READY");
    let fourth = nonce(&server).await;
    let now = json!({"iat": server.now()});
    verifier.says(&fourth, with(result(&fourth, json!({})), now));
    update(&fourth, "AAAC").await.expect_status(200);
    let after = server.provenance(&client).await;
    assert_eq!(after["trust_level"], "attested");
    assert_ne!(
        after["attestation_digest"], before,
        "the digest is that of the evidence of this update"
    );
}

#[tokio::test]
async fn update_client_may_check_the_evidence() {
    let script = r#"
        fn createClient(context) { context.attestation = true; true }
        fn updateClient(context) {
            if context.registerRequest.evidence == "good" { context.attestation = #{ verifier: "inside" }; }
            true
        }
    "#;
    let server = requiring(script).await;
    let client = server.register(&showing("e")).await;
    let id = json!({"client_id": client.id});
    // A script that accepts the update may not have checked the evidence.
    server
        .update(&client, &with(showing("other"), id.clone()))
        .await
        .expect_bad_metadata("evidence");
    expect_unchanged(&server, &client).await;
    server
        .update(&client, &with(showing("good"), id))
        .await
        .expect_status(200);
    assert_eq!(
        server.provenance(&client).await["attestation_verifier"],
        "inside"
    );
}

#[tokio::test]
async fn an_update_without_optional_evidence_is_no_longer_attested() {
    let server = TestServer::scripted(&[("10-verifier.rhai", VERIFIER)], |configuration| {
        be_patient(configuration);
        registering(
            configuration,
            json!({"dcrAttestationEvidenceRequired": false}),
        );
    })
    .await;
    let nonce = stale(&server.post(&showing("good|x")).await);
    let client = server.register(&showing(&format!("good|{nonce}"))).await;
    assert_eq!(server.provenance(&client).await["trust_level"], "attested");
    server
        .update(&client, &with(minimal(), json!({"client_id": client.id})))
        .await
        .expect_status(200);
    let after = server.provenance(&client).await;
    assert_eq!(
        (&after["trust_level"], after.get("attestation_digest")),
        (&json!("open"), None)
    );
}
