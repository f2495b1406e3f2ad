//! Checks of `[registration]`: what clients can register, times and counts that limit nothing, and where keys
//! come from.

use std::collections::HashSet;

use serde_json::Value;
use url::Url;

use crate::config::{
    ClientAttester, ClientDocuments, Registration, RegistrationApproval, SsaValidationConfig,
    SsaValidationType, StatementValidation, Verdict, udap,
};

pub(super) fn check(registration: &Registration, verdict: &mut Verdict) {
    default_values(registration, verdict);
    for response_type in &registration.response_types_supported {
        grants_of(response_type, registration, verdict);
    }
    listed_values(registration, verdict);
    remote_http(registration, verdict);
    times(registration, verdict);
    scripts(registration, verdict);
    empty_lists(registration, verdict);
    periods(registration, verdict);
    statement_keys(registration, verdict);
    let mut ids = HashSet::new();
    for (at, issuer) in registration.dcr_ssa_validation_configs.iter().enumerate() {
        let key = key(&format!("dcrSsaValidationConfigs[{at}]"));
        if !ids.insert(issuer.id.as_str()) {
            let reason = format!("'{}' is a duplicate; each id must be unique", issuer.id);
            verdict.refuse(&format!("{key}.id"), reason);
        }
        statement_issuer(issuer, &key, verdict);
    }
    udap::check(registration, verdict);
    attesters(registration, verdict);
    client_documents(registration, verdict);
    approval(registration, verdict);
}

fn key(name: &str) -> String {
    format!("registration.{name}")
}

fn has(list: &[String], value: &str) -> bool {
    list.iter().any(|item| item == value)
}

/// Checks that each default value is one that clients can register.
fn default_values(registration: &Registration, verdict: &mut Verdict) {
    let subject_types = &registration.subject_types_supported;
    if !has(subject_types, &registration.default_subject_type) {
        verdict.refuse(
            &key("defaultSubjectType"),
            "must be one of subjectTypesSupported",
        );
    }
    let algorithms = &registration.id_token_signing_alg_values_supported;
    if !has(algorithms, &registration.default_signature_algorithm) {
        verdict.refuse(
            &key("defaultSignatureAlgorithm"),
            "must be one of idTokenSigningAlgValuesSupported",
        );
    }
}

/// Checks that clients can register the grant types that a response type needs.
fn grants_of(response_type: &str, registration: &Registration, verdict: &mut Verdict) {
    let has_code = response_type.split(' ').any(|word| word == "code");
    let is_of_code = has_code && !registration.hybrid_needs_implicit_grant;
    for word in response_type.split(' ') {
        let grant = if word == "code" || is_of_code {
            "authorization_code"
        } else {
            "implicit"
        };
        if word != "none" && !has(&registration.grant_types_supported, grant) {
            let reason =
                format!("'{response_type}' needs the grant type {grant} in grantTypesSupported");
            verdict.refuse(&key("responseTypesSupported"), reason);
        }
    }
}

/// Checks the lists for values that are empty or unsafe.
fn listed_values(registration: &Registration, verdict: &mut Verdict) {
    if let Ok(Value::Object(members)) = serde_json::to_value(registration) {
        for (name, value) in &members {
            let Value::Array(items) = value else { continue };
            if name.ends_with("AlgValuesSupported") && items.contains(&Value::from("RSA1_5")) {
                let reason = "contains RSA1_5, which is vulnerable to repeated attempts (RFC 8725 section 3.2)";
                verdict.warn(&key(name), reason);
            }
            if name.ends_with("Supported") && items.contains(&Value::from("")) {
                verdict.refuse(&key(name), "contains an empty item; remove it");
            }
        }
    }
    let for_assertions = &registration.token_endpoint_auth_signing_alg_values_supported;
    if has(for_assertions, "none") {
        verdict.refuse(
            &key("tokenEndpointAuthSigningAlgValuesSupported"),
            "must not contain none: client assertions must be signed",
        );
    }
}

/// Warns about patterns that allow nothing: no client is redirected to `http` on another machine (RFC 9700 section 2.6).
fn remote_http(registration: &Registration, verdict: &mut Verdict) {
    for pattern in &registration.redirect_uri_allow_list {
        let Ok(url) = Url::parse(pattern.trim_end_matches('*')) else {
            continue;
        };
        let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() == "http" && !is_local {
            let reason = format!(
                "'{pattern}' allows no redirect URI: http is allowed only on localhost, 127.0.0.1 and [::1]; use https"
            );
            verdict.warn(&key("redirectUriAllowList"), reason);
        }
    }
}

/// Rejects shares of requests and numbers of records that are impossible.
fn scripts(registration: &Registration, verdict: &mut Verdict) {
    let shares = [
        ("scriptsShadow", registration.scripts_shadow),
        ("scriptsCanary", registration.scripts_canary),
    ];
    for (name, share) in shares {
        if !(0.0..=1.0).contains(&share) {
            verdict.refuse(
                &key(name),
                "must be from 0 (no request) to 1 (all requests)",
            );
        }
    }
    if registration.recorded_requests > 100_000 {
        verdict.refuse(&key("recordedRequests"), "must be at most 100000");
    }
}

/// The maximum time for which a registration waits, in seconds.
const APPROVAL_SECONDS: u64 = 30 * 24 * 60 * 60;

/// Checks that the registrations that wait can be approved.
fn approval(registration: &Registration, verdict: &mut Verdict) {
    let counts = [
        (
            "registrationApprovalSeconds",
            registration.registration_approval_seconds,
        ),
        (
            "registrationApprovalIntervalSeconds",
            registration.registration_approval_interval_seconds,
        ),
    ];
    for (name, seconds) in counts {
        if !(1..=APPROVAL_SECONDS).contains(&seconds) {
            let reason = format!("must be from 1 to {APPROVAL_SECONDS} seconds (30 days)");
            verdict.refuse(&key(name), reason);
        }
    }
    let uri = registration.registration_approval_uri.as_deref();
    let is_https = |text: &str| Url::parse(text).is_ok_and(|url| url.scheme() == "https");
    match uri {
        None if registration.registration_approval != RegistrationApproval::Off => {
            let reason = "is required unless registrationApproval is \"off\": clients show it to the people who \
                          ask for the approval";
            verdict.refuse(&key("registrationApprovalUri"), reason);
        }
        Some(text) if !is_https(text) => {
            let reason = "must be an https URL, such as https://console.example.org/approve";
            verdict.refuse(&key("registrationApprovalUri"), reason);
        }
        _ => {}
    }
}

/// Rejects times and counts that would not limit anything.
fn times(registration: &Registration, verdict: &mut Verdict) {
    if registration.dynamic_registration_expiration_time < -1 {
        let reason = "must be a number of seconds, or 0 or -1 if clients never expire";
        verdict.refuse(&key("dynamicRegistrationExpirationTime"), reason);
    }
    if registration.maximum_client_lifetime == Some(0) {
        verdict.refuse(
            &key("maximumClientLifetime"),
            "must be 1 or more; leave it unset for no maximum",
        );
    }
    if !(1..=8_760).contains(&registration.event_retry_hours) {
        verdict.refuse(&key("eventRetryHours"), "must be from 1 to 8760 (one year)");
    }
    let least = [
        (
            "unusedClientLifetime",
            registration.unused_client_lifetime,
            60,
            "uses are stored with a delay",
        ),
        (
            "inactiveClientLifetime",
            registration.inactive_client_lifetime,
            7_200,
            "last use is recorded only to the hour",
        ),
    ];
    for (name, lifetime, least, why) in least {
        if lifetime.is_some_and(|seconds| seconds < least) {
            let reason =
                format!("must be at least {least}: {why}. Leave it unset to keep unused clients");
            verdict.refuse(&key(name), reason);
        }
    }
}

/// Warns about lists that let no client register if they are empty.
fn empty_lists(registration: &Registration, verdict: &mut Verdict) {
    let grants = &registration.grant_types_supported;
    let methods = &registration.token_endpoint_auth_methods_supported;
    for (name, list) in [
        ("grantTypesSupported", grants),
        ("tokenEndpointAuthMethodsSupported", methods),
    ] {
        if list.is_empty() {
            verdict.warn(
                &key(name),
                "is empty, so no client can register; leave it unset for the defaults",
            );
        }
    }
}

/// Rejects periods of 0 seconds, with which a quota means nothing.
fn periods(registration: &Registration, verdict: &mut Verdict) {
    if registration.maximum_token_lifetime == 0 {
        verdict.refuse(&key("maximumTokenLifetime"), "must be 1 or more");
    }
    let periods = [
        (
            "rateLimitRegistrationPeriodInSeconds",
            registration.rate_limit_registration_period_in_seconds,
        ),
        (
            "rateLimitTokenPeriodInSeconds",
            registration.rate_limit_token_period_in_seconds,
        ),
        (
            "rateLimitAuthenticationFailurePeriodInSeconds",
            registration.rate_limit_authentication_failure_period_in_seconds,
        ),
    ];
    for (name, seconds) in periods {
        if seconds == 0 {
            verdict.refuse(
                &key(name),
                "must be 1 or more; for no limit, set the request or failure count to 0",
            );
        }
    }
}

/// Checks that the keys for software statements come from somewhere.
fn statement_keys(registration: &Registration, verdict: &mut Verdict) {
    let claim = &registration.software_statement_validation_claim_name;
    match registration.software_statement_validation_type {
        StatementValidation::Jwks | StatementValidation::JwksUri if claim.is_none() => {
            let reason =
                "is missing: softwareStatementValidationType takes the keys from this claim";
            verdict.refuse(&key("softwareStatementValidationClaimName"), reason);
        }
        StatementValidation::Jwks | StatementValidation::JwksUri => verdict.warn(
            &key("softwareStatementValidationType"),
            "takes the keys from the statement itself, which does not prove who issued it",
        ),
        StatementValidation::Builtin => {
            let is_ssa = |entry: &SsaValidationConfig| entry.r#type == SsaValidationType::Ssa;
            if !registration.dcr_ssa_validation_configs.iter().any(is_ssa) {
                verdict.refuse(
                    &key("dcrSsaValidationConfigs"),
                    "must have an entry of type SSA: softwareStatementValidationType is builtin",
                );
            }
        }
        StatementValidation::None | StatementValidation::Script => {}
    }
}

/// Checks that the issuer of software statements or signed requests at `key` has keys.
fn statement_issuer(issuer: &SsaValidationConfig, key: &str, verdict: &mut Verdict) {
    let has_keys = issuer.jwks.is_some()
        || issuer.jwks_uri.is_some()
        || issuer.configuration_endpoint.is_some()
        || issuer.shared_secret.is_some()
        || issuer.trust_anchors.is_some();
    if !has_keys {
        let reason = "needs jwks, jwksUri, configurationEndpoint, sharedSecret or trustAnchors";
        verdict.refuse(key, reason);
    }
    // Otherwise each certificate of these authorities would be valid for every issuer.
    if issuer.trust_anchors.is_some() != issuer.certificate_san.is_some() {
        let reason = "must have both trustAnchors and certificateSan = \"iss\", or neither";
        verdict.refuse(key, reason);
    }
}

/// Checks the client attesters and the lifetime of their nonces.
fn attesters(registration: &Registration, verdict: &mut Verdict) {
    let mut issuers = HashSet::new();
    for (at, attester) in registration.trusted_client_attesters.iter().enumerate() {
        let key = key(&format!("trustedClientAttesters[{at}]"));
        if attester.issuer.is_empty() || !issuers.insert(attester.issuer.as_str()) {
            verdict.refuse(
                &format!("{key}.issuer"),
                "must not be empty, and must be unique",
            );
        }
        attester_keys(attester, &key, verdict);
    }
    if registration.evidence_nonce_lifetime == 0 {
        verdict.refuse(&key("evidenceNonceLifetime"), "must be 1 or more");
    }
}

/// Checks that the client attester at `key` has keys, and only one source of them.
fn attester_keys(attester: &ClientAttester, key: &str, verdict: &mut Verdict) {
    if attester.jwks.is_some() && attester.jwks_uri.is_some() {
        verdict.refuse(key, "has both jwks and jwksUri; remove one of them");
    }
    if attester.jwks.is_none() && attester.jwks_uri.is_none() && attester.trust_anchors.is_none() {
        verdict.refuse(key, "needs jwks, jwksUri or trustAnchors");
    }
    if attester.certificate_san.is_some() && attester.trust_anchors.is_none() {
        verdict.refuse(
            &format!("{key}.certificateSan"),
            "has no effect without trustAnchors; set both or neither",
        );
    }
}

/// Checks that client documents can be accepted, and that the times for which they are fresh have an order.
fn client_documents(registration: &Registration, verdict: &mut Verdict) {
    let documents = registration.client_documents;
    let allowed = &registration.client_document_allow_list;
    if documents == ClientDocuments::Listed && allowed.is_empty() {
        let reason = "is empty, so clientDocuments = \"listed\" would accept no document; list URLs, or set \
                      clientDocuments to \"off\"";
        verdict.refuse(&key("clientDocumentAllowList"), reason);
    }
    if documents == ClientDocuments::Off && registration.client_documents_advertised {
        let reason = "is true although clientDocuments is \"off\": clients that rely on it are rejected, and do \
                      not register instead";
        verdict.warn(&key("clientDocumentsAdvertised"), reason);
    }
    let minimum = registration.client_document_minimum_seconds;
    let maximum = registration.client_document_maximum_seconds;
    if minimum == 0 {
        verdict.refuse(&key("clientDocumentMinimumSeconds"), "must be 1 or more");
    }
    if maximum < minimum {
        verdict.refuse(
            &key("clientDocumentMaximumSeconds"),
            "must not be less than clientDocumentMinimumSeconds",
        );
    } else if !(minimum..=maximum).contains(&registration.client_document_default_seconds) {
        verdict.refuse(
            &key("clientDocumentDefaultSeconds"),
            "must be from clientDocumentMinimumSeconds to clientDocumentMaximumSeconds",
        );
    }
}
