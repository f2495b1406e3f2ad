//! What challenges cost those who need none: nonces are made at the same time as clients.

use registrar::config::Configuration;
use registrar::config::trust::ClientAttester;
use registrar::jose::{Algorithm, SigningKey};
use serde_json::json;

/// Nonces that may be out: more than a run makes, so that none is refused.
const NONCES: u64 = 1_000_000_000;

/// Gives challenges to everybody who asks.
pub(crate) fn configure(configuration: &mut Configuration) {
    let key = SigningKey::generate(Algorithm::Es256).expect("a key");
    let attester = json!({"issuer": "https://attester.example.org", "jwks": {"keys": [key.public_jwk()]}});
    let attester: ClientAttester = serde_json::from_value(attester).expect("an attester");
    configuration.live.registration.trusted_client_attesters = vec![attester];
    configuration.settings.limits.evidence_nonces = NONCES;
}
