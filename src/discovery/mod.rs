//! The metadata documents (OpenID Connect Discovery section 3, RFC 8414 section 2). They are built from the
//! lists that the rules use, so every listed value can be registered.
//!
//! Without an upstream server, no other value can be registered. With an upstream authorization server, a
//! list contains only those of our values that the upstream server supports too. It contains all of our
//! values if the upstream server does not publish the list, or the two lists have nothing in common. The
//! rules accept all of our values in this case as well: what can be registered, and kept in an update, must
//! not depend on whether the metadata of another server is available.

pub(crate) mod endpoint;
mod udap;
mod upstream;

use serde_json::Value;

use crate::client::{
    rules::ALGORITHMS, rules::supported_grants, rules::supported_methods, rules::supported_modes,
};
use crate::config::{ClientCertificates, Registration, ServerSettings, UPSTREAM};
use crate::jose::Algorithm;
use crate::service::{Context, MetadataDocument};

/// Lists that allow any value when they are empty in our configuration, so that the upstream values apply.
const OPEN: &[&str] = &[
    "response_modes_supported",
    "acr_values_supported",
    "authorization_details_types_supported",
];

/// Lists that are published even when they are empty. RFC 8414 section 2 requires the first one. If one of
/// the others were missing, clients would assume default values that this server does not support.
const DEMANDED: &[&str] = &[
    "response_types_supported",
    "grant_types_supported",
    "token_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_methods_supported",
];

/// Returns the document: the upstream metadata (`theirs`), overridden by the members of `[discovery]`,
/// overridden by the members of this server.
pub(crate) fn document(cx: &Context<'_>, theirs: Option<&MetadataDocument>) -> MetadataDocument {
    let (service, settings) = (cx.service, cx.settings());
    let mut document = match theirs {
        Some(theirs) => upstream::without_ours(theirs),
        None => MetadataDocument::new(),
    };
    for (name, value) in &service.settings.discovery {
        if name != UPSTREAM {
            document.insert(name.clone(), value.clone());
        }
    }
    put(&mut document, "issuer", service.issuer.clone());
    if settings.dynamic_registration_enabled {
        let endpoint = service.registration_endpoint();
        put(&mut document, "registration_endpoint", endpoint);
    }
    // With an upstream authorization server, clients use its endpoints, and this server knows none of its
    // tokens.
    if theirs.is_none() {
        put_endpoints(cx, &mut document);
    }
    put_scopes(cx, &mut document);
    put_claims(cx, theirs, &mut document);
    put_lists(cx, theirs, &mut document);
    put_support(settings, theirs, &mut document);
    // MCP clients reject a server that does not list S256. A server without PKCE states so in `[discovery]`,
    // or in its own document if it is upstream.
    if theirs.is_none() {
        document
            .entry("code_challenge_methods_supported")
            .or_insert_with(|| vec!["S256"].into());
    }
    document
}

/// Adds the lists of what can be registered, and what a client attestation needs.
fn put_lists(cx: &Context<'_>, theirs: Option<&MetadataDocument>, document: &mut MetadataDocument) {
    let attestation = client_attestation(cx, theirs);
    let challenge = "challenge_endpoint";
    let is_theirs = theirs.is_some_and(|theirs| theirs.contains_key(challenge));
    if !attestation.is_empty() && !is_theirs {
        let path = &cx.service.settings.server.paths.challenge;
        put(document, challenge, cx.service.endpoint(path));
    }
    for (name, values) in lists(cx.settings()) {
        if !values.is_empty() || !OPEN.contains(&name) {
            put_list(document, name, upstream::shared(theirs, name, values));
        }
    }
    for (name, values) in attestation {
        put_list(document, name, values);
    }
}

/// Adds what else is supported.
fn put_support(
    settings: &Registration,
    theirs: Option<&MetadataDocument>,
    document: &mut MetadataDocument,
) {
    let modes = supported_modes(settings);
    if !modes.is_empty() {
        put(document, "registration_modes_supported", modes.to_vec());
    }
    put_user_code(settings, theirs, document);
    put_client_documents(settings, document);
}

/// Adds whether user codes are supported: with an upstream server, only if it supports them too.
fn put_user_code(
    settings: &Registration,
    theirs: Option<&MetadataDocument>,
    document: &mut MetadataDocument,
) {
    let name = "backchannel_user_code_parameter_supported";
    let is_theirs = match theirs {
        Some(theirs) => theirs.get(name) == Some(&Value::Bool(true)),
        None => true,
    };
    let is_ours = settings.backchannel_user_code_parameter_supported;
    put(document, name, is_theirs && is_ours);
}

/// States that clients can have a document instead of a registration. An upstream server that fetches documents itself
/// says so itself.
fn put_client_documents(settings: &Registration, document: &mut MetadataDocument) {
    if settings.client_documents_advertised {
        put(document, "client_id_metadata_document_supported", true);
    }
}

/// Adds the scopes. The values of a pattern cannot be listed (RFC 8414 section 2 allows scopes to be omitted).
fn put_scopes(cx: &Context<'_>, document: &mut MetadataDocument) {
    let mut names = Vec::new();
    for scope in &cx.snapshot.live.scopes {
        if scope.pattern.is_none() {
            names.push(scope.id.clone());
        }
    }
    put_list(document, "scopes_supported", names);
}

fn put(document: &mut MetadataDocument, name: &str, value: impl Into<Value>) {
    document.insert(name.to_owned(), value.into());
}

/// Replaces a list by ours. An empty list is omitted (RFC 8414 section 3.2), even if another source has
/// values for it, unless its absence would mean something else.
fn put_list(document: &mut MetadataDocument, name: &str, values: Vec<String>) {
    if values.is_empty() && !DEMANDED.contains(&name) {
        document.remove(name);
    } else {
        put(document, name, values);
    }
}

/// Adds the claims of the scopes. The issuer of the tokens knows better, so a list of the upstream server or
/// of `[discovery]` is kept.
fn put_claims(
    cx: &Context<'_>,
    theirs: Option<&MetadataDocument>,
    document: &mut MetadataDocument,
) {
    let name = "claims_supported";
    if theirs.is_some() || document.contains_key(name) {
        return;
    }
    let mut claims: Vec<String> = vec!["sub".to_owned()];
    for scope in &cx.snapshot.live.scopes {
        for claim in &scope.claims {
            if !claims.contains(claim) {
                claims.push(claim.clone());
            }
        }
    }
    let has_claims = claims.len() > 1;
    if has_claims {
        put_list(document, name, claims);
    }
}

/// Returns the lists for client attestations, if the operator trusts an attester.
///
/// The list of methods requires clients to use one of them unless it contains `none`, since an attestation is
/// only one of several ways to register. With an upstream authorization server the list describes the token
/// endpoint of that server, so its own list applies (OAuth 2.0 Attestation-Based Client Authentication, on
/// metadata).
fn client_attestation(
    cx: &Context<'_>,
    theirs: Option<&MetadataDocument>,
) -> Vec<(&'static str, Vec<String>)> {
    let attesters = &cx.snapshot.trust.attesters;
    if attesters.is_empty() {
        return Vec::new();
    }
    let mut signed: Vec<String> = Vec::new();
    for attester in attesters {
        signed.extend(names(&attester.algorithms));
    }
    signed.sort_unstable();
    signed.dedup();
    let mut lists = vec![
        ("client_attestation_signing_alg_values_supported", signed),
        (
            "client_attestation_pop_signing_alg_values_supported",
            names(Algorithm::STATEMENTS),
        ),
    ];
    if theirs.is_none() {
        let methods = ["attestation_pop_jwt", "none"].map(str::to_owned);
        lists.push(("client_attestation_pop_methods_supported", methods.to_vec()));
    }
    lists
}

fn names(algorithms: &[Algorithm]) -> Vec<String> {
    algorithms.iter().map(ToString::to_string).collect()
}

/// Returns the members that list what can be registered.
fn lists(settings: &Registration) -> Vec<(&'static str, Vec<String>)> {
    let plain = [
        (
            "response_types_supported",
            settings.response_types_supported.clone(),
        ),
        (
            "response_modes_supported",
            settings.response_modes_supported.clone(),
        ),
        ("grant_types_supported", supported_grants(settings)),
        (
            "token_endpoint_auth_methods_supported",
            supported_methods(settings),
        ),
        (
            "subject_types_supported",
            settings.subject_types_supported.clone(),
        ),
        (
            "acr_values_supported",
            settings.acr_values_supported.clone(),
        ),
        (
            "backchannel_token_delivery_modes_supported",
            settings.backchannel_token_delivery_modes_supported.clone(),
        ),
        (
            "authorization_details_types_supported",
            settings.authorization_details_types_supported.clone(),
        ),
    ];
    let mut lists = Vec::from(plain);
    for algorithm in ALGORITHMS {
        lists.push((algorithm.choices, (algorithm.supported)(settings).to_vec()));
    }
    lists
}

/// Adds the endpoints of this server and the methods that they accept. If `[discovery]` names an endpoint on
/// another server, its members in `[discovery]` are kept. A method is listed if it can be registered,
/// `token/client_authentication` supports it, and its proof can reach this server (RFC 8414 section 2).
fn put_endpoints(cx: &Context<'_>, document: &mut MetadataDocument) {
    let server = &cx.service.settings.server;
    let paths = &server.paths;
    let methods = accepted_methods(cx.settings(), server);
    put_own(cx, document, "jwks_uri", &paths.jwks);
    if put_own(cx, document, "token_endpoint", &paths.token) {
        put_bound_tokens(server, document);
    }
    if put_own(cx, document, "revocation_endpoint", &paths.revocation) {
        put_methods(cx.settings(), document, "revocation_endpoint", &methods);
    }
    if put_own(cx, document, "introspection_endpoint", &paths.introspection) {
        // The caller authenticates as a client, or presents an access token (RFC 7662 section 2.1), which is
        // listed by its token type.
        let mut accepted = methods;
        accepted.retain(|method| *method != "none");
        accepted.push("Bearer");
        put_methods(cx.settings(), document, "introspection_endpoint", &accepted);
    }
}

/// Adds an endpoint of this server, unless `[discovery]` names another one. Returns whether it is an endpoint
/// of this server.
fn put_own(cx: &Context<'_>, document: &mut MetadataDocument, name: &str, path: &str) -> bool {
    let is_ours = !document.contains_key(name);
    if is_ours {
        put(document, name, cx.service.endpoint(path));
    }
    is_ours
}

/// RFC 8705 section 3.3: a token is bound to the certificate with which its client requests it.
fn put_bound_tokens(server: &ServerSettings, document: &mut MetadataDocument) {
    let name = "tls_client_certificate_bound_access_tokens";
    if is_asked_for(server) || is_named(server) {
        put(document, name, true);
    } else {
        document.remove(name);
    }
}

/// Adds the methods that `endpoint` accepts, with the algorithms of signed assertions.
fn put_methods(
    settings: &Registration,
    document: &mut MetadataDocument,
    endpoint: &str,
    methods: &[&str],
) {
    let mut signed = Vec::new();
    for algorithm in assertion_algorithms(settings) {
        let method = if algorithm.is_symmetric() {
            "client_secret_jwt"
        } else {
            "private_key_jwt"
        };
        if methods.contains(&method) {
            signed.push(algorithm.as_str().to_owned());
        }
    }
    let named = methods.iter().map(|&method| method.to_owned()).collect();
    put_list(
        document,
        &format!("{endpoint}_auth_methods_supported"),
        named,
    );
    put_list(
        document,
        &format!("{endpoint}_auth_signing_alg_values_supported"),
        signed,
    );
}

/// Returns the methods that the endpoints of this server accept.
fn accepted_methods<'a>(settings: &'a Registration, server: &ServerSettings) -> Vec<&'a str> {
    let mut accepted = Vec::new();
    for method in &settings.token_endpoint_auth_methods_supported {
        if is_accepted(method, settings, server) {
            accepted.push(method.as_str());
        }
    }
    accepted
}

fn is_accepted(method: &str, settings: &Registration, server: &ServerSettings) -> bool {
    match method {
        "none" | "client_secret_basic" | "client_secret_post" => true,
        "client_secret_jwt" => assertion_algorithms(settings).any(Algorithm::is_symmetric),
        "private_key_jwt" => {
            assertion_algorithms(settings).any(|algorithm| !algorithm.is_symmetric())
        }
        "tls_client_auth" => {
            (is_asked_for(server) && server.tls.client_ca.is_some()) || is_named(server)
        }
        "self_signed_tls_client_auth" => is_asked_for(server) || is_named(server),
        "attest_jwt_client_auth" => !settings.trusted_client_attesters.is_empty(),
        // Such a method can be registered, for use at an upstream server.
        _ => false,
    }
}

/// Returns the algorithms of client assertions that can be verified.
fn assertion_algorithms(settings: &Registration) -> impl Iterator<Item = Algorithm> {
    let names = &settings.token_endpoint_auth_signing_alg_values_supported;
    names.iter().filter_map(|name| Algorithm::parse(name))
}

/// Whether this server itself requests client certificates.
fn is_asked_for(server: &ServerSettings) -> bool {
    server.tls.is_on() && server.tls.client_certificates != ClientCertificates::Off
}

/// Whether a proxy can forward the certificate of a client. If this server has no authorities, the proxy
/// verifies it.
const fn is_named(server: &ServerSettings) -> bool {
    !server.trusted_proxies.is_empty() && !server.certificate_headers.is_empty()
}
