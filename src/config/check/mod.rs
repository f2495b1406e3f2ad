//! Checks for options that exclude each other, and for values that their type alone does not reject.

mod bounds;
mod exposure;
mod level;
mod urls;

use serde_json::Value;
use url::Url;

use super::trust::{SsaValidationConfig, SsaValidationType, StatementValidation};
use super::verdict::Verdict;
use super::{
    FetchSettings, Live, Registration, Settings, admin, paths, store, tls, udap, upstream,
};
use crate::base::scope;

/// Checks the whole configuration.
pub(super) fn check(settings: &Settings, live: &Live) -> Verdict {
    let mut verdict = Verdict::default();
    server(settings, &mut verdict);
    paths::check(&settings.server.paths, &mut verdict);
    upstream::check(settings, &mut verdict);
    admin::check(&settings.admin, live, &mut verdict);
    admin::check_listener(&settings.admin, &settings.server, &mut verdict);
    exposure::check(settings, live, &mut verdict);
    urls::check(settings, live, &mut verdict);
    tls::check(&settings.server, live, &mut verdict);
    level::check(&settings.telemetry.level, &mut verdict);
    traces(settings, &mut verdict);
    positive(settings, &mut verdict);
    store::check(&settings.store, &mut verdict);
    fetch(&settings.fetch, &mut verdict);
    scripts(settings, &mut verdict);
    supported(&live.registration, &mut verdict);
    times(&live.registration, &mut verdict);
    bounds::check(&live.registration, &mut verdict);
    statements(&live.registration, &mut verdict);
    udap::check(&live.registration, &mut verdict);
    attesters(&live.registration, &mut verdict);
    scopes(live, &mut verdict);
    verdict
}

fn server(settings: &Settings, verdict: &mut Verdict) {
    if let Some(issuer) = &settings.server.issuer {
        let key = "server.issuer";
        match Url::parse(issuer) {
            Ok(url) if !matches!(url.scheme(), "https" | "http") || url.host().is_none() => {
                verdict.refuse(
                    key,
                    "must be an https URL, such as https://register.example.org",
                );
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                verdict.refuse(
                    key,
                    "must not have a query or a fragment (RFC 8414 section 2)",
                );
            }
            Ok(_) if issuer.ends_with('/') => verdict.refuse(key, "must not end with a slash"),
            Ok(url) if url.scheme() == "http" => {
                verdict.warn(
                    key,
                    "should be https: clients must reach the server over TLS (RFC 7591 section 3)",
                );
            }
            Ok(_) => {}
            Err(error) => verdict.refuse(key, format!("is not a valid URL: {error}")),
        }
    }
}

fn traces(settings: &Settings, verdict: &mut Verdict) {
    let Some(receiver) = &settings.telemetry.otlp else {
        return;
    };
    if !cfg!(feature = "otlp") {
        let reason = "cannot be used: this binary was built without traces; remove the option, or build with \
                      the cargo feature otlp";
        verdict.refuse("telemetry.otlp", reason);
    }
    let is_url = Url::parse(receiver).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !is_url {
        verdict.refuse(
            "telemetry.otlp",
            "must be the URL of an OTLP receiver, such as http://127.0.0.1:4318",
        );
    }
}

/// Rejects limits and times of 0, with which no request could succeed.
fn positive(settings: &Settings, verdict: &mut Verdict) {
    let groups = [
        ("limits", serde_json::to_value(&settings.limits)),
        (
            "scripts.limits",
            serde_json::to_value(&settings.scripts.limits),
        ),
    ];
    for (group, values) in groups {
        let values = values.unwrap_or_default();
        for (key, value) in values.as_object().into_iter().flatten() {
            if value == &Value::from(0) {
                verdict.refuse(&format!("{group}.{key}"), "must be 1 or more");
            }
        }
    }
}

/// Checks the limits of outgoing requests and of cached keys.
fn fetch(settings: &FetchSettings, verdict: &mut Verdict) {
    let counts = [
        ("timeoutMs", settings.timeout_ms == 0),
        ("bodyBytes", settings.body_bytes == 0),
        ("concurrent", settings.concurrent == 0),
        ("concurrentPerHost", settings.concurrent_per_host == 0),
        ("keysMinimumSeconds", settings.keys_minimum_seconds == 0),
        ("keysRefetchSeconds", settings.keys_refetch_seconds == 0),
        ("keysCached", settings.keys_cached == 0),
    ];
    for (key, _) in counts.into_iter().filter(|(_, is_zero)| *is_zero) {
        verdict.refuse(&format!("fetch.{key}"), "must be 1 or more");
    }
    if settings.keys_maximum_seconds < settings.keys_minimum_seconds {
        verdict.refuse(
            "fetch.keysMaximumSeconds",
            "must not be less than keysMinimumSeconds",
        );
    }
    if settings.allow_http {
        verdict.warn(
            "fetch.allowHttp",
            "is for development only: an attacker on the network can change what is fetched",
        );
    }
    if settings.allow_private_addresses {
        let reason = "is for development only: clients can make this server send requests to its private \
                      network; list the hosts in fetch.allowedHosts instead";
        verdict.warn("fetch.allowPrivateAddresses", reason);
    }
}

/// Maximum number of scripts that run or wait. Each of them has a thread, and the runtime has 512 threads
/// for all work.
const SCRIPT_THREADS: usize = 400;

fn scripts(settings: &Settings, verdict: &mut Verdict) {
    let limits = &settings.scripts.limits;
    if limits.concurrent.saturating_add(limits.waiting) > SCRIPT_THREADS {
        let reason = format!("plus scripts.limits.concurrent must not exceed {SCRIPT_THREADS}");
        verdict.refuse("scripts.limits.waiting", reason);
    }
    let pauses = &settings.scripts.retry_pauses_ms;
    if pauses.len() > 8 || pauses.iter().any(|pause| *pause > 3_600_000) {
        verdict.refuse(
            "scripts.retryPausesMs",
            "must have at most 8 items, each at most 3600000 (one hour)",
        );
    }
}

/// Checks the lists of what clients can register, and the defaults that must be in these lists.
fn supported(registration: &Registration, verdict: &mut Verdict) {
    let key = |name: &str| format!("registration.{name}");
    let has = |list: &[String], value: &str| list.iter().any(|item| item == value);
    if !has(
        &registration.subject_types_supported,
        &registration.default_subject_type,
    ) {
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
    for response_type in &registration.response_types_supported {
        let is_code = |word: &str| word == "code";
        let is_of_code =
            !registration.hybrid_needs_implicit_grant && response_type.split(' ').any(is_code);
        for word in response_type.split(' ') {
            let grant = if is_code(word) || is_of_code {
                "authorization_code"
            } else {
                "implicit"
            };
            if word != "none" && !has(&registration.grant_types_supported, grant) {
                let reason = format!(
                    "'{response_type}' needs the grant type {grant} in grantTypesSupported"
                );
                verdict.refuse(&key("responseTypesSupported"), reason);
            }
        }
    }
    let values = serde_json::to_value(registration).unwrap_or_default();
    for (name, list) in values.as_object().into_iter().flatten() {
        let list: Vec<&str> = list
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if name.ends_with("AlgValuesSupported") && list.contains(&"RSA1_5") {
            verdict.warn(
                &key(name),
                "contains RSA1_5, which is vulnerable to repeated attempts (RFC 8725 section 3.2)",
            );
        }
        if name.ends_with("Supported") && list.iter().any(|item| item.is_empty()) {
            verdict.refuse(&key(name), "contains an empty item; remove it");
        }
    }
    if has(
        &registration.token_endpoint_auth_signing_alg_values_supported,
        "none",
    ) {
        verdict.refuse(
            &key("tokenEndpointAuthSigningAlgValuesSupported"),
            "must not contain none: client assertions must be signed",
        );
    }
}

/// Rejects times and counts that would not limit anything.
fn times(registration: &Registration, verdict: &mut Verdict) {
    let key = |name: &str| format!("registration.{name}");
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

/// Checks where the keys for software statements and signed requests come from.
fn statements(registration: &Registration, verdict: &mut Verdict) {
    let key = |name: &str| format!("registration.{name}");
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
    let entries = &registration.dcr_ssa_validation_configs;
    for (at, entry) in entries.iter().enumerate() {
        if entries
            .iter()
            .take(at)
            .any(|earlier| earlier.id == entry.id)
        {
            let key = key(&format!("dcrSsaValidationConfigs[{at}].id"));
            verdict.refuse(
                &key,
                format!("'{}' is a duplicate; each id must be unique", entry.id),
            );
        }
        let has_keys = entry.jwks.is_some()
            || entry.jwks_uri.is_some()
            || entry.configuration_endpoint.is_some()
            || entry.shared_secret.is_some()
            || entry.trust_anchors.is_some();
        let key = key(&format!("dcrSsaValidationConfigs[{at}]"));
        if !has_keys {
            let reason = "needs jwks, jwksUri, configurationEndpoint, sharedSecret or trustAnchors";
            verdict.refuse(&key, reason);
        }
        // Otherwise each certificate of these authorities would be valid for every issuer.
        if entry.trust_anchors.is_some() != entry.certificate_san.is_some() {
            let reason = "must have both trustAnchors and certificateSan = \"iss\", or neither";
            verdict.refuse(&key, reason);
        }
    }
}

/// Checks that each client attester has a unique issuer and keys.
fn attesters(registration: &Registration, verdict: &mut Verdict) {
    let entries = &registration.trusted_client_attesters;
    for (at, entry) in entries.iter().enumerate() {
        let key = format!("registration.trustedClientAttesters[{at}]");
        if entry.issuer.is_empty()
            || entries
                .iter()
                .take(at)
                .any(|earlier| earlier.issuer == entry.issuer)
        {
            verdict.refuse(
                &format!("{key}.issuer"),
                "must not be empty, and must be unique",
            );
        }
        if entry.jwks.is_some() && entry.jwks_uri.is_some() {
            verdict.refuse(&key, "has both jwks and jwksUri; remove one of them");
        }
        if entry.jwks.is_none() && entry.jwks_uri.is_none() && entry.trust_anchors.is_none() {
            verdict.refuse(&key, "needs jwks, jwksUri or trustAnchors");
        }
        if entry.certificate_san.is_some() && entry.trust_anchors.is_none() {
            verdict.refuse(
                &format!("{key}.certificateSan"),
                "has no effect without trustAnchors; set both or neither",
            );
        }
    }
    if registration.evidence_nonce_lifetime == 0 {
        verdict.refuse("registration.evidenceNonceLifetime", "must be 1 or more");
    }
}

fn scopes(live: &Live, verdict: &mut Verdict) {
    for (at, defined) in live.scopes.iter().enumerate() {
        let key = format!("scopes[{at}].id");
        if !scope::is_word(&defined.id) {
            verdict.refuse(&key, admin::NOT_A_SCOPE);
        }
        if defined.default && defined.pattern.is_some() {
            let reason =
                "must not be true together with pattern, because a pattern does not name one scope";
            verdict.refuse(&format!("scopes[{at}].default"), reason);
        }
        if live
            .scopes
            .iter()
            .take(at)
            .any(|earlier| earlier.id == defined.id)
        {
            verdict.refuse(
                &key,
                format!("'{}' is a duplicate; each id must be unique", defined.id),
            );
        }
    }
}
