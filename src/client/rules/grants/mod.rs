//! Grant types and response types (RFC 7591 section 2.1, OpenID Connect Dynamic Client
//! Registration section 2).

use crate::client::{
    rules::Metadata, rules::Registration, rules::Rules, rules::Violation, rules::choice_of,
    rules::is_faulted, rules::is_item_faulted, rules::is_one_of, rules::item_violation,
    rules::items, rules::unsupported_rule, rules::violation,
};

/// The member with the grant types.
pub(super) const MEMBER: &str = "grant_types";
/// The grant that renews a token of another grant.
pub(super) const REFRESH: &str = "refresh_token";
/// Grants whose response redirects a browser.
pub(super) const REDIRECTING: &[&str] = &[CODE_GRANT, IMPLICIT];
const CODE_GRANT: &str = "authorization_code";
const IMPLICIT: &str = "implicit";
const CLIENT_CREDENTIALS: &str = "client_credentials";
const PASSWORD: &str = "password";

/// Returns the grant types that can be registered. `password` is included only if its option is
/// also enabled, and a redirecting grant only if a response type for it is supported.
pub(crate) fn supported_grants(settings: &Registration) -> Vec<String> {
    let mut grants = settings.grant_types_supported.clone();
    let password_is_on = settings.dynamic_registration_password_grant_type_enabled;
    grants.retain(|grant| grant != PASSWORD || password_is_on);
    if password_is_on && !is_one_of(&grants, PASSWORD) {
        grants.push(PASSWORD.to_owned());
    }
    grants.retain(|grant| can_answer(settings, grant));
    grants
}

/// Whether `grant` is one of the [`supported_grants`].
pub(super) fn is_supported_grant(settings: &Registration, grant: &str) -> bool {
    let is_supported = match grant {
        PASSWORD => settings.dynamic_registration_password_grant_type_enabled,
        _ => is_one_of(&settings.grant_types_supported, grant),
    };
    is_supported && can_answer(settings, grant)
}

fn can_answer(settings: &Registration, grant: &str) -> bool {
    let mut types = settings.response_types_supported.iter();
    !REDIRECTING.contains(&grant) || types.any(|one| uses_grant(one, grant))
}

/// Removes the grants whose response types were all left out, if other grants remain. The two lists
/// must stay consistent.
pub(super) fn let_go(dropped: &[String], metadata: &mut Metadata) {
    let mut kept = Vec::new();
    for grant in metadata.texts("grant_types") {
        let mut types = metadata.texts("response_types");
        let is_lost = REDIRECTING.contains(&grant)
            && dropped.iter().any(|one| uses_grant(one, grant))
            && !types.any(|one| uses_grant(one, grant));
        if !is_lost {
            kept.push(grant.to_owned());
        }
    }
    if !kept.is_empty() && metadata.has("grant_types") {
        metadata.set("grant_types", kept);
    }
}

/// Fills in the absent members. One member follows from the other. If both are absent, they become
/// `authorization_code` and `code` (RFC 7591 section 2).
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
        (false, true) => {
            // Nothing can be derived from response types that cannot be registered.
            let is_supported = |one: &str| is_supported_type(cx.settings, one);
            if metadata.texts("response_types").all(is_supported) {
                let grants = grants_for(cx, metadata);
                metadata.set("grant_types", grants);
            }
        }
        (false, false) => {
            metadata.set("grant_types", vec![CODE_GRANT]);
            metadata.set("response_types", vec!["code"]);
        }
    }
}

/// Returns the grant types of a client that names only its response types.
fn grants_for(cx: &Rules<'_>, metadata: &Metadata) -> Vec<&'static str> {
    let mut grants = REDIRECTING.to_vec();
    grants.retain(|grant| needs(cx, metadata, grant));
    if grants.is_empty() {
        grants.push(CODE_GRANT);
    }
    grants
}

/// Removes duplicates. A repeated type adds nothing, and the response shows it once.
fn drop_repeated(metadata: &mut Metadata, member: &str) {
    let mut kept: Vec<String> = Vec::new();
    let mut repeats = false;
    for text in metadata.texts(member) {
        if is_one_of(&kept, text) {
            repeats = true;
        } else {
            kept.push(text.to_owned());
        }
    }
    if repeats {
        metadata.set(member, kept);
    }
}

/// Checks that every grant and response type is supported, including the defaults, and that those
/// that belong together are both present.
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
        if !is_supported_grant(cx.settings, grant) && !is_item_faulted(found, "grant_types", index)
        {
            let supported = supported_grants(cx.settings);
            let rule = unsupported_rule(grant, &supported);
            found.push(item_violation("grant_types", index, rule));
        }
    }
    if !is_faulted(found, "grant_types") && metadata.texts("grant_types").next().is_none() {
        let supported = supported_grants(cx.settings);
        let rule = format!(
            "must contain at least one grant type; {}",
            choice_of(&supported)
        );
        found.push(violation("grant_types", rule));
    }
}

/// `dcrAuthorizationWithClientCredentials`: a client manages itself with a token that it obtains
/// with this grant.
fn check_own_tokens(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let is_needed = cx.settings.dcr_authorization_with_client_credentials;
    let has_grant = metadata.has_item("grant_types", CLIENT_CREDENTIALS);
    if is_needed && !has_grant && !is_faulted(found, "grant_types") {
        let rule = format!(
            "must contain {CLIENT_CREDENTIALS}, because clients manage themselves with a token of that grant"
        );
        found.push(violation("grant_types", rule));
    }
}

fn check_response_types(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let supported = &cx.settings.response_types_supported;
    for (index, response_type) in items(metadata, "response_types") {
        if !is_supported_type(cx.settings, response_type)
            && !is_item_faulted(found, "response_types", index)
        {
            let rule = unsupported_rule(response_type, supported);
            found.push(item_violation("response_types", index, rule));
        }
    }
}

/// Whether this response type is supported, in any order of its words.
pub(super) fn is_supported_type(settings: &Registration, response_type: &str) -> bool {
    let words = sorted_words(response_type);
    let mut supported = settings.response_types_supported.iter();
    supported.any(|one| sorted_words(one) == words)
}

/// Checks the table of RFC 7591 section 2.1 in both directions.
fn check_agreement(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    for (grant, example) in [(CODE_GRANT, "code"), (IMPLICIT, "token or id_token")] {
        let has_grant = metadata.has_item("grant_types", grant);
        let mut types = metadata.texts("response_types");
        let is_used = types.any(|response_type| uses_grant(response_type, grant));
        if needs(cx, metadata, grant) && !has_grant {
            let rule = format!(
                "must contain {grant}, which response_types requires; add it, or send response_types without \
                 {example} (empty, if the client does not use the authorization endpoint)"
            );
            found.push(violation("grant_types", rule));
        } else if has_grant && !is_used {
            let rule = format!(
                "must contain a response type with {example}, because grant_types has {grant}; \
                 add it, or remove {grant}"
            );
            found.push(violation("response_types", rule));
        }
    }
}

/// Whether a response type of the client requires `grant`.
fn needs(cx: &Rules<'_>, metadata: &Metadata, grant: &str) -> bool {
    metadata.texts("response_types").any(|response_type| {
        // The operator decides whether the values returned together with a code require the
        // implicit grant.
        let is_hybrid = grant == IMPLICIT && uses_grant(response_type, CODE_GRANT);
        uses_grant(response_type, grant) && (!is_hybrid || cx.settings.hybrid_needs_implicit_grant)
    })
}

/// Whether a part of the response for `response_type` belongs to `grant`.
fn uses_grant(response_type: &str, grant: &str) -> bool {
    let mut words = response_type.split(' ');
    match grant {
        CODE_GRANT => words.any(|word| word == "code"),
        IMPLICIT => words.any(|word| matches!(word, "token" | "id_token")),
        _ => false,
    }
}

/// Returns the response types of a client that names only its grants: one for each redirecting
/// grant.
fn response_types_for(cx: &Rules<'_>, metadata: &Metadata) -> Vec<String> {
    let mut types = Vec::new();
    if metadata.has_item("grant_types", CODE_GRANT) {
        types.push("code".to_owned());
    }
    if metadata.has_item("grant_types", IMPLICIT) {
        let mut supported = cx.settings.response_types_supported.iter();
        let implicit =
            supported.find(|one| uses_grant(one, IMPLICIT) && !uses_grant(one, CODE_GRANT));
        types.push(match implicit {
            Some(implicit) => implicit.clone(),
            None => "token".to_owned(),
        });
    }
    types
}

/// Returns the words of a response type in a fixed order, since their order does not matter (RFC
/// 6749 section 3.1.1).
fn sorted_words(response_type: &str) -> Vec<&str> {
    let mut words: Vec<&str> = response_type.split(' ').collect();
    words.sort_unstable();
    words
}

#[cfg(test)]
mod tests;
