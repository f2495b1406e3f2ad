//! The client's keys (RFC 7591 section 2, OpenID Connect Dynamic Client Registration section 2).

use serde_json::Value;

use super::Rules;
use super::algorithms::{ALGORITHMS, Purpose, is_symmetric};
use super::report::{is_faulted, violation};
use crate::client::Metadata;
use crate::jose::jwks;
use crate::model::Violation;

/// Keys are there once, public and strong, and wherever an algorithm needs them.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    if metadata.has("jwks") && metadata.has("jwks_uri") {
        found.push(violation(
            "jwks",
            "must not be there together with jwks_uri; keep jwks_uri, so that keys can rotate",
        ));
    }
    if let Some(set) = metadata.get("jwks").filter(|_| !is_faulted(found, "jwks"))
        && let Err(rule) = jwks::check_public(set, cx.limits.jwks_keys)
    {
        found.push(violation("jwks", rule));
    }
    // What is behind jwks_uri changes without us.
    if metadata.has("jwks_uri") || is_faulted(found, "jwks") {
        return;
    }
    for algorithm in ALGORITHMS {
        let Some(alg) = metadata.text(algorithm.member) else { continue };
        let is_supported = (algorithm.supported)(cx.settings).iter().any(|one| one == alg);
        if is_supported && !is_symmetric(alg) && needs_keys(algorithm.member, algorithm.purpose, alg) {
            let rule = key_fault(metadata.get("jwks"), algorithm.purpose, alg);
            found.extend(rule.map(|rule| violation(algorithm.member, rule)));
        }
    }
}

fn key_fault(set: Option<&Value>, purpose: Purpose, alg: &str) -> Option<String> {
    let Some(set) = set else {
        return Some(format!("{alg} needs the client's public keys: send jwks_uri or jwks"));
    };
    let usage = if purpose == Purpose::Signature { "sig" } else { "enc" };
    let has_one = keys(set).any(|key| is_for(key, usage) && can_be_used(key, alg));
    (!has_one).then(|| {
        format!("{alg} needs a key in jwks that it can be used with, whose `use` is {usage} or absent")
    })
}

/// Whether one of the keys in `set` may verify what the client signs.
pub(super) fn can_verify(set: &Value) -> bool {
    keys(set).any(|key| is_for(key, "sig"))
}

fn keys(set: &Value) -> impl Iterator<Item = &Value> {
    set.get("keys").and_then(Value::as_array).into_iter().flatten()
}

/// RFC 7517 section 4.2: without `use`, a key is for both.
fn is_for(key: &Value, usage: &str) -> bool {
    key.get("use").is_none_or(|found| found == usage)
}

/// RFC 7518 sections 3.1 and 4.1, RFC 8037, RFC 8812. What no rule is known for may be used.
fn can_be_used(key: &Value, alg: &str) -> bool {
    let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default();
    match (text("kty"), text("crv")) {
        _ if !["RS", "PS", "ES", "ECDH-ES", "Ed"].iter().any(|family| alg.starts_with(family)) => true,
        ("RSA", _) => alg.starts_with("RS") || alg.starts_with("PS"),
        ("EC", _) if alg.starts_with("ECDH-ES") => true,
        ("EC", "P-256") => alg == "ES256",
        ("EC", "P-384") => alg == "ES384",
        ("EC", "P-521") => alg == "ES512",
        ("EC", "secp256k1") => alg == "ES256K",
        ("OKP", "X25519" | "X448") => alg.starts_with("ECDH-ES"),
        ("OKP", curve) => alg == "EdDSA" || alg == curve,
        _ => false,
    }
}

/// Whether it is the client's key that `alg` uses: to encrypt to it, or to verify what it signs.
fn needs_keys(member: &str, purpose: Purpose, alg: &str) -> bool {
    let signed_by_client = ["request_object_signing_alg", "backchannel_authentication_request_signing_alg"];
    match purpose {
        // What the client encrypts is encrypted to the server's key.
        Purpose::KeyManagement => member != "request_object_encryption_alg",
        Purpose::Signature => signed_by_client.contains(&member) && alg != "none",
        Purpose::Content => false,
    }
}
