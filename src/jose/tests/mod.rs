//! One helper for all tests of tokens.

mod claims;
mod interop;
mod keys;
mod kinds;
mod signing;
mod tokens;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::base::Timestamp;
use crate::jose::{
    Algorithm, Compact, Expectations, JwsError, KeySet, SigningKey, TypRule, sign::sign_bytes,
    verify,
};

/// The current time of all tests.
const NOW: u64 = 1_700_000_000;

static EC: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap());
static RSA: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap());
static EC_SET: LazyLock<KeySet> = LazyLock::new(|| set(&[EC.public_jwk().unwrap()]));
static RSA_SET: LazyLock<KeySet> = LazyLock::new(|| set(&[RSA.public_jwk().unwrap()]));

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(&json!({ "keys": keys }), 100).unwrap()
}

/// Returns a token with this header and these claims.
fn token(header: &Value, claims: &Value, key: &SigningKey) -> String {
    sign_bytes(
        header.to_string().as_bytes(),
        claims.to_string().as_bytes(),
        key,
    )
    .unwrap()
}

/// Returns a valid token with `more` in its header.
fn with_header(more: Value) -> String {
    token(
        &merged(json!({"alg": "ES256", "kid": EC.kid()}), more),
        &json!({"iss": "https://i.example"}),
        &EC,
    )
}

/// Returns a valid token with `more` in its claims.
fn with_claims(more: Value) -> String {
    token(
        &json!({"alg": "ES256", "kid": EC.kid()}),
        &merged(json!({"iss": "https://i.example"}), more),
        &EC,
    )
}

/// Returns `base` with the members of `more`. A `null` removes a member.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a table reads better without borrows"
)]
fn merged(mut base: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        base[name] = value.clone();
    }
    base.as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    base
}

/// Verifies `text`. `result` is `Ok`, or the type of the error and words of its text.
fn check(text: &str, keys: &KeySet, expected: &Expectations<'_>, result: Result<(), (&str, &str)>) {
    let verified = Compact::parse(text)
        .and_then(|token| verify(&token, keys, expected, Timestamp::from_unix(NOW)));
    match (verified, result) {
        (Ok(claims), Ok(())) => assert_eq!(claims.text("iss"), Some("https://i.example")),
        (Err(error), Err((kind, words))) => {
            let said = error.to_string();
            assert_eq!(kind_of(&error), kind, "{said}");
            assert!(said.contains(words), "'{said}' does not contain '{words}'");
            let is_printable = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
            assert!(
                said.chars().all(is_printable),
                "'{said}' cannot be an error_description"
            );
        }
        (verified, result) => panic!("{text}: {verified:?} is not {result:?}"),
    }
}

fn kind_of(error: &JwsError) -> &'static str {
    match error {
        JwsError::Malformed(_) => "malformed",
        JwsError::Algorithm(_) => "algorithm",
        JwsError::UnknownKey(_) => "unknown key",
        JwsError::Signature => "signature",
        JwsError::Claims(_) => "claims",
    }
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else {
        panic!("a test passes an object")
    };
    members
}
