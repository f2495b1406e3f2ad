//! Measures what challenges cost other requests: nonces are issued while clients register.

use registrar::config::ClientAttester;
use registrar::config::Configuration;
use registrar::testing::{Algorithm, Key};
use serde_json::json;

/// The maximum number of outstanding nonces: more than a run issues, so that none is rejected.
const NONCES: u64 = 1_000_000_000;

/// Enables challenges for all clients.
pub(crate) fn configure(configuration: &mut Configuration) {
    let key = Key::generate(Algorithm::Es256).expect("a key");
    let attester =
        json!({"issuer": "https://attester.example.org", "jwks": {"keys": [key.public_jwk()]}});
    let attester: ClientAttester = serde_json::from_value(attester).expect("an attester");
    configuration.live.registration.trusted_client_attesters = vec![attester];
    configuration.settings.limits.evidence_nonces = NONCES;
}
