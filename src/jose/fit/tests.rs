use serde_json::{Value, json};

use super::{
    ECDH, KEYLESS, KINDS, KeyTask, ML_DSA, RSA_ENCRYPTIONS, RSA_SIGNATURES, can, is_consistent,
};
use crate::jose::Algorithm;

fn all_algorithms() -> Vec<&'static str> {
    let of_kinds = KINDS
        .iter()
        .flat_map(|kind| kind.verifies.iter().chain(kind.encrypts));
    let mut all: Vec<&str> = of_kinds.chain(KEYLESS).copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Checks that `key` verifies and encrypts with exactly these of all algorithms.
#[track_caller]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a table reads better without borrows"
)]
fn check(key: Value, verifies: &[&str], encrypts: &[&str]) {
    let key = key.as_object().unwrap();
    for (work, expected) in [(KeyTask::Verify, verifies), (KeyTask::Encrypt, encrypts)] {
        for alg in all_algorithms() {
            assert_eq!(
                can(key, work, alg),
                expected.contains(&alg),
                "{key:?} {work:?} {alg}"
            );
        }
    }
}

#[test]
fn type_and_curve_decide_first() {
    check(json!({"kty": "RSA"}), RSA_SIGNATURES, RSA_ENCRYPTIONS);
    check(json!({"kty": "EC", "crv": "P-256"}), &["ES256"], ECDH);
    check(json!({"kty": "EC", "crv": "P-384"}), &["ES384"], ECDH);
    check(json!({"kty": "EC", "crv": "P-521"}), &["ES512"], ECDH);
    check(json!({"kty": "EC", "crv": "secp256k1"}), &["ES256K"], &[]);
    check(
        json!({"kty": "OKP", "crv": "Ed25519"}),
        &["EdDSA", "Ed25519"],
        &[],
    );
    check(
        json!({"kty": "OKP", "crv": "Ed448"}),
        &["EdDSA", "Ed448"],
        &[],
    );
    check(json!({"kty": "OKP", "crv": "X25519"}), &[], ECDH);
    check(json!({"kty": "OKP", "crv": "X448"}), &[], ECDH);
    check(json!({"kty": "AKP"}), ML_DSA, &[]);
    for none in [
        json!({}),
        json!({"kty": "oct"}),
        json!({"kty": "EC", "crv": "P-1"}),
        json!({"kty": "X"}),
    ] {
        check(none, &[], &[]);
    }
}

#[test]
fn the_algorithm_that_a_key_names_is_its_only_one() {
    check(json!({"kty": "RSA", "alg": "PS256"}), &["PS256"], &[]);
    check(json!({"kty": "RSA", "alg": "RSA-OAEP"}), &[], &["RSA-OAEP"]);
    check(
        json!({"kty": "EC", "crv": "P-256", "alg": "ECDH-ES"}),
        &[],
        &["ECDH-ES"],
    );
    check(
        json!({"kty": "EC", "crv": "P-256", "alg": "ES384"}),
        &[],
        &[],
    );
    for name in ["EdDSA", "Ed25519"] {
        check(
            json!({"kty": "OKP", "crv": "Ed25519", "alg": name}),
            &["EdDSA", "Ed25519"],
            &[],
        );
    }
    check(
        json!({"kty": "OKP", "crv": "Ed25519", "alg": "Ed448"}),
        &[],
        &[],
    );
    check(
        json!({"kty": "AKP", "alg": "ML-DSA-65"}),
        &["ML-DSA-65"],
        &[],
    );
    check(json!({"kty": "RSA", "alg": "HS256"}), &[], &[]);
    check(json!({"kty": "RSA", "alg": 5}), &[], &[]);
}

#[test]
fn use_and_operations_restrict_a_key() {
    let p256 = |more: Value| {
        let mut key = json!({"kty": "EC", "crv": "P-256"});
        key.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        key
    };
    check(p256(json!({"use": "sig"})), &["ES256"], &[]);
    check(p256(json!({"use": "enc"})), &[], ECDH);
    check(p256(json!({"use": "tls"})), &[], &[]);
    check(p256(json!({"key_ops": ["verify"]})), &["ES256"], &[]);
    check(
        p256(json!({"key_ops": ["sign", "verify"]})),
        &["ES256"],
        &[],
    );
    check(p256(json!({"key_ops": ["sign"]})), &[], &[]);
    check(p256(json!({"key_ops": ["deriveBits"]})), &[], ECDH);
    check(p256(json!({"key_ops": []})), &[], ECDH);
    check(p256(json!({"key_ops": "verify"})), &[], &[]);
    check(
        p256(json!({"use": "sig", "key_ops": ["deriveKey"]})),
        &[],
        &[],
    );
    check(
        json!({"kty": "RSA", "key_ops": ["wrapKey"]}),
        &[],
        RSA_ENCRYPTIONS,
    );
    check(json!({"kty": "RSA", "key_ops": []}), &[], &[]);
}

#[test]
fn for_an_unknown_algorithm_the_key_decides() {
    let can = |key: Value| can(key.as_object().unwrap(), KeyTask::Encrypt, "HPKE-0");
    assert!(can(json!({"kty": "EC", "crv": "P-256"})));
    assert!(can(json!({"kty": "NEW", "alg": "HPKE-0", "use": "enc"})));
    assert!(!can(json!({"kty": "EC", "crv": "P-256", "alg": "ECDH-ES"})));
    assert!(!can(json!({"kty": "EC", "crv": "P-256", "use": "sig"})));
}

#[test]
fn the_algorithm_of_a_key_must_fit_its_type() {
    let check = |key: Value, expected| {
        assert_eq!(is_consistent(key.as_object().unwrap()), expected, "{key}");
    };
    check(json!({"kty": "EC", "crv": "P-256", "alg": "ES256"}), true);
    check(json!({"kty": "EC", "crv": "P-256", "alg": "ES384"}), false);
    check(
        json!({"kty": "OKP", "crv": "X25519", "alg": "EdDSA"}),
        false,
    );
    check(
        json!({"kty": "OKP", "crv": "Ed25519", "alg": "ECDH-ES"}),
        false,
    );
    check(json!({"kty": "RSA", "alg": "HS256"}), false);
    check(json!({"kty": "EC", "crv": "P-256", "alg": "HPKE-0"}), true);
    check(json!({"kty": "NEW", "alg": "ES256"}), true);
}

#[test]
fn every_supported_algorithm_has_a_key_type() {
    for algorithm in Algorithm::ALL {
        let has_key = KINDS
            .iter()
            .any(|kind| kind.verifies.contains(&algorithm.as_str()));
        assert_eq!(has_key, !algorithm.is_symmetric(), "{algorithm}");
        assert_eq!(
            KEYLESS.contains(&algorithm.as_str()),
            algorithm.is_symmetric(),
            "{algorithm}"
        );
    }
}
