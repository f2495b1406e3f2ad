//! Trust settings, and the errors in them.

use serde_json::{Value, json};

use crate::config::Registration;
use crate::jose::{Algorithm, SigningKey};
use crate::trust::Trust;

/// Returns settings with these properties on top of the defaults.
fn settings(properties: &Value) -> Registration {
    let mut all = serde_json::to_value(Registration::default()).unwrap();
    all.as_object_mut()
        .unwrap()
        .extend(properties.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

/// Checks all errors of these properties: each key, and words of its reason.
fn check(properties: &Value, expected: &[(&str, &str)]) {
    let faults = Trust::new(&settings(properties)).expect_err("it is rejected");
    assert_eq!(faults.len(), expected.len(), "{faults:?}");
    for ((key, reason), (wanted, words)) in faults.iter().zip(expected) {
        assert_eq!(key, &format!("registration.{wanted}"));
        assert!(reason.contains(words), "{reason} does not contain {words}");
    }
}

#[test]
fn keys_and_algorithms_are_parsed_with_the_configuration() {
    check(
        &json!({
            "softwareStatementSigningAlgValuesSupported": ["ES256", "none"],
            "dcrSigningAlgValuesSupported": ["es256"],
            "dcrSsaValidationConfigs": [
                {"id": "1", "type": "SSA", "issuers": ["a"], "jwks": {"keys": []}},
                {"id": "2", "type": "DCR", "issuers": ["b"], "jwks": "{jwks here}"},
                {"id": "3", "type": "DCR", "issuers": ["c"], "sharedSecret": "short", "algorithms": ["XS256"]},
            ],
            "dcrSignatureValidationJwks": "no JSON",
            "dcrSignatureValidationSharedSecret": "short",
        }),
        &[
            (
                "softwareStatementSigningAlgValuesSupported",
                "'none' is not a supported algorithm",
            ),
            (
                "dcrSigningAlgValuesSupported",
                "'es256' is not a supported algorithm",
            ),
            ("dcrSsaValidationConfigs[0].jwks", "at least one key"),
            ("dcrSsaValidationConfigs[1].jwks", "must be a JWK Set"),
            (
                "dcrSsaValidationConfigs[2].algorithms",
                "'XS256' is not a supported algorithm",
            ),
            ("dcrSsaValidationConfigs[2].sharedSecret", "32 bytes"),
            ("dcrSignatureValidationJwks", "must be a JWK Set"),
            ("dcrSignatureValidationSharedSecret", "32 bytes"),
        ],
    );
}

#[test]
fn an_entry_applies_to_its_own_issuers_and_type() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwks = json!({"keys": [key.public_jwk()]});
    let trust = Trust::new(&settings(&json!({
        "dcrSsaValidationConfigs": [
            {"id": "one", "type": "SSA", "issuers": ["a", "b"], "jwks": jwks.to_string(), "algorithms": ["ES256"]},
            {"id": "two", "type": "DCR", "issuers": ["a"], "jwksUri": "https://a.example/jwks"},
        ],
    })))
    .unwrap();
    let ids = |issuers: Vec<std::sync::Arc<super::Issuer>>| {
        issuers
            .iter()
            .map(|issuer| issuer.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(trust.statement_issuers("a")), ["one"]);
    assert_eq!(ids(trust.statement_issuers("b")), ["one"]);
    assert_eq!(ids(trust.request_issuers("a")), ["two"]);
    assert!(trust.request_issuers("b").is_empty());
    assert_eq!(
        trust.statement_issuers("a")[0].algorithms,
        [Algorithm::Es256]
    );
    assert_eq!(
        trust.request_issuers("a")[0].algorithms,
        trust.request_algorithms
    );
}
