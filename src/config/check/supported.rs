//! Checks of the lists of what clients can register, and of the defaults that must be in these lists.

use serde_json::Value;

use crate::config::Registration;
use crate::config::tree::members;
use crate::config::verdict::Verdict;

pub(super) fn check(registration: &Registration, verdict: &mut Verdict) {
    let subject_types = &registration.subject_types_supported;
    if !subject_types.contains(&registration.default_subject_type) {
        let reason = "must be one of subjectTypesSupported";
        verdict.refuse("registration.defaultSubjectType", reason);
    }
    let algorithms = &registration.id_token_signing_alg_values_supported;
    if !algorithms.contains(&registration.default_signature_algorithm) {
        let reason = "must be one of idTokenSigningAlgValuesSupported";
        verdict.refuse("registration.defaultSignatureAlgorithm", reason);
    }
    response_types(registration, verdict);
    items(registration, verdict);
    let assertions = &registration.token_endpoint_auth_signing_alg_values_supported;
    if assertions.iter().any(|algorithm| algorithm == "none") {
        let key = "registration.tokenEndpointAuthSigningAlgValuesSupported";
        let reason = "must not contain none: client assertions must be signed";
        verdict.refuse(key, reason);
    }
}

/// Rejects response types whose grant types no client can register.
fn response_types(registration: &Registration, verdict: &mut Verdict) {
    let grants = &registration.grant_types_supported;
    for response_type in &registration.response_types_supported {
        let has_code = response_type.split(' ').any(|word| word == "code");
        let is_of_code = has_code && !registration.hybrid_needs_implicit_grant;
        for word in response_type.split(' ') {
            let grant = match word {
                "none" => continue,
                "code" => "authorization_code",
                _ if is_of_code => "authorization_code",
                _ => "implicit",
            };
            if !grants.iter().any(|known| known == grant) {
                let reason = format!(
                    "'{response_type}' needs the grant type {grant} in grantTypesSupported"
                );
                verdict.refuse("registration.responseTypesSupported", reason);
            }
        }
    }
}

/// Rejects empty items of lists, and warns about a weak algorithm.
fn items(registration: &Registration, verdict: &mut Verdict) {
    for (name, list) in members(registration) {
        let Value::Array(items) = list else { continue };
        let key = format!("registration.{name}");
        if name.ends_with("AlgValuesSupported") && items.iter().any(|item| item == "RSA1_5") {
            let reason =
                "contains RSA1_5, which is vulnerable to repeated attempts (RFC 8725 section 3.2)";
            verdict.warn(&key, reason);
        }
        if name.ends_with("Supported") && items.iter().any(|item| item == "") {
            verdict.refuse(&key, "contains an empty item; remove it");
        }
    }
}
