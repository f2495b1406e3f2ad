//! How the client of a document authenticates, and that nothing in the document needs a shared secret.

use serde_json::Value;

use crate::client::{
    rules::Metadata, rules::Rules, rules::Violation, rules::algorithms::ALGORITHMS,
    rules::algorithms::is_symmetric, rules::is_one_of, rules::methods, rules::methods::FURTHER,
    rules::methods::METHOD, rules::violation,
};
use crate::config::ClientDocumentDefaultAuthMethod;

/// The list of all methods that the client can use (OpenID Connect RP Metadata Choices 1.0).
const OFFERED: &str = "token_endpoint_auth_methods_supported";

/// Whether a client proves its identity with `method` by a secret that it shares with the server.
fn shares_a_secret(method: &str) -> bool {
    matches!(
        method,
        "client_secret_basic" | "client_secret_post" | "client_secret_jwt"
    )
}

/// Narrows the methods of the document to what this server supports. Its preferred method is used if it is
/// supported, even if the client then lacks something: another method of the list could be weaker.
pub(super) fn choose(cx: &Rules<'_>, metadata: &mut Metadata, found: &mut Vec<Violation>) {
    if metadata.text(METHOD).is_some_and(shares_a_secret) {
        let rule = "must not use a shared secret, because everyone can read a client document; \
                    use private_key_jwt or none";
        found.push(violation(METHOD, rule));
        return;
    }
    drop_secrets(FURTHER, metadata);
    let offered_any = metadata.texts(OFFERED).next().is_some();
    drop_secrets(OFFERED, metadata);
    narrow(cx, metadata);
    // A value of another type is reported by the rules for types.
    if metadata.has(METHOD) || metadata.has(OFFERED) {
        return;
    }
    if offered_any {
        let rule = "contains only methods with a shared secret, which a client document cannot have; \
                    add private_key_jwt or none";
        found.push(violation(OFFERED, rule));
        return;
    }
    match cx.settings.client_document_default_auth_method {
        ClientDocumentDefaultAuthMethod::None => metadata.set(METHOD, "none"),
        ClientDocumentDefaultAuthMethod::Refuse => {
            let rule = "is missing; this server requires it in every client document \
                        (clientDocumentDefaultAuthMethod)";
            found.push(violation(METHOD, rule));
        }
    }
}

/// Removes the list if the preferred method is supported, and the preferred method if only others are.
fn narrow(cx: &Rules<'_>, metadata: &mut Metadata) {
    let supported = methods::supported_methods(cx.settings);
    let Some(wanted) = metadata.text(METHOD) else {
        return;
    };
    if is_one_of(&supported, wanted) {
        metadata.remove(OFFERED);
    } else if metadata
        .texts(OFFERED)
        .any(|method| is_one_of(&supported, method))
    {
        metadata.remove(METHOD);
    }
}

/// Removes the methods with a shared secret from the list `name`, and the list if no other method is in it.
fn drop_secrets(name: &str, metadata: &mut Metadata) {
    if !metadata.texts(name).any(shares_a_secret) {
        return;
    }
    let mut kept = Vec::new();
    for method in metadata.texts(name) {
        if !shares_a_secret(method) {
            kept.push(method.to_owned());
        }
    }
    if kept.is_empty() {
        metadata.remove(name);
    } else {
        metadata.set(name, kept);
    }
}

/// Rejects algorithms whose key is the client's secret, and leaves them out of lists.
pub(super) fn refuse_secrets(cx: &Rules<'_>, metadata: &mut Metadata, found: &mut Vec<Violation>) {
    for algorithm in ALGORITHMS {
        if let Some(alg) = metadata.text(algorithm.member)
            && is_symmetric(alg)
        {
            let rule = format!(
                "must not be {alg}, whose key is a client secret; a client document has none"
            );
            found.push(violation(algorithm.member, rule));
        }
        if !metadata.texts(algorithm.choices).any(is_symmetric) {
            continue;
        }
        let mut kept = Vec::new();
        for alg in metadata.texts(algorithm.choices) {
            if !is_symmetric(alg) {
                kept.push(alg.to_owned());
            }
        }
        if kept.is_empty() {
            let rule =
                "contains only algorithms whose key is a client secret; a client document has none";
            found.push(violation(algorithm.choices, rule));
        } else {
            metadata.set(algorithm.choices, kept);
        }
    }
    avoid_secret_default(cx, metadata);
}

/// Sets the algorithm of ID tokens if the default of this server needs a client secret.
fn avoid_secret_default(cx: &Rules<'_>, metadata: &mut Metadata) {
    let (member, list) = (
        "id_token_signed_response_alg",
        "id_token_signing_alg_values_supported",
    );
    let is_usable = !is_symmetric(&cx.settings.default_signature_algorithm);
    if is_usable || metadata.has(member) || metadata.has(list) {
        return;
    }
    let supported = &cx.settings.id_token_signing_alg_values_supported;
    let public = supported
        .iter()
        .find(|alg| !is_symmetric(alg) && alg.as_str() != "none");
    if let Some(alg) = public {
        metadata.set(member, Value::from(alg.as_str()));
    }
}
