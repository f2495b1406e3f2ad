//! Options that can not stand together, and values that their type alone does not refuse.

use serde_json::Value;
use url::Url;

use super::trust::{SsaValidationConfig, SsaValidationType, StatementValidation};
use super::{Live, Registration, Settings, StoreSettings};

/// What is wrong, and what is only odd: the key, and why.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) errors: Vec<(String, String)>,
    pub(super) warnings: Vec<(String, String)>,
}

impl Verdict {
    fn refuse(&mut self, key: &str, reason: impl Into<String>) {
        self.errors.push((key.to_owned(), reason.into()));
    }

    fn warn(&mut self, key: &str, reason: impl Into<String>) {
        self.warnings.push((key.to_owned(), reason.into()));
    }
}

/// Checks the configuration as a whole.
pub(super) fn check(settings: &Settings, live: &Live) -> Verdict {
    let mut verdict = Verdict::default();
    server(settings, &mut verdict);
    positive(settings, &mut verdict);
    store(&settings.store, &mut verdict);
    supported(&live.registration, &mut verdict);
    statements(&live.registration, &mut verdict);
    scopes(live, &mut verdict);
    verdict
}

fn server(settings: &Settings, verdict: &mut Verdict) {
    if let Some(issuer) = &settings.server.issuer {
        let key = "server.issuer";
        match Url::parse(issuer) {
            Ok(url) if !matches!(url.scheme(), "https" | "http") || url.host().is_none() => {
                verdict.refuse(key, "must be an https URL, such as https://register.example.org");
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                verdict.refuse(key, "has no query and no fragment (RFC 8414 section 2)");
            }
            Ok(_) if issuer.ends_with('/') => verdict.refuse(key, "leave the slash at the end out"),
            Ok(url) if url.scheme() == "http" => {
                verdict.warn(key, "clients must reach the server by https (RFC 7591 section 3)");
            }
            Ok(_) => {}
            Err(error) => verdict.refuse(key, format!("is not a URL: {error}")),
        }
    }
    let path = &settings.server.paths.registration;
    let is_reserved =
        ["/.well-known/", "/healthz", "/readyz", "/metrics"].iter().any(|own| path.starts_with(own));
    let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte));
    if !path.starts_with('/') || path.ends_with('/') || !is_plain || is_reserved {
        verdict.refuse("server.paths.registration", "must be a path of the server, such as /register");
    }
    if settings.discovery.contains_key("upstream") {
        verdict.refuse(
            "discovery.upstream",
            "is not there yet; name the members of the other server one by one",
        );
    }
}

/// The options of PostgreSQL.
fn store(store: &StoreSettings, verdict: &mut Verdict) {
    if store.connections == 0 {
        verdict.refuse("store.connections", "must be 1 or more");
    }
    if store.timeout_ms == 0 {
        verdict.refuse("store.timeoutMs", "must be 1 or more");
    }
    if store.url.is_postgres() && store.key_file.is_none() {
        let reason = "is needed with PostgreSQL: a file that is the same for all servers on the database";
        verdict.refuse("store.keyFile", reason);
    }
}

/// Bounds and times that would let nothing through at 0.
fn positive(settings: &Settings, verdict: &mut Verdict) {
    let groups = [
        ("limits", serde_json::to_value(&settings.limits)),
        ("scripts.limits", serde_json::to_value(&settings.scripts.limits)),
    ];
    for (group, values) in groups {
        let values = values.unwrap_or_default();
        for (key, value) in values.as_object().into_iter().flatten() {
            if value == &Value::from(0) {
                verdict.refuse(&format!("{group}.{key}"), "must be 1 or more");
            }
        }
    }
    if settings.store.sweep_seconds == 0 {
        verdict.refuse("store.sweepSeconds", "must be 1 or more");
    }
    if settings.store.cache_bytes < 1 << 20 {
        verdict.refuse("store.cacheBytes", "must be 1048576 or more");
    }
}

/// The lists of what can be registered, and the defaults that are drawn from them.
fn supported(registration: &Registration, verdict: &mut Verdict) {
    let key = |name: &str| format!("registration.{name}");
    let has = |list: &[String], value: &str| list.iter().any(|item| item == value);
    if !has(&registration.subject_types_supported, &registration.default_subject_type) {
        verdict.refuse(&key("defaultSubjectType"), "must be one of subjectTypesSupported");
    }
    let algorithms = &registration.id_token_signing_alg_values_supported;
    if !has(algorithms, &registration.default_signature_algorithm) {
        verdict.refuse(&key("defaultSignatureAlgorithm"), "must be one of idTokenSigningAlgValuesSupported");
    }
    for response_type in &registration.response_types_supported {
        for word in response_type.split(' ') {
            let grant = if word == "code" { "authorization_code" } else { "implicit" };
            if word != "none" && !has(&registration.grant_types_supported, grant) {
                let reason = format!("'{response_type}' needs the grant type {grant} in grantTypesSupported");
                verdict.refuse(&key("responseTypesSupported"), reason);
            }
        }
    }
    let values = serde_json::to_value(registration).unwrap_or_default();
    for (name, list) in values.as_object().into_iter().flatten() {
        let list: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if name.ends_with("AlgValuesSupported") && list.contains(&"RSA1_5") {
            verdict.warn(&key(name), "RSA1_5 can be broken by who may try often (RFC 8725 section 3.2)");
        }
        if name.ends_with("Supported") && list.iter().any(|item| item.is_empty()) {
            verdict.refuse(&key(name), "has an empty item");
        }
    }
    if has(&registration.token_endpoint_auth_signing_alg_values_supported, "none") {
        verdict.refuse(
            &key("tokenEndpointAuthSigningAlgValuesSupported"),
            "a client assertion is always signed",
        );
    }
    if registration.maximum_client_lifetime == Some(0) {
        verdict.refuse(&key("maximumClientLifetime"), "must be 1 or more; leave it out for no bound");
    }
}

/// Where the keys of statements and signed requests come from.
fn statements(registration: &Registration, verdict: &mut Verdict) {
    let key = |name: &str| format!("registration.{name}");
    let claim = &registration.software_statement_validation_claim_name;
    match registration.software_statement_validation_type {
        StatementValidation::Jwks | StatementValidation::JwksUri if claim.is_none() => {
            let reason = "is needed: softwareStatementValidationType takes the keys from a claim";
            verdict.refuse(&key("softwareStatementValidationClaimName"), reason);
        }
        StatementValidation::Jwks | StatementValidation::JwksUri => verdict.warn(
            &key("softwareStatementValidationType"),
            "the keys come from the statement itself, so it proves only that somebody holds them",
        ),
        StatementValidation::Builtin => {
            let is_ssa = |entry: &SsaValidationConfig| entry.r#type == SsaValidationType::Ssa;
            if !registration.dcr_ssa_validation_configs.iter().any(is_ssa) {
                verdict.refuse(&key("dcrSsaValidationConfigs"), "builtin needs an entry of type SSA");
            }
        }
        StatementValidation::None | StatementValidation::Script => {}
    }
    for (at, entry) in registration.dcr_ssa_validation_configs.iter().enumerate() {
        let has_keys = entry.jwks.is_some()
            || entry.jwks_uri.is_some()
            || entry.configuration_endpoint.is_some()
            || entry.shared_secret.is_some();
        if !has_keys {
            let key = key(&format!("dcrSsaValidationConfigs[{at}]"));
            verdict.refuse(&key, "needs jwks, jwksUri, configurationEndpoint or sharedSecret");
        }
    }
}

fn scopes(live: &Live, verdict: &mut Verdict) {
    for (at, scope) in live.scopes.iter().enumerate() {
        // RFC 6749 section 3.3.
        let is_token =
            |byte: u8| byte == b'!' || (b'#'..=b'[').contains(&byte) || (b']'..=b'~').contains(&byte);
        let key = format!("scopes[{at}].id");
        if scope.id.is_empty() || !scope.id.bytes().all(is_token) {
            verdict.refuse(&key, "must be visible ASCII without a quote or a backslash");
        }
        if live.scopes.iter().take(at).any(|earlier| earlier.id == scope.id) {
            verdict.refuse(&key, format!("'{}' is there twice", scope.id));
        }
    }
}
