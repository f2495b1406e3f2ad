//! The client's keys (RFC 7591 section 2, OpenID Connect Dynamic Client Registration section 2).

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
    if metadata.has("jwks") || metadata.has("jwks_uri") {
        return;
    }
    for algorithm in ALGORITHMS {
        let Some(alg) = metadata.text(algorithm.member) else { continue };
        let is_supported = (algorithm.supported)(cx.settings).iter().any(|one| one == alg);
        if is_supported && !is_symmetric(alg) && needs_keys(algorithm.member, algorithm.purpose, alg) {
            let rule = format!("{alg} needs the client's public keys: send jwks_uri or jwks");
            found.push(violation(algorithm.member, rule));
        }
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
