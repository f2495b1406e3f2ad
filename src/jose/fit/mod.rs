//! What a public key can be used for. Both the verification of signatures and the checks of client
//! metadata ask only this module.
//!
//! The answer follows from `kty` and `crv` (RFC 7518 sections 3.1, 4.1 and 6, RFC 8037, RFC 8812,
//! RFC 9864), and from the key's own `alg`, `use` and `key_ops` (RFC 7517 section 4). `jwks/key.rs`
//! checks whether its numbers form a valid key.

use serde_json::{Map, Value};

use crate::jose::text;

/// What another party's public key is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyTask {
    /// To verify signatures of its owner.
    Verify,
    /// To encrypt to its owner.
    Encrypt,
}

/// A type of key, and the algorithms that it can be used with.
struct KeyType {
    kty: &'static str,
    /// Empty if the type has no curves.
    crv: &'static str,
    verifies: &'static [&'static str],
    encrypts: &'static [&'static str],
}

const fn kind(
    kty: &'static str,
    crv: &'static str,
    verifies: &'static [&'static str],
    encrypts: &'static [&'static str],
) -> KeyType {
    KeyType {
        kty,
        crv,
        verifies,
        encrypts,
    }
}

const RSA_SIGNATURES: &[&str] = &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const RSA_ENCRYPTIONS: &[&str] = &[
    "RSA1_5",
    "RSA-OAEP",
    "RSA-OAEP-256",
    "RSA-OAEP-384",
    "RSA-OAEP-512",
];
const ECDH: &[&str] = &[
    "ECDH-ES",
    "ECDH-ES+A128KW",
    "ECDH-ES+A192KW",
    "ECDH-ES+A256KW",
];
const ML_DSA: &[&str] = &["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"];

/// All known types of keys. secp256k1 is only for ES256K (RFC 8812 section 3.1).
const KINDS: &[KeyType] = &[
    kind("RSA", "", RSA_SIGNATURES, RSA_ENCRYPTIONS),
    kind("EC", "P-256", &["ES256"], ECDH),
    kind("EC", "P-384", &["ES384"], ECDH),
    kind("EC", "P-521", &["ES512"], ECDH),
    kind("EC", "secp256k1", &["ES256K"], &[]),
    kind("OKP", "Ed25519", &["EdDSA", "Ed25519"], &[]),
    kind("OKP", "Ed448", &["EdDSA", "Ed448"], &[]),
    kind("OKP", "X25519", &[], ECDH),
    kind("OKP", "X448", &[], ECDH),
    kind("AKP", "", ML_DSA, &[]),
];

/// Algorithms that do not use a public key: their key is a secret, or they have none.
const KEYLESS: &[&str] = &[
    "none",
    "HS256",
    "HS384",
    "HS512",
    "dir",
    "A128KW",
    "A192KW",
    "A256KW",
    "A128GCMKW",
    "A192GCMKW",
    "A256GCMKW",
    "PBES2-HS256+A128KW",
    "PBES2-HS384+A192KW",
    "PBES2-HS512+A256KW",
];

/// Whether the public key `jwk` can do `work` with `alg`.
///
/// For an unknown algorithm, the type of the key is not considered, and its own members decide. The
/// operator may list algorithms that only the upstream authorization server supports.
pub(crate) fn can(jwk: &Map<String, Value>, work: KeyTask, alg: &str) -> bool {
    let kind = kind_of(jwk);
    let is_of_kind = kind.is_some_and(|kind| kind.algorithms(work).contains(&alg));
    (is_of_kind || !is_known(alg)) && is_bound(jwk, kind, alg) && is_for(jwk, work)
}

/// Whether one of the keys in the JWK Set `set` can do `work` with `alg`.
pub(crate) fn set_can(set: &Value, work: KeyTask, alg: &str) -> bool {
    let Some(Value::Array(keys)) = set.get("keys") else {
        return false;
    };
    let can = |key: &Value| matches!(key, Value::Object(key) if can(key, work, alg));
    keys.iter().any(can)
}

/// Whether a certificate can contain the key `jwk`, with which a client authenticates in TLS: the
/// key must be able to create signatures.
pub(crate) fn has_certificates(jwk: &Value) -> bool {
    let kind = jwk.as_object().and_then(kind_of);
    kind.is_some_and(|kind| !kind.verifies.is_empty())
}

/// Whether the `alg` of `jwk` fits its type and curve, as far as the algorithm is known.
pub(super) fn is_consistent(jwk: &Map<String, Value>) -> bool {
    let (Some(alg), Some(kind)) = (text(jwk, "alg"), kind_of(jwk)) else {
        return true;
    };
    !is_known(alg) || kind.verifies.contains(&alg) || kind.encrypts.contains(&alg)
}

impl KeyType {
    const fn algorithms(&self, work: KeyTask) -> &'static [&'static str] {
        match work {
            KeyTask::Verify => self.verifies,
            KeyTask::Encrypt => self.encrypts,
        }
    }
}

fn kind_of(jwk: &Map<String, Value>) -> Option<&'static KeyType> {
    let (kty, crv) = (text(jwk, "kty")?, text(jwk, "crv"));
    KINDS
        .iter()
        .find(|kind| kind.kty == kty && (kind.crv.is_empty() || crv == Some(kind.crv)))
}

fn is_known(alg: &str) -> bool {
    KEYLESS.contains(&alg)
        || KINDS
            .iter()
            .any(|one| one.verifies.contains(&alg) || one.encrypts.contains(&alg))
}

/// RFC 7517 section 4.4: a key that names an algorithm is only for that algorithm (RFC 8725 section
/// 3.1). The two names of one algorithm on an Edwards curve are equivalent.
fn is_bound(jwk: &Map<String, Value>, kind: Option<&KeyType>, alg: &str) -> bool {
    let Some(bound) = jwk.get("alg") else {
        return true;
    };
    let Some(bound) = bound.as_str() else {
        return false;
    };
    let edwards = match kind {
        Some(kind) if kind.kty == "OKP" => kind.verifies,
        _ => &[],
    };
    bound == alg || (edwards.contains(&bound) && edwards.contains(&alg))
}

/// RFC 7517 sections 4.2 and 4.3. A key without `use` and `key_ops` is for everything. The public
/// half of a key-agreement key has no operations of its own (Web Cryptography exports it with
/// none).
fn is_for(jwk: &Map<String, Value>, work: KeyTask) -> bool {
    let (usage, operations): (&str, &[&str]) = match work {
        KeyTask::Verify => ("sig", &["verify"]),
        KeyTask::Encrypt => ("enc", &["encrypt", "wrapKey", "deriveKey", "deriveBits"]),
    };
    if jwk.get("use").is_some_and(|value| value != usage) {
        return false;
    }
    let Some(named) = jwk.get("key_ops") else {
        return true;
    };
    match named {
        Value::Array(named) if named.is_empty() => {
            work == KeyTask::Encrypt && text(jwk, "kty") != Some("RSA")
        }
        Value::Array(named) => named
            .iter()
            .any(|one| matches!(one, Value::String(one) if operations.contains(&one.as_str()))),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
