//! The endpoints of this server, and the methods of client authentication that they accept (RFC 8414 section
//! 2). A method is listed if it can be registered, `token/client_authentication` supports it, and its proof
//! can reach this server.

use super::put_list;
use crate::config::settings::ServerSettings;
use crate::config::{ClientCertificates, Registration};
use crate::jose::Algorithm;
use crate::service::{Context, MetadataDocument};

/// Adds the endpoints of this server and the methods that they accept. If `[discovery]` names an endpoint on
/// another server, its members in `[discovery]` are kept.
pub(super) fn put(cx: &Context<'_>, document: &mut MetadataDocument) {
    let server = &cx.service.settings.server;
    let paths = &server.paths;
    let methods = methods(cx.settings(), server);
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
        super::put(document, name, cx.service.endpoint(path));
    }
    is_ours
}

/// RFC 8705 section 3.3: a token is bound to the certificate with which its client requests it.
fn put_bound_tokens(server: &ServerSettings, document: &mut MetadataDocument) {
    let name = "tls_client_certificate_bound_access_tokens";
    if is_asked_for(server) || is_named(server) {
        super::put(document, name, true);
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
    for algorithm in algorithms(settings) {
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
fn methods<'a>(settings: &'a Registration, server: &ServerSettings) -> Vec<&'a str> {
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
        "client_secret_jwt" => algorithms(settings).any(Algorithm::is_symmetric),
        "private_key_jwt" => algorithms(settings).any(|algorithm| !algorithm.is_symmetric()),
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
fn algorithms(settings: &Registration) -> impl Iterator<Item = Algorithm> {
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
