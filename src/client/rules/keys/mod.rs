//! The client's keys (RFC 7591 section 2, OpenID Connect Dynamic Client Registration section 2).
//!
//! A client whose keys do not fit its other members would register, and then fail at each request.
//! Every rule that needs a key therefore calls [`fault`], which uses `jose::fit`. The contents of
//! `jwks_uri` can change at any time and are not checked.

use serde_json::Value;

use super::algorithms::{ALGORITHMS, AlgorithmMember, AlgorithmPurpose, KeyOf, is_symmetric};
use super::report::{is_faulted, violation};
use super::{Rules, methods, secret, urls};
use crate::base::Violation;
use crate::client::Metadata;
use crate::jose::fit::{self, KeyTask};
use crate::jose::jwks;

const SIGNED_REQUESTS: &str = "require_signed_request_object";

/// Removes everything from `jwks` that is not known to be public.
pub(super) fn keep_public(metadata: &mut Metadata) {
    if let Some(kept) = metadata.get("jwks").and_then(jwks::without_unknown) {
        metadata.set("jwks", kept);
    }
}

/// Checks that keys are given in only one way, that they are public and strong, and that every
/// algorithm that needs a key has one.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    if metadata.has("jwks") && metadata.has("jwks_uri") {
        found.push(violation(
            "jwks",
            "must not be sent together with jwks_uri; keep jwks_uri, so that keys can rotate",
        ));
    }
    if let Some(set) = metadata.get("jwks").filter(|_| !is_faulted(found, "jwks"))
        && let Err(rule) =
            jwks::check_public(set, cx.limits.jwks_keys).and_then(|()| check_links(cx, set))
    {
        found.push(violation("jwks", rule));
    }
    if is_faulted(found, "jwks") {
        return;
    }
    for algorithm in ALGORITHMS {
        if !is_faulted(found, algorithm.member) {
            let rule = member_fault(cx, metadata, algorithm);
            found.extend(rule.map(|rule| violation(algorithm.member, rule)));
        }
    }
    if !is_faulted(found, "request_object_signing_alg") {
        found.extend(requests_fault(cx, metadata).map(|rule| violation(SIGNED_REQUESTS, rule)));
    }
}

/// Returns what is wrong with the client's keys for the value of the member `algorithm`, if it has a
/// supported one.
fn member_fault(
    cx: &Rules<'_>,
    metadata: &Metadata,
    algorithm: &AlgorithmMember,
) -> Option<String> {
    let alg = metadata.text(algorithm.member)?;
    let supported = (algorithm.supported)(cx.settings);
    let is_shown = algorithm.member == methods::SIGNING && has_certificates(cx, metadata);
    if is_shown || !supported.iter().any(|one| one == alg) {
        return None;
    }
    algorithm_fault(metadata, algorithm, alg)
}

/// RFC 7517 section 4.6. This server never follows `x5u`, but the upstream authorization server
/// may.
fn check_links(cx: &Rules<'_>, set: &Value) -> Result<(), String> {
    for (index, key) in keys(set).enumerate() {
        let Some(link) = key.get("x5u") else { continue };
        let text = link
            .as_str()
            .ok_or_else(|| format!("keys[{index}] must have a string in `x5u`"))?;
        if let Some(rule) = urls::endpoint_fault(cx.fetch, text) {
            return Err(format!("keys[{index}] has an `x5u` that {rule}"));
        }
    }
    Ok(())
}

fn keys(set: &Value) -> impl Iterator<Item = &Value> {
    set.get("keys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Returns what is wrong with the client's keys if its member `algorithm` has the value `alg`.
pub(super) fn algorithm_fault(
    metadata: &Metadata,
    algorithm: &AlgorithmMember,
    alg: &str,
) -> Option<String> {
    let work = work_of(metadata, algorithm)?;
    (!is_symmetric(alg) && alg != "none")
        .then(|| fault(metadata, work, &[alg]))
        .flatten()
}

/// Returns what the member `algorithm` needs a key of the client for, or `None` if it needs none.
fn work_of(metadata: &Metadata, algorithm: &AlgorithmMember) -> Option<KeyTask> {
    // The algorithm of client assertions matters only with the method that uses it.
    let is_idle =
        algorithm.member == methods::SIGNING && !methods::uses(metadata, "private_key_jwt");
    match algorithm.purpose {
        _ if algorithm.key_of == KeyOf::Server || is_idle => None,
        AlgorithmPurpose::Signature => Some(KeyTask::Verify),
        AlgorithmPurpose::KeyManagement | AlgorithmPurpose::Content => Some(KeyTask::Encrypt),
    }
}

/// Whether the client presents the key of its assertions in a certificate and registers no keys.
/// Its verified software statement is trusted because of such a certificate.
fn has_certificates(cx: &Rules<'_>, metadata: &Metadata) -> bool {
    cx.is_certified && !metadata.has("jwks") && !metadata.has("jwks_uri")
}

/// Returns what is wrong with the client's keys if it authenticates by `method`.
pub(super) fn method_fault(cx: &Rules<'_>, metadata: &Metadata, method: &str) -> Option<String> {
    match method {
        "private_key_jwt" if has_certificates(cx, metadata) => None,
        // The rule of the algorithm's own member checks its value.
        "private_key_jwt" if metadata.has(methods::SIGNING) => {
            fault(metadata, KeyTask::Verify, &[])
        }
        "private_key_jwt" => {
            let supported = &cx.settings.token_endpoint_auth_signing_alg_values_supported;
            fault(metadata, KeyTask::Verify, &asymmetric(supported))
        }
        "self_signed_tls_client_auth" => fault(metadata, KeyTask::Verify, &[]).or_else(|| {
            let has_one = metadata
                .get("jwks")
                .is_none_or(|set| keys(set).any(fit::has_certificates));
            let rule =
                "needs a key in jwks that a certificate can contain: RSA, EC, Ed25519 or Ed448";
            (!has_one).then(|| rule.to_owned())
        }),
        _ => None,
    }
}

/// Returns what is wrong if all requests must be signed and no algorithm is named (RFC 9101 section
/// 10.5).
fn requests_fault(cx: &Rules<'_>, metadata: &Metadata) -> Option<String> {
    let alg = metadata.text("request_object_signing_alg");
    if !metadata.flag(SIGNED_REQUESTS) || alg.is_some() {
        return None;
    }
    let supported = &cx.settings.request_object_signing_alg_values_supported;
    let by_secret = secret::needs_secret(metadata) && supported.iter().any(|alg| is_symmetric(alg));
    (!by_secret)
        .then(|| fault(metadata, KeyTask::Verify, &asymmetric(supported)))
        .flatten()
}

fn asymmetric(supported: &[String]) -> Vec<&str> {
    supported
        .iter()
        .map(String::as_str)
        .filter(|alg| !is_symmetric(alg) && *alg != "none")
        .collect()
}

/// Returns what is wrong with the client's keys for `work` with one of `algorithms`. If no
/// algorithm is named, checks only whether there are keys.
fn fault(metadata: &Metadata, work: KeyTask, algorithms: &[&str]) -> Option<String> {
    if metadata.has("jwks_uri") {
        return None;
    }
    let named = if algorithms.is_empty() {
        "it".to_owned()
    } else {
        algorithms.join(", ")
    };
    let Some(set) = metadata.get("jwks") else {
        return Some(format!(
            "needs the client's public keys for {named}: send jwks_uri or jwks"
        ));
    };
    let has_one =
        algorithms.is_empty() || algorithms.iter().any(|alg| fit::set_can(set, work, alg));
    let (what, usage, operation) = match work {
        KeyTask::Verify => ("to verify", "sig", "verify"),
        KeyTask::Encrypt => ("to encrypt to", "enc", "encrypt, wrapKey or deriveKey"),
    };
    (!has_one).then(|| {
        format!(
            "needs a key in jwks {what} with {named}: it must have the type and curve for that, \
             its `alg` must be that or absent, its `use` must be {usage} or absent, and its `key_ops` must \
             have {operation} or be absent"
        )
    })
}

#[cfg(test)]
mod tests;
