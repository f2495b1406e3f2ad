//! Tokens of other libraries verify here, and our tokens verify there.
//!
//! `tests/fixtures/jose/` has the tokens and the scripts that create and verify them.
//! `.ci/jose.sh` has both other libraries verify new tokens of ours.

use serde_json::{Map, Value, json};

use crate::base::{Secret, Timestamp};
use crate::jose::{Algorithm, Compact, Expectations, KeySet, SigningKey, sign, verify};

const SECRET: &str = "a-secret-for-tests-only-that-is-long-enough-for-each-of-the-hashes";

/// Verifies every token in `file`. They must come from `maker` and cover at least `algorithms`.
fn check(file: &str, maker: &str, algorithms: &[Algorithm]) {
    let cases: Vec<Value> = serde_json::from_str(file).unwrap();
    let mut seen = Vec::new();
    for case in &cases {
        let name = case["alg"].as_str().unwrap();
        let algorithm = Algorithm::parse(name).unwrap();
        let keys = match case["secret"].as_str() {
            Some(secret) => KeySet::from_secret(&Secret::new(secret.to_owned())),
            None => KeySet::parse(&json!({"keys": [case["jwk"]]}), 1),
        };
        let token = Compact::parse(case["token"].as_str().unwrap()).unwrap();
        let expected = Expectations {
            algorithms: &[algorithm],
            issuer: Some("https://issuer.example"),
            ..Expectations::default()
        };
        let claims = verify(
            &token,
            &keys.unwrap(),
            &expected,
            Timestamp::from_unix(1_700_000_000),
        );
        assert_eq!(
            claims.expect(name).text("software_id"),
            Some(maker),
            "{name}"
        );
        seen.push(algorithm);
    }
    assert!(
        algorithms.iter().all(|algorithm| seen.contains(algorithm)),
        "tokens are missing: {seen:?}"
    );
}

#[test]
fn tokens_of_joserfc_verify() {
    check(
        include_str!("../../../tests/fixtures/jose/python.json"),
        "made-by-joserfc",
        Algorithm::ALL,
    );
}

#[test]
fn tokens_of_node_jose_verify() {
    // The package supports neither of the two.
    let has = |algorithm: &&Algorithm| !matches!(algorithm, Algorithm::Es256k | Algorithm::Ed448);
    let known: Vec<Algorithm> = Algorithm::ALL.iter().filter(has).copied().collect();
    check(
        include_str!("../../../tests/fixtures/jose/node.json"),
        "made-by-node-jose",
        &known,
    );
}

#[test]
fn our_stored_tokens_still_verify() {
    check(
        include_str!("../../../tests/fixtures/jose/ours.json"),
        "made-by-registrar",
        Algorithm::ALL,
    );
}

/// Writes its tokens to the file that `JOSE_TOKENS` names, for the other libraries.
#[test]
fn our_tokens_verify() {
    let cases: Vec<Value> = Algorithm::ALL
        .iter()
        .map(|algorithm| case(*algorithm))
        .collect();
    let text = serde_json::to_string_pretty(&cases).unwrap() + "\n";
    check(&text, "made-by-registrar", Algorithm::ALL);
    if let Some(path) = std::env::var_os("JOSE_TOKENS") {
        std::fs::write(path, text).unwrap();
    }
}

fn case(algorithm: Algorithm) -> Value {
    let secret = Secret::new(SECRET.to_owned());
    let key = if algorithm.is_symmetric() {
        SigningKey::from_secret(&secret, algorithm)
    } else {
        SigningKey::generate(algorithm)
    };
    let key = key.unwrap();
    let claims = json!({"iss": "https://issuer.example", "software_id": "made-by-registrar", "iat": 1_700_000_000});
    let token = sign(&Map::new(), claims.as_object().unwrap(), &key).unwrap();
    match key.public_jwk() {
        Some(jwk) => json!({"alg": algorithm.as_str(), "jwk": jwk, "token": token}),
        None => json!({"alg": algorithm.as_str(), "secret": SECRET, "token": token}),
    }
}
