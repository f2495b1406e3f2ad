//! The thumbprint of a public key (RFC 7638, RFC 8037 section 2), which identifies it regardless of
//! its other members.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// Returns the SHA-256 thumbprint of `jwk` in base64url, or `None` if it is not a public key of a
/// known type.
///
/// A private key has the thumbprint of its public half. A symmetric key has no thumbprint here,
/// since that would be a hash of the secret.
pub(crate) fn thumbprint(jwk: &Value) -> Option<String> {
    // Each list is in the order of RFC 7638 section 3.3.
    let names: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let mut members = Map::new();
    for name in names {
        let value = jwk.get(*name)?.as_str()?;
        members.insert((*name).to_owned(), value.into());
    }
    let digest = openssl::sha::sha256(Value::Object(members).to_string().as_bytes());
    Some(URL_SAFE_NO_PAD.encode(digest))
}

/// Whether both are the same public key.
pub(crate) fn same_key(one: &Value, other: &Value) -> bool {
    match thumbprint(one) {
        Some(print) => thumbprint(other) == Some(print),
        None => false,
    }
}

/// Whether the JWK Set `jwks` contains the key `jwk`.
pub(crate) fn key_is_in(jwk: &Value, jwks: &Value) -> bool {
    match jwks.get("keys") {
        Some(Value::Array(keys)) => keys.iter().any(|key| same_key(jwk, key)),
        _ => false,
    }
}
