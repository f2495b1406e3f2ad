//! Grant types and response types (RFC 7591 section 2.1, OpenID Connect Dynamic Client
//! Registration section 2; standards A30–A35, C2).

use super::Rules;
use super::report::{choice_of, is_faulted, item_violation, items, shown, violation};
use crate::client::Metadata;
use crate::model::Violation;

/// Grants that answer by redirecting a browser.
pub(super) const REDIRECTING: &[&str] = &[CODE_GRANT, IMPLICIT];
const CODE_GRANT: &str = "authorization_code";
const IMPLICIT: &str = "implicit";
const CLIENT_CREDENTIALS: &str = "client_credentials";
const PASSWORD: &str = "password";

/// The grant types that can be registered: `password` only where its switch is on too.
pub fn supported_grants(settings: &crate::config::Registration) -> Vec<String> {
    let mut grants = settings.grant_types_supported.clone();
    let password_is_on = settings.dynamic_registration_password_grant_type_enabled;
    grants.retain(|grant| grant != PASSWORD || password_is_on);
    if password_is_on && !grants.iter().any(|grant| grant == PASSWORD) {
        grants.push(PASSWORD.to_owned());
    }
    grants
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
        (false, true) if !metadata.texts("response_types").all(|one| is_supported(cx, one)) => {}
        (false, true) => {
            let needed = [CODE_GRANT, IMPLICIT].map(|grant| (grant, needs(metadata, grant)));
            let grants: Vec<&str> =
                needed.iter().filter(|(_, is_needed)| *is_needed).map(|(grant, _)| *grant).collect();
            metadata.set("grant_types", grants);
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

/// Every grant and response type is supported, and those that belong together are both there.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    check_response_types(cx, metadata, found);
    if metadata.has("grant_types") || !is_faulted(found, "response_types") {
        check_grants(cx, metadata, found);
        check_own_tokens(cx, metadata, found);
    }
    if !is_faulted(found, "grant_types") && !is_faulted(found, "response_types") {
        check_agreement(metadata, found);
    }
}

fn check_grants(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let supported = supported_grants(cx.settings);
    for (index, grant) in items(metadata, "grant_types") {
        if !grant.is_empty() && !supported.iter().any(|one| one == grant) {
            let rule = format!("`{}` is not supported; {}", shown(grant), choice_of(&supported));
            found.push(item_violation("grant_types", index, rule));
        }
    }
    if !is_faulted(found, "grant_types") && metadata.texts("grant_types").next().is_none() {
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
        if !response_type.is_empty() && !is_supported(cx, response_type) {
            let rule = format!("`{}` is not supported; {}", shown(response_type), choice_of(supported));
            found.push(item_violation("response_types", index, rule));
        }
    }
}

/// Whether this response type is supported, in whatever order its words are.
fn is_supported(cx: &Rules<'_>, response_type: &str) -> bool {
    let words = sorted_words(response_type);
    cx.settings.response_types_supported.iter().any(|one| sorted_words(one) == words)
}

/// The table of RFC 7591 section 2.1, in both directions.
fn check_agreement(metadata: &Metadata, found: &mut Vec<Violation>) {
    for (grant, example) in [(CODE_GRANT, "code"), (IMPLICIT, "token or id_token")] {
        let has_grant = metadata.texts("grant_types").any(|one| one == grant);
        let is_needed = needs(metadata, grant);
        if is_needed && !has_grant {
            let rule =
                format!("must hold {grant}, which response_types asks for; add it, or change response_types");
            found.push(violation("grant_types", rule));
        } else if has_grant && !is_needed {
            let rule = format!(
                "must hold a response type with {example}, because grant_types has {grant}; add it, or take {grant} away"
            );
            found.push(violation("response_types", rule));
        }
    }
}

/// Whether a response type of the client can only be answered with `grant`.
fn needs(metadata: &Metadata, grant: &str) -> bool {
    metadata.texts("response_types").any(|response_type| needs_grant(response_type, grant))
}

fn needs_grant(response_type: &str, grant: &str) -> bool {
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
        let is_implicit = |one: &&String| needs_grant(one, IMPLICIT) && !needs_grant(one, CODE_GRANT);
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
mod tests {
    use serde_json::json;

    use crate::client::rules::testing::{check, check_with};
    use crate::config::Registration;

    fn hybrid() -> Registration {
        let mut settings = Registration::default();
        settings.grant_types_supported.push("implicit".to_owned());
        let types = ["id_token token", "id_token", "code id_token"];
        settings.response_types_supported.extend(types.map(str::to_owned));
        settings
    }

    #[test]
    fn one_member_follows_from_the_other() {
        check(json!({}), Ok(json!({"grant_types": ["authorization_code"], "response_types": ["code"]})));
        check(json!({"grant_types": ["client_credentials"]}), Ok(json!({"response_types": []})));
        check(
            json!({"grant_types": ["refresh_token", "authorization_code"]}),
            Ok(json!({"response_types": ["code"]})),
        );
        check_with(
            &hybrid(),
            json!({"grant_types": ["implicit"]}),
            Ok(json!({"response_types": ["id_token token"]})),
        );
        check_with(
            &hybrid(),
            json!({"response_types": ["id_token"]}),
            Ok(json!({"grant_types": ["implicit"]})),
        );
        check_with(
            &hybrid(),
            json!({"response_types": ["code id_token"]}),
            Ok(json!({"grant_types": ["authorization_code", "implicit"]})),
        );
    }

    #[test]
    fn members_that_disagree_are_refused() {
        let client =
            |grants: &[&str], types: &[&str]| json!({"grant_types": grants, "response_types": types});
        check_with(
            &hybrid(),
            client(&["authorization_code"], &["id_token"]),
            Err(&["grant_types: implicit", "response_types: authorization_code"]),
        );
        check_with(
            &hybrid(),
            client(&["implicit"], &["code"]),
            Err(&["grant_types: add it", "response_types: take implicit away"]),
        );
        check_with(
            &hybrid(),
            client(&["authorization_code"], &["code id_token"]),
            Err(&["grant_types: implicit"]),
        );
        check(client(&["authorization_code"], &[]), Err(&["response_types: code"]));
        check(client(&["client_credentials"], &["code"]), Err(&["grant_types: authorization_code"]));
    }

    #[test]
    fn the_order_of_words_does_not_matter_and_is_kept() {
        for words in ["token id_token", "id_token token"] {
            let client = json!({"grant_types": ["implicit"], "response_types": [words]});
            check_with(&hybrid(), client.clone(), Ok(client));
        }
    }

    #[test]
    fn only_what_is_supported_can_be_registered() {
        check(json!({"grant_types": []}), Err(&["grant_types: at least one"]));
        check(json!({"response_types": []}), Err(&["grant_types: at least one"]));
        check(
            json!({"grant_types": ["foo"]}),
            Err(&["grant_types[0]: supports authorization_code, refresh_token"]),
        );
        check(
            json!({"response_types": ["token"]}),
            Err(&["response_types[0]: supports only code"]),
        );
        check(json!({"response_types": 5}), Err(&["response_types: an array"]));
        check(json!({"response_types": ["code", "code code"]}), Err(&["response_types[1]: not supported"]));
        check(
            json!({"grant_types": ["implicit"]}),
            Err(&["grant_types[0]: not supported", "response_types[0]: not"]),
        );
    }

    #[test]
    fn a_client_that_manages_itself_with_access_tokens_can_get_them() {
        let settings =
            Registration { dcr_authorization_with_client_credentials: true, ..Registration::default() };
        check_with(&settings, json!({}), Err(&["grant_types: must hold client_credentials"]));
        check_with(
            &settings,
            json!({"grant_types": ["authorization_code", "client_credentials"]}),
            Ok(json!({"response_types": ["code"]})),
        );
    }

    #[test]
    fn the_password_grant_has_a_switch() {
        let mut settings = Registration::default();
        settings.grant_types_supported.push("password".to_owned());
        let client = json!({"grant_types": ["password"]});
        check_with(&settings, client.clone(), Err(&["grant_types[0]: not supported"]));
        settings.dynamic_registration_password_grant_type_enabled = true;
        check_with(&settings, client, Ok(json!({"response_types": []})));
    }
}
