//! Grant types and response types (RFC 7591 section 2.1, OpenID Connect Dynamic Client
//! Registration section 2).

use super::Rules;
use super::report::{choice_of, is_faulted, is_item_faulted, item_violation, items, shown, violation};
use crate::client::Metadata;
use crate::config::Registration;
use crate::model::Violation;

/// Grants that answer by redirecting a browser.
pub(super) const REDIRECTING: &[&str] = &[CODE_GRANT, IMPLICIT];
const CODE_GRANT: &str = "authorization_code";
const IMPLICIT: &str = "implicit";
const CLIENT_CREDENTIALS: &str = "client_credentials";
const PASSWORD: &str = "password";

/// The grant types that can be registered: `password` only where its switch is on too, and one that
/// answers by redirecting only where a response type for it is supported.
pub fn supported_grants(settings: &Registration) -> Vec<String> {
    let mut grants = settings.grant_types_supported.clone();
    let password_is_on = settings.dynamic_registration_password_grant_type_enabled;
    grants.retain(|grant| grant != PASSWORD || password_is_on);
    if password_is_on && !grants.iter().any(|grant| grant == PASSWORD) {
        grants.push(PASSWORD.to_owned());
    }
    grants.retain(|grant| can_answer(settings, grant));
    grants
}

/// Whether `grant` is one of the [`supported_grants`].
pub(super) fn is_supported_grant(settings: &Registration, grant: &str) -> bool {
    let is_supported = match grant {
        PASSWORD => settings.dynamic_registration_password_grant_type_enabled,
        _ => settings.grant_types_supported.iter().any(|one| one == grant),
    };
    is_supported && can_answer(settings, grant)
}

fn can_answer(settings: &Registration, grant: &str) -> bool {
    !REDIRECTING.contains(&grant)
        || settings.response_types_supported.iter().any(|one| uses_grant(one, grant))
}

/// Takes away the grants whose response types were all left out, when others are left: what the
/// client can do was cut down on both sides, and both must still agree.
pub(super) fn let_go(dropped: &[String], metadata: &mut Metadata) {
    let is_lost = |grant: &&str| {
        REDIRECTING.contains(grant)
            && dropped.iter().any(|one| uses_grant(one, grant))
            && !metadata.texts("response_types").any(|one| uses_grant(one, grant))
    };
    let kept: Vec<String> =
        metadata.texts("grant_types").filter(|grant| !is_lost(grant)).map(str::to_owned).collect();
    if !kept.is_empty() && metadata.has("grant_types") {
        metadata.set("grant_types", kept);
    }
}

/// Fills in what is absent: one member follows from the other, and `authorization_code` with
/// `code` from nothing (RFC 7591 section 2).
pub(super) fn fill_in(cx: &Rules<'_>, metadata: &mut Metadata, found: &[Violation]) {
    if is_faulted(found, "grant_types") || is_faulted(found, "response_types") {
        return;
    }
    for member in ["grant_types", "response_types"] {
        drop_repeated(metadata, member);
    }
    match (metadata.has("grant_types"), metadata.has("response_types")) {
        (true, true) => {}
        (true, false) => {
            let types = response_types_for(cx, metadata);
            metadata.set("response_types", types);
        }
        // Nothing follows from what can not be registered.
        (false, true) if !metadata.texts("response_types").all(|one| is_supported_type(cx.settings, one)) => {
        }
        (false, true) => {
            let needed = [CODE_GRANT, IMPLICIT].map(|grant| (grant, needs(cx, metadata, grant)));
            let grants: Vec<&str> =
                needed.iter().filter(|(_, is_needed)| *is_needed).map(|(grant, _)| *grant).collect();
            metadata.set("grant_types", if grants.is_empty() { vec![CODE_GRANT] } else { grants });
        }
        (false, false) => {
            metadata.set("grant_types", vec![CODE_GRANT]);
            metadata.set("response_types", vec!["code"]);
        }
    }
}

/// A type that is there twice says no more than once; the answer shows it once.
fn drop_repeated(metadata: &mut Metadata, member: &str) {
    let mut kept: Vec<String> = Vec::new();
    let mut repeats = false;
    for text in metadata.texts(member) {
        if kept.iter().any(|one| one == text) {
            repeats = true;
        } else {
            kept.push(text.to_owned());
        }
    }
    if repeats {
        metadata.set(member, kept);
    }
}

/// Every grant and response type is supported, also those that nobody sent, and those that belong
/// together are both there.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    check_response_types(cx, metadata, found);
    if metadata.has("grant_types") || !is_faulted(found, "response_types") {
        check_grants(cx, metadata, found);
        check_own_tokens(cx, metadata, found);
    }
    if !is_faulted(found, "grant_types") && !is_faulted(found, "response_types") {
        check_agreement(cx, metadata, found);
    }
}

fn check_grants(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    for (index, grant) in items(metadata, "grant_types") {
        if !is_supported_grant(cx.settings, grant) && !is_item_faulted(found, "grant_types", index) {
            let supported = supported_grants(cx.settings);
            let rule = format!("`{}` is not supported; {}", shown(grant), choice_of(&supported));
            found.push(item_violation("grant_types", index, rule));
        }
    }
    if !is_faulted(found, "grant_types") && metadata.texts("grant_types").next().is_none() {
        let supported = supported_grants(cx.settings);
        let rule = format!("must hold at least one grant type; {}", choice_of(&supported));
        found.push(violation("grant_types", rule));
    }
}

/// `dcrAuthorizationWithClientCredentials`: a client manages itself with a token that it gets by
/// this grant.
fn check_own_tokens(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let is_needed = cx.settings.dcr_authorization_with_client_credentials;
    let has_grant = metadata.texts("grant_types").any(|grant| grant == CLIENT_CREDENTIALS);
    if is_needed && !has_grant && !is_faulted(found, "grant_types") {
        let rule = format!(
            "must hold {CLIENT_CREDENTIALS}: here a client manages itself with a token of that grant"
        );
        found.push(violation("grant_types", rule));
    }
}

fn check_response_types(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let supported = &cx.settings.response_types_supported;
    for (index, response_type) in items(metadata, "response_types") {
        if !is_supported_type(cx.settings, response_type) && !is_item_faulted(found, "response_types", index)
        {
            let rule = format!("`{}` is not supported; {}", shown(response_type), choice_of(supported));
            found.push(item_violation("response_types", index, rule));
        }
    }
}

/// Whether this response type is supported, in whatever order its words are.
pub(super) fn is_supported_type(settings: &Registration, response_type: &str) -> bool {
    let words = sorted_words(response_type);
    settings.response_types_supported.iter().any(|one| sorted_words(one) == words)
}

/// The table of RFC 7591 section 2.1, in both directions.
fn check_agreement(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    for (grant, example) in [(CODE_GRANT, "code"), (IMPLICIT, "token or id_token")] {
        let has_grant = metadata.texts("grant_types").any(|one| one == grant);
        let is_used = metadata.texts("response_types").any(|response_type| uses_grant(response_type, grant));
        if needs(cx, metadata, grant) && !has_grant {
            let rule =
                format!("must hold {grant}, which response_types asks for; add it, or change response_types");
            found.push(violation("grant_types", rule));
        } else if has_grant && !is_used {
            let rule = format!(
                "must hold a response type with {example}, because grant_types has {grant}; add it, or take {grant} away"
            );
            found.push(violation("response_types", rule));
        }
    }
}

/// Whether a response type of the client can only be answered with `grant`.
fn needs(cx: &Rules<'_>, metadata: &Metadata, grant: &str) -> bool {
    metadata.texts("response_types").any(|response_type| {
        // What comes back beside a code is of its grant where the operator says so.
        let is_hybrid = grant == IMPLICIT && uses_grant(response_type, CODE_GRANT);
        uses_grant(response_type, grant) && (!is_hybrid || cx.settings.hybrid_needs_implicit_grant)
    })
}

/// Whether a part of the answer to `response_type` is of `grant`.
fn uses_grant(response_type: &str, grant: &str) -> bool {
    let mut words = response_type.split(' ');
    match grant {
        CODE_GRANT => words.any(|word| word == "code"),
        IMPLICIT => words.any(|word| matches!(word, "token" | "id_token")),
        _ => false,
    }
}

/// The response types of a client that names only its grants: one for each that redirects.
fn response_types_for(cx: &Rules<'_>, metadata: &Metadata) -> Vec<String> {
    let has = |grant: &str| metadata.texts("grant_types").any(|one| one == grant);
    let mut types = Vec::new();
    if has(CODE_GRANT) {
        types.push("code".to_owned());
    }
    if has(IMPLICIT) {
        let is_implicit = |one: &&String| uses_grant(one, IMPLICIT) && !uses_grant(one, CODE_GRANT);
        let supported = cx.settings.response_types_supported.iter().find(is_implicit);
        types.push(supported.cloned().unwrap_or_else(|| "token".to_owned()));
    }
    types
}

/// The words of a response type without their order, which does not matter (RFC 6749 section 3.1.1).
fn sorted_words(response_type: &str) -> Vec<&str> {
    let mut words: Vec<&str> = response_type.split(' ').collect();
    words.sort_unstable();
    words
}

#[cfg(test)]
mod tests;
