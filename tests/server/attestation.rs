//! K168 to K180: attestation evidence at registration
//! (draft-tschofenig-oauth-attested-dclient-reg).

use serde_json::{Value, json};

use crate::support::{Answer, TestServer, b0, registering, with};

/// Evidence is good when it ends in the nonce that the server gave.
const VERIFIER: &str = r#"
    fn verifyEvidence(context) {
        let evidence = context.registerRequest.evidence;
        if evidence.starts_with("bad") { return false; }
        let nonce = evidence.split("|")[1];
        if !attestation::consume_nonce(nonce) {
            context.createStaleEvidenceWebApplicationException(attestation::new_nonce());
            return false;
        }
        #{ status: "affirming", verifier: "tests", policy: "one" }
    }
    fn createClient(context) {
        if context.attestation != () { context.client.client_name = context.attestation.status; }
        true
    }
"#;

async fn requiring(script: &str) -> TestServer {
    TestServer::scripted(&[("10-verifier.rhai", script)], |configuration| {
        registering(configuration, json!({"dcrAttestationEvidenceRequired": true}));
    })
    .await
}

fn stale(answer: &Answer) -> String {
    answer.expect_error(400, &["stale_evidence"]);
    assert_eq!(answer.header("pragma"), "no-cache");
    assert_eq!(answer.body["error_description"], "The provided evidence is not current.");
    answer.body["nonce"].as_str().expect("a nonce").to_owned()
}

fn showing(evidence: &str) -> Value {
    with(b0(), json!({"evidence": evidence}))
}

#[tokio::test]
async fn k168_k169_k170_a_first_request_gets_its_nonce() {
    let server = requiring(VERIFIER).await;
    let first = stale(&server.post(&json!({"client_name": "x"})).await);
    let second = stale(&server.post(&b0()).await);
    assert_ne!(first, second);
    for nonce in [first, second] {
        use base64::Engine;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(nonce).unwrap();
        assert!(bytes.len() >= 32);
    }
    // The administrator is there; nobody else was stored.
    assert_eq!(server.server().service().store.clients.count_all().await.unwrap(), 1);
}

#[tokio::test]
async fn k171_k172_evidence_is_good_once_for_its_nonce_and_never_told() {
    let server = requiring(VERIFIER).await;
    let evidence = format!("good|{}", stale(&server.post(&b0()).await));
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
    let late = format!("good|{}", stale(&server.post(&b0()).await));
    server.clock.advance(151);
    stale(&server.post(&showing(&late)).await);

    let update = with(b0(), json!({"client_id": client.id}));
    stale(&server.update(&client, &update).await);
    let fresh = format!("good|{}", stale(&server.post(&b0()).await));
    let update = with(showing(&fresh), json!({"client_id": client.id}));
    server.update(&client, &update).await.expect_status(200);
}

#[tokio::test]
async fn k173_k178_evidence_that_is_not_good_registers_nobody() {
    let server = requiring(VERIFIER).await;
    server.post(&showing("bad|x")).await.expect_bad_metadata("evidence");
    for evidence in [json!(5), json!(["x"]), json!({})] {
        server.post(&with(b0(), json!({"evidence": evidence}))).await.expect_bad_metadata("evidence");
    }
    let long = server.post(&showing(&"x".repeat(70_000))).await;
    assert!([400, 413].contains(&long.status), "{}", long.text);
    assert_eq!(server.server().service().store.clients.count_all().await.unwrap(), 1);
}

#[tokio::test]
async fn k177_a_verifier_that_is_down_is_an_outage() {
    let down = r#"fn verifyEvidence(context) { throw #{ status: 503, error: "temporarily_unavailable", error_description: "the verifier does not answer" } }"#;
    let answer = requiring(down).await.post(&showing("e")).await;
    answer.expect_error(503, &["temporarily_unavailable"]);
    assert!(!answer.header("retry-after").is_empty());
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
    open.register(&b0()).await;
}

#[tokio::test]
async fn k181_nonces_are_bounded_and_the_oldest_gives_way() {
    let server = TestServer::scripted(&[("10-verifier.rhai", VERIFIER)], |configuration| {
        registering(configuration, json!({"dcrAttestationEvidenceRequired": true}));
        configuration.settings.limits.evidence_nonces = 100;
    })
    .await;
    let mut limited = 0;
    for _ in 0..500 {
        let answer = server.post(&b0()).await;
        if answer.status == 429 {
            assert!(!answer.header("retry-after").is_empty());
            limited += 1;
        } else {
            stale(&answer);
        }
    }
    assert_eq!(limited, 400, "as many as there may be are out, and all of them are young");
    server.clock.advance(20);
    stale(&server.post(&b0()).await);
}

#[tokio::test]
async fn a_script_makes_the_nonce() {
    let script = r#"
        fn getEvidenceNonce(context) { "nonce-of-a-verifier" }
        fn verifyEvidence(context) { true }
    "#;
    let server = requiring(script).await;
    assert_eq!(stale(&server.post(&b0()).await), "nonce-of-a-verifier");
    let client = server.register(&showing("e")).await;
    assert_eq!(server.provenance(&client).await["trust_level"], "attested");
}
