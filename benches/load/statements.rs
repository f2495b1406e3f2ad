//! Measures what a software statement adds to a registration, compared with one verification by OpenSSL
//! alone.

use std::sync::Arc;

use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer, Verifier};
use registrar::config::Configuration;
use registrar::testing::{Algorithm, Key};
use serde_json::{Map, Value, json};

use super::driver::Beside;

/// The measured algorithms of statements.
pub(crate) const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Es256,
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::EdDsa,
];

const ISSUER: &str = "https://directory.example.org";

/// A request with a statement, and the configuration of a server that trusts its issuer.
pub(crate) struct Case {
    pub(crate) body: String,
    /// The same client, registered without a statement.
    pub(crate) plain: String,
    live: Value,
}

impl Case {
    pub(crate) fn new(algorithm: Algorithm, body: &str) -> Self {
        let key = Key::generate(algorithm).expect("a key");
        let claims = json!({"iss": ISSUER, "iat": 1_700_000_000, "software_id": "4NRB1-0XZABZI9E6-5SM3R",
            "software_roles": ["AISP", "PISP"], "org_id": "0015800001041REAAY"});
        let statement = key.sign(&Map::new(), claims.as_object().expect("an object"));
        let mut request: Value = serde_json::from_str(body).expect("a request");
        let mut plain = request.clone();
        for name in ["software_id", "software_roles", "org_id"] {
            plain[name] = claims[name].clone();
        }
        request["software_statement"] = statement.expect("it signs").into();
        let jwks = json!({"keys": [key.public_jwk()]});
        let entry = json!({"id": "1", "type": "SSA", "issuers": [ISSUER], "jwks": jwks});
        let live = json!({"softwareStatementValidationType": "builtin", "dcrSsaValidationConfigs": [entry]});
        Self {
            body: request.to_string(),
            plain: plain.to_string(),
            live,
        }
    }

    /// Adds the issuer to the configuration.
    pub(crate) fn configure(&self, configuration: &mut Configuration) {
        let mut live = serde_json::to_value(&configuration.live).expect("JSON");
        let registration = live["registration"].as_object_mut().expect("an object");
        registration.extend(self.live.as_object().expect("an object").clone());
        configuration.live = serde_json::from_value(live).expect("a configuration");
    }
}

/// Returns a verification by OpenSSL alone, of a signature over about as many bytes.
pub(crate) fn bare_verification(algorithm: Algorithm) -> Beside {
    let key = key(algorithm);
    let text = vec![b'x'; 400];
    let mut signer = match digest(algorithm) {
        Some(digest) => Signer::new(digest, &key),
        None => Signer::new_without_digest(&key),
    }
    .expect("a signer");
    if algorithm == Algorithm::Ps256 {
        signer
            .set_rsa_padding(Padding::PKCS1_PSS)
            .expect("the padding");
        signer
            .set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)
            .expect("the length");
    }
    let signature = signer.sign_oneshot_to_vec(&text).expect("a signature");
    Arc::new(move || {
        let mut verifier = match digest(algorithm) {
            Some(digest) => Verifier::new(digest, &key),
            None => Verifier::new_without_digest(&key),
        }
        .expect("a verifier");
        if algorithm == Algorithm::Ps256 {
            verifier
                .set_rsa_padding(Padding::PKCS1_PSS)
                .expect("the padding");
            verifier
                .set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)
                .expect("the length");
        }
        assert!(
            verifier
                .verify_oneshot(&signature, &text)
                .expect("it verifies")
        );
    })
}

fn digest(algorithm: Algorithm) -> Option<MessageDigest> {
    (algorithm != Algorithm::EdDsa).then(MessageDigest::sha256)
}

fn key(algorithm: Algorithm) -> PKey<Private> {
    match algorithm {
        Algorithm::Es256 => {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("the curve");
            PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
        }
        Algorithm::EdDsa => PKey::generate_ed25519().expect("a key"),
        _ => PKey::from_rsa(Rsa::generate(2_048).expect("a key")).expect("a key"),
    }
}
