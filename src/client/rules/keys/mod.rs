//! The client's keys (RFC 7591 section 2, OpenID Connect Dynamic Client Registration section 2).
//!
//! A client whose keys do not fit its other members would register, and then fail at each request.
//! Every rule that needs a key therefore calls [`fault`], which uses `jose::fit`. The contents of
//! `jwks_uri` can change at any time and are not checked.

use serde_json::Value;

use super::{
    algorithms::ALGORITHMS, algorithms::AlgorithmMember, algorithms::AlgorithmPurpose,
    algorithms::KeyOf, algorithms::is_symmetric,
};
use crate::client::{
    rules::Metadata, rules::Rules, rules::Violation, rules::is_faulted, rules::methods,
    rules::report_fault, rules::urls, rules::violation,
};
use crate::jose::{KeyTask, fit, jwks};

pub(super) const SIGNED_REQUESTS: &str = "require_signed_request_object";

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
    if let Some(set) = metadata.get("jwks")
        && !is_faulted(found, "jwks")
    {
        report_fault("jwks", set_fault(cx, set), found);
    }
    if is_faulted(found, "jwks") {
        return;
    }
    for algorithm in ALGORITHMS {
        if !is_faulted(found, algorithm.member) {
            report_fault(
                algorithm.member,
                member_fault(cx, metadata, algorithm),
                found,
            );
        }
    }
    if !is_faulted(found, "request_object_signing_alg") {
        report_fault(SIGNED_REQUESTS, requests_fault(cx, metadata), found);
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
    let is_shown = algorithm.member == methods::SIGNING && has_certificates(cx, metadata);
    if is_shown || !algorithm.is_supported(cx.settings, alg) {
        return None;
    }
    algorithm_fault(metadata, algorithm, alg)
}

/// Returns what is wrong with the value of `jwks`.
fn set_fault(cx: &Rules<'_>, set: &Value) -> Option<String> {
    match jwks::check_public(set, cx.limits.jwks_keys) {
        Ok(()) => link_fault(cx, set),
        Err(rule) => Some(rule),
    }
}

/// RFC 7517 section 4.6. This server never follows `x5u`, but the upstream authorization server
/// may.
fn link_fault(cx: &Rules<'_>, set: &Value) -> Option<String> {
    for (index, key) in keys(set).iter().enumerate() {
        match key.get("x5u") {
            None => {}
            Some(Value::String(link)) => {
                if let Some(rule) = urls::endpoint_fault(cx.fetch, link) {
                    return Some(format!("keys[{index}] has an `x5u` that {rule}"));
                }
            }
            Some(_) => return Some(format!("keys[{index}] must have a string in `x5u`")),
        }
    }
    None
}

fn keys(set: &Value) -> &[Value] {
    match set.get("keys") {
        Some(Value::Array(keys)) => keys,
        _ => &[],
    }
}

/// Returns what is wrong with the client's keys if its member `algorithm` has the value `alg`.
pub(super) fn algorithm_fault(
    metadata: &Metadata,
    algorithm: &AlgorithmMember,
    alg: &str,
) -> Option<String> {
    let work = work_of(metadata, algorithm)?;
    if is_symmetric(alg) || alg == "none" {
        return None;
    }
    fault(metadata, work, &[alg])
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
        "self_signed_tls_client_auth" => {
            fault(metadata, KeyTask::Verify, &[]).or_else(|| certificate_fault(metadata))
        }
        _ => None,
    }
}

/// Returns what is wrong if no key of the client can be in its certificate.
fn certificate_fault(metadata: &Metadata) -> Option<String> {
    let set = metadata.get("jwks")?;
    if keys(set).iter().any(fit::has_certificates) {
        return None;
    }
    let rule = "needs a key in jwks that a certificate can contain: RSA, EC, Ed25519 or Ed448";
    Some(rule.to_owned())
}

/// Returns what is wrong if all requests must be signed and no algorithm is named (RFC 9101 section
/// 10.5).
fn requests_fault(cx: &Rules<'_>, metadata: &Metadata) -> Option<String> {
    let alg = metadata.text("request_object_signing_alg");
    if !metadata.flag(SIGNED_REQUESTS) || alg.is_some() {
        return None;
    }
    let supported = &cx.settings.request_object_signing_alg_values_supported;
    if methods::needs_secret(metadata) && supported.iter().any(|alg| is_symmetric(alg)) {
        return None;
    }
    fault(metadata, KeyTask::Verify, &asymmetric(supported))
}

fn asymmetric(supported: &[String]) -> Vec<&str> {
    let mut names = Vec::new();
    for alg in supported {
        if !is_symmetric(alg) && alg != "none" {
            names.push(alg.as_str());
        }
    }
    names
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
    if algorithms.is_empty() || algorithms.iter().any(|alg| fit::set_can(set, work, alg)) {
        return None;
    }
    let (what, usage, operation) = match work {
        KeyTask::Verify => ("to verify", "sig", "verify"),
        KeyTask::Encrypt => ("to encrypt to", "enc", "encrypt, wrapKey or deriveKey"),
    };
    Some(format!(
        "needs a key in jwks {what} with {named}: it must have the type and curve for that, \
         its `alg` must be that or absent, its `use` must be {usage} or absent, and its `key_ops` must \
         have {operation} or be absent"
    ))
}

#[cfg(test)]
mod tests;
