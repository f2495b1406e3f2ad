//! The metadata documents (OpenID Connect Discovery section 3, RFC 8414 section 2), built from
//! what the server really accepts: every value they name can be registered, and no other.

pub mod endpoint;
mod upstream;

use serde_json::Value;

use crate::client::rules::{ALGORITHMS, supported_grants};
use crate::config::{Registration, UPSTREAM};
use crate::jose::Algorithm;
use crate::service::{Context, Members};

/// The document: what the authorization server beside us says (`theirs`), the members of
/// `[discovery]` for what is not ours, and ours on top of them.
pub fn document(cx: &Context<'_>, theirs: Option<&Members>) -> Members {
    let mut document = theirs.map(upstream::without_ours).unwrap_or_default();
    let named = cx.service.settings.discovery.iter().filter(|(name, _)| *name != UPSTREAM);
    document.extend(named.map(|(name, value)| (name.clone(), value.clone())));
    let mut put = |name: &str, value: Value| drop(document.insert(name.to_owned(), value));
    put("issuer", cx.service.issuer.clone().into());
    if cx.settings().dynamic_registration_enabled {
        put("registration_endpoint", cx.service.registration_endpoint().into());
    }
    // Beside an authorization server its endpoints are the ones for users' clients, and ours
    // know none of its tokens.
    for (name, path) in own_endpoints(cx).into_iter().filter(|_| theirs.is_none()) {
        document.entry(name).or_insert_with(|| cx.service.endpoint(path).into());
    }
    let mut put = |name: &str, value: Value| drop(document.insert(name.to_owned(), value));
    let scopes: Vec<&str> = cx.snapshot.live.scopes.iter().map(|scope| scope.id.as_str()).collect();
    if !scopes.is_empty() {
        put("scopes_supported", scopes.into());
    }
    let attestation = client_attestation(cx);
    if !attestation.is_empty() {
        put("challenge_endpoint", cx.service.endpoint(&cx.service.settings.server.paths.challenge).into());
    }
    let registrable = lists(cx.settings()).into_iter();
    let shared = registrable.map(|(name, values)| (name, upstream::shared(theirs, name, values)));
    for (name, values) in shared.chain(attestation) {
        if !values.is_empty() {
            put(name, values.into());
        }
    }
    let user_code = "backchannel_user_code_parameter_supported";
    let is_theirs = theirs.is_none_or(|theirs| theirs.get(user_code) == Some(&Value::Bool(true)));
    put(user_code, (is_theirs && cx.settings().backchannel_user_code_parameter_supported).into());
    // MCP clients refuse a server that does not name S256; who does not offer PKCE says so in
    // `[discovery]`, or beside us in its own document.
    if theirs.is_none() {
        document.entry("code_challenge_methods_supported").or_insert_with(|| vec!["S256"].into());
    }
    document
}

/// The endpoints that `[discovery]` may name elsewhere.
fn own_endpoints<'a>(cx: &'a Context<'_>) -> [(&'static str, &'a str); 4] {
    let paths = &cx.service.settings.server.paths;
    [
        ("token_endpoint", &paths.token),
        ("introspection_endpoint", &paths.introspection),
        ("revocation_endpoint", &paths.revocation),
        ("jwks_uri", &paths.jwks),
    ]
}

/// What a client can be attested with, where anybody is trusted to attest clients.
fn client_attestation(cx: &Context<'_>) -> Vec<(&'static str, Vec<String>)> {
    let attesters = &cx.snapshot.trust.attesters;
    if attesters.is_empty() {
        return Vec::new();
    }
    let names = |algorithms: &[Algorithm]| algorithms.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut signed: Vec<String> = attesters.iter().flat_map(|attester| names(&attester.algorithms)).collect();
    signed.sort_unstable();
    signed.dedup();
    vec![
        ("client_attestation_signing_alg_values_supported", signed),
        ("client_attestation_pop_signing_alg_values_supported", names(Algorithm::STATEMENTS)),
        ("client_attestation_pop_methods_supported", vec!["attestation_pop_jwt".to_owned()]),
    ]
}

/// The members that are lists of what can be registered.
fn lists(settings: &Registration) -> Vec<(&'static str, Vec<String>)> {
    let plain = [
        ("response_types_supported", settings.response_types_supported.clone()),
        ("response_modes_supported", settings.response_modes_supported.clone()),
        ("grant_types_supported", supported_grants(settings)),
        ("token_endpoint_auth_methods_supported", settings.token_endpoint_auth_methods_supported.clone()),
        ("subject_types_supported", settings.subject_types_supported.clone()),
        ("acr_values_supported", settings.acr_values_supported.clone()),
        (
            "backchannel_token_delivery_modes_supported",
            settings.backchannel_token_delivery_modes_supported.clone(),
        ),
        ("authorization_details_types_supported", settings.authorization_details_types_supported.clone()),
    ];
    let algorithms =
        ALGORITHMS.iter().map(|algorithm| (algorithm.choices, (algorithm.supported)(settings).to_vec()));
    plain.into_iter().chain(algorithms).collect()
}
