//! How a client authenticates at the token endpoint (RFC 7591 section 2, OpenID Connect Core
//! section 9, RFC 8705 section 2).

use super::{algorithms::ALGORITHMS, algorithms::is_symmetric};
use crate::client::{
    rules::Metadata, rules::Registration, rules::Rules, rules::Violation, rules::is_faulted,
    rules::is_item_faulted, rules::is_one_of, rules::items, rules::keys, rules::report_fault,
    rules::tls, rules::unsupported, rules::violation,
};

pub(super) const METHOD: &str = "token_endpoint_auth_method";
pub(super) const FURTHER: &str = "additional_token_endpoint_auth_methods";
pub(super) const SIGNING: &str = "token_endpoint_auth_signing_alg";

/// Returns the methods that can be registered. `attest_jwt_client_auth` is included only if a
/// client attester is trusted.
pub(crate) fn supported_methods(settings: &Registration) -> Vec<String> {
    let has_attesters = !settings.trusted_client_attesters.is_empty();
    let mut methods = settings.token_endpoint_auth_methods_supported.clone();
    methods.retain(|method| has_attesters || method != "attest_jwt_client_auth");
    methods
}

/// Checks that the method is supported and that its requirements are met.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let supported = &supported_methods(cx.settings);
    let Some(method) = metadata.text(METHOD) else {
        return;
    };
    if !is_one_of(supported, method) {
        found.push(unsupported(METHOD, method, supported));
        return;
    }
    check_needs(cx, METHOD, method, metadata, found);
    for (index, method) in items(metadata, FURTHER) {
        if !is_item_faulted(found, FURTHER, index) {
            check_needs(cx, &format!("{FURTHER}[{index}]"), method, metadata, found);
        }
    }
    if let Some(alg) = metadata.text(SIGNING)
        && (alg == "none" || !can_sign(metadata, alg))
        && !is_faulted(found, SIGNING)
    {
        let rule = match method {
            "client_secret_jwt" => "must be an HMAC algorithm such as HS256 with client_secret_jwt",
            _ => "must be an asymmetric algorithm such as ES256 with private_key_jwt",
        };
        found.push(violation(SIGNING, rule));
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

/// Whether the client uses `method`, as its main method or as an additional one.
pub(super) fn uses(metadata: &Metadata, method: &str) -> bool {
    metadata.text(METHOD) == Some(method) || metadata.has_item(FURTHER, method)
}

/// Whether the other members meet the requirements of `method`.
pub(super) fn has_what_it_needs(cx: &Rules<'_>, metadata: &Metadata, method: &str) -> bool {
    let mut missing = Vec::new();
    check_needs(cx, METHOD, method, metadata, &mut missing);
    missing.is_empty() && (method != "tls_client_auth" || tls::has_subject(metadata))
}

/// Checks what `method`, which is the value at `place`, requires of the other members.
fn check_needs(
    cx: &Rules<'_>,
    place: &str,
    method: &str,
    metadata: &Metadata,
    found: &mut Vec<Violation>,
) {
    if !is_faulted(found, "jwks") {
        report_fault(place, keys::method_fault(cx, metadata, method), found);
    }
    // RFC 6749 section 4.4: this grant is only for confidential clients.
    if method == "none"
        && metadata
            .texts("grant_types")
            .any(|grant| grant == "client_credentials")
    {
        let rule = "cannot be none with the grant type client_credentials; \
                    choose a method that authenticates the client";
        found.push(violation(place, rule));
    }
}

/// Whether a client with this metadata needs a secret for its authentication method, or for an
/// algorithm that uses the secret as its key (OpenID Connect Dynamic Client Registration section
/// 3.2).
pub(crate) fn needs_secret(metadata: &Metadata) -> bool {
    member_with_secret(metadata).is_some()
}

/// Returns the first member whose value needs a secret.
pub(super) fn member_with_secret(metadata: &Metadata) -> Option<&'static str> {
    let is_of_secret = |method: &str| {
        matches!(
            method,
            "client_secret_basic" | "client_secret_post" | "client_secret_jwt"
        )
    };
    let method = metadata.text(METHOD);
    if method.is_some_and(is_of_secret) {
        return Some(METHOD);
    }
    if metadata.texts(FURTHER).any(is_of_secret) {
        return Some(FURTHER);
    }
    for algorithm in ALGORITHMS {
        // The algorithm of client assertions matters only with the method that uses it.
        if algorithm.member != SIGNING
            && let Some(alg) = metadata.text(algorithm.member)
            && is_symmetric(alg)
        {
            return Some(algorithm.member);
        }
    }
    None
}
