//! Attestation at registration: evidence in the request (draft-tschofenig-oauth-attested-dclient-reg),
//! appraised by a script or by a verifier with a real protocol, and client attestations in headers
//! (OAuth 2.0 Attestation-Based Client Authentication).

mod client_attestation;
mod evidence;
mod nonces;
mod outages;
mod results;
mod trustee;
mod updates;
mod veraison;
mod verifier;

use std::path::Path;

use registrar::config::Configuration;
use serde_json::{Value, json};

use crate::support::{Answer, TestServer, fetches_locally, minimal, registering, with};

/// Accepts evidence that ends in the nonce that the server issued.
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

/// Starts a server that requires evidence and appraises it with this script.
async fn requiring(script: &str) -> TestServer {
    TestServer::scripted(&[("10-verifier.rhai", script)], |configuration| {
        be_patient(configuration);
        registering(
            configuration,
            json!({"dcrAttestationEvidenceRequired": true}),
        );
    })
    .await
}

/// Gives scripts enough time that tests pass on a slow machine.
fn be_patient(configuration: &mut Configuration) {
    configuration.settings.scripts.limits.deadline_ms = 10_000;
}

/// Starts a server that requires evidence, with the scripts of an example and its settings in
/// `[scripts.attributes]` under `name`.
async fn running(example: &str, name: &str, settings: Value) -> TestServer {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/scripts")
        .join(example);
    TestServer::configured(|configuration| {
        configuration.settings.scripts.directory = directory;
        configuration
            .settings
            .scripts
            .attributes
            .insert(name.to_owned(), settings);
        fetches_locally(configuration);
        be_patient(configuration);
        registering(
            configuration,
            json!({"dcrAttestationEvidenceRequired": true}),
        );
    })
    .await
}

/// Returns the nonce in an answer that requires fresh evidence.
#[track_caller]
fn stale(answer: &Answer) -> String {
    answer.expect_error(400, &["stale_evidence"]);
    assert_eq!(answer.header("pragma"), "no-cache");
    assert_eq!(
        answer.body["error_description"],
        "The provided evidence is not current."
    );
    answer.body["nonce"].as_str().expect("a nonce").to_owned()
}

/// Obtains a nonce as a client does, with a first request.
async fn nonce(server: &TestServer) -> String {
    stale(&server.post(&minimal()).await)
}

/// Returns an ordinary request with evidence.
fn showing(evidence: &str) -> Value {
    with(minimal(), json!({"evidence": evidence}))
}
