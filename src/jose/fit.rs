//! What a public key can do: the one place that says so, for whoever verifies with a key and for
//! whoever judges whether a client's metadata can work.
//!
//! It follows from `kty` and `crv` (RFC 7518 sections 3.1, 4.1 and 6, RFC 8037, RFC 8812, RFC 9864),
//! and from what the key says of itself in `alg`, `use` and `key_ops` (RFC 7517 section 4). That its
//! numbers are a key at all is judged in `jwks/key.rs`.

use serde_json::{Map, Value};

/// What a public key of somebody else is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// To verify what its holder signed.
    Verify,
    /// To encrypt to its holder.
    Encrypt,
}

/// A kind of key, and the algorithms that it can be used with.
struct Kind {
    kty: &'static str,
    /// Empty where the type has no curves.
    crv: &'static str,
    verifies: &'static [&'static str],
    encrypts: &'static [&'static str],
}

const fn kind(
    kty: &'static str,
    crv: &'static str,
    verifies: &'static [&'static str],
    encrypts: &'static [&'static str],
) -> Kind {
    Kind { kty, crv, verifies, encrypts }
}

const RSA_SIGNATURES: &[&str] = &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const RSA_ENCRYPTIONS: &[&str] = &["RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512"];
const ECDH: &[&str] = &["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"];
const ML_DSA: &[&str] = &["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"];

/// Every kind of key that is known. secp256k1 is for ES256K alone (RFC 8812 section 3.1).
const KINDS: &[Kind] = &[
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

/// Algorithms that no public key can do: they are keyed with a secret, or with nothing.
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
/// Of an algorithm that is not known here nothing is said by the type of a key, so what the key says
/// of itself decides: the operator may list algorithms for a server that knows more than this one.
pub fn can(jwk: &Map<String, Value>, work: Work, alg: &str) -> bool {
    let kind = kind_of(jwk);
    let is_of_kind = kind.is_some_and(|kind| kind.algorithms(work).contains(&alg));
    (is_of_kind || !is_known(alg)) && is_bound(jwk, kind, alg) && is_for(jwk, work)
}

/// Whether one of the keys in the JWK Set `set` can do `work` with `alg`.
pub fn set_can(set: &Value, work: Work, alg: &str) -> bool {
    let keys = set.get("keys").and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(Value::as_object).any(|key| can(key, work, alg))
}

/// Whether a certificate can be for the key `jwk`, with which a client proves itself in TLS: whether it
/// makes signatures.
pub fn has_certificates(jwk: &Value) -> bool {
    jwk.as_object().and_then(kind_of).is_some_and(|kind| !kind.verifies.is_empty())
}

/// Whether the `alg` of `jwk` is one that a key of its type and curve can be used with, as far as that
/// is known.
pub(super) fn is_consistent(jwk: &Map<String, Value>) -> bool {
    let (Some(alg), Some(kind)) = (text(jwk, "alg"), kind_of(jwk)) else { return true };
    !is_known(alg) || kind.verifies.contains(&alg) || kind.encrypts.contains(&alg)
}

impl Kind {
    const fn algorithms(&self, work: Work) -> &'static [&'static str] {
        match work {
            Work::Verify => self.verifies,
            Work::Encrypt => self.encrypts,
        }
    }
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(Value::as_str)
}

fn kind_of(jwk: &Map<String, Value>) -> Option<&'static Kind> {
    let kty = text(jwk, "kty")?;
    KINDS.iter().find(|kind| kind.kty == kty && (kind.crv.is_empty() || text(jwk, "crv") == Some(kind.crv)))
}

fn is_known(alg: &str) -> bool {
    let of_keys = || KINDS.iter().any(|kind| kind.verifies.contains(&alg) || kind.encrypts.contains(&alg));
    KEYLESS.contains(&alg) || of_keys()
}

/// RFC 7517 section 4.4: a key that names an algorithm is for that one alone (RFC 8725 section 3.1).
/// The two names of one algorithm on one Edwards curve are the same binding.
fn is_bound(jwk: &Map<String, Value>, kind: Option<&Kind>, alg: &str) -> bool {
    let is_same = |bound: &str| {
        let edwards = kind.filter(|kind| kind.kty == "OKP").map(|kind| kind.verifies).unwrap_or_default();
        bound == alg || (edwards.contains(&bound) && edwards.contains(&alg))
    };
    jwk.get("alg").is_none_or(|bound| bound.as_str().is_some_and(is_same))
}

/// RFC 7517 sections 4.2 and 4.3. Without `use` and `key_ops` a key is for everything. The public half
/// of a key for a key agreement has no operations of its own (Web Cryptography exports it with none).
fn is_for(jwk: &Map<String, Value>, work: Work) -> bool {
    let (usage, operations): (&str, &[&str]) = match work {
        Work::Verify => ("sig", &["verify"]),
        Work::Encrypt => ("enc", &["encrypt", "wrapKey", "deriveKey", "deriveBits"]),
    };
    let by_use = jwk.get("use").is_none_or(|value| value.as_str() == Some(usage));
    let by_operations = jwk.get("key_ops").is_none_or(|value| {
        value.as_array().is_some_and(|named| {
            let is_agreement = work == Work::Encrypt && text(jwk, "kty") != Some("RSA");
            named.is_empty() && is_agreement
                || named.iter().filter_map(Value::as_str).any(|one| operations.contains(&one))
        })
    });
    by_use && by_operations
}

#[cfg(test)]
mod tests;
