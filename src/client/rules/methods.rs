//! How a client authenticates at the token endpoint (RFC 7591 section 2, OpenID Connect Core
//! section 9, RFC 8705 section 2).

use super::Rules;
use super::algorithms::is_symmetric;
use super::report::{is_faulted, items, unsupported, violation};
use crate::client::Metadata;
use crate::model::Violation;

const METHOD: &str = "token_endpoint_auth_method";
const SIGNING: &str = "token_endpoint_auth_signing_alg";

/// The method is supported and has what it needs.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let supported = &cx.settings.token_endpoint_auth_methods_supported;
    let Some(method) = metadata.text(METHOD) else { return };
    if !supported.iter().any(|one| one == method) {
        found.push(unsupported(METHOD, method, supported));
        return;
    }
    for (_, method) in items(metadata, "additional_token_endpoint_auth_methods") {
        if !supported.iter().any(|one| one == method) {
            found.push(unsupported("additional_token_endpoint_auth_methods", method, supported));
        }
    }
    check_keys(method, metadata, found);
    if metadata.text(SIGNING).is_some_and(|alg| alg == "none" || !can_sign(metadata, alg))
        && !is_faulted(found, SIGNING)
    {
        let rule = match method {
            "client_secret_jwt" => "must be an HMAC algorithm such as HS256 with client_secret_jwt",
            _ => "must be an asymmetric algorithm such as ES256 with private_key_jwt",
        };
        found.push(violation(SIGNING, rule));
    }
    // RFC 6749 section 4.4: this grant is for clients that can prove who they are.
    if method == "none" && metadata.texts("grant_types").any(|grant| grant == "client_credentials") {
        let rule = "can not be none with the grant type client_credentials; choose a method with which the client proves itself";
        found.push(violation(METHOD, rule));
    }
}

/// Whether `alg` can sign the assertions of the client's method.
pub(super) fn can_sign(metadata: &Metadata, alg: &str) -> bool {
    match metadata.text(METHOD) {
        Some("client_secret_jwt") => is_symmetric(alg),
        Some("private_key_jwt") => !is_symmetric(alg),
        _ => true,
    }
}

fn check_keys(method: &str, metadata: &Metadata, found: &mut Vec<Violation>) {
    let needs_keys = matches!(method, "private_key_jwt" | "self_signed_tls_client_auth");
    let has_keys = metadata.has("jwks") || metadata.has("jwks_uri");
    if needs_keys && !has_keys {
        let rule = format!("needs the client's public keys: send jwks_uri or jwks with {method}");
        found.push(violation(METHOD, rule));
    }
}
