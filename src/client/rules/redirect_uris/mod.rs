//! Redirect URIs (RFC 7591 section 5, OpenID Connect Dynamic Client Registration section 2, RFC
//! 8252, RFC 9700 section 2.1).
//!
//! Nothing is normalised, because the authorization server later compares the exact characters.

use super::{application::Application, uri, uri::Uri};
use crate::client::{
    rules::Metadata, rules::Rules, rules::Violation, rules::grants, rules::is_faulted,
    rules::is_item_faulted, rules::items, rules::redirect_pattern::is_allowed,
    rules::redirect_pattern::is_denied, rules::report_item_fault, rules::violation,
};

/// Where a browser may be sent with a response, and where it may be sent only after a logout.
pub(super) const ANSWERED: &[&str] = &[
    "redirect_uris",
    "claims_redirect_uris",
    "claims_redirect_uri",
];
const AFTER_LOGOUT: &str = "post_logout_redirect_uris";

/// Checks that only the client can receive a browser at each of the redirect URIs.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    check_presence(metadata, found);
    let application = Application::of(metadata, found);
    for member in ANSWERED.iter().chain([&AFTER_LOGOUT]) {
        check_list(cx, application, (member, metadata), found);
    }
    check_regex(cx, metadata, found);
}

/// Checks `redirect_uris_regex`. An authorization server that supports it accepts more redirect
/// URIs, which no rule can check in advance.
fn check_regex(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let member = "redirect_uris_regex";
    if !metadata.has(member) || is_faulted(found, member) {
        return;
    }
    let policy = cx.initial_access;
    let is_bounded = policy.is_some_and(|policy| policy.redirect_hosts.is_some());
    let rule = if !cx.settings.redirect_uris_regex_enabled {
        "is disabled on this server (redirectUrisRegexEnabled); register each redirect URI"
    } else if is_bounded || !cx.settings.redirect_uri_allow_list.is_empty() {
        "is not allowed if redirect URIs are restricted; register each redirect URI"
    } else {
        return;
    };
    found.push(violation(member, rule));
}

/// RFC 7591 section 2: clients that use a redirecting grant must register redirect URIs.
fn check_presence(metadata: &Metadata, found: &mut Vec<Violation>) {
    if is_faulted(found, "grant_types") || is_faulted(found, "redirect_uris") {
        return;
    }
    let mut grants = metadata.texts("grant_types");
    let redirecting = grants.find(|grant| grants::REDIRECTING.contains(grant));
    if let (Some(grant), None) = (redirecting, items(metadata, "redirect_uris").next()) {
        let rule = format!(
            "must contain at least one URI, because grant_types has {grant}, which redirects to it"
        );
        found.push(violation("redirect_uris", rule));
    }
}

fn check_list(
    cx: &Rules<'_>,
    application: Application,
    (member, metadata): (&str, &Metadata),
    found: &mut Vec<Violation>,
) {
    let mut seen = Vec::new();
    for (index, text) in items(metadata, member) {
        if is_item_faulted(found, member, index) {
            continue;
        }
        let fault = if seen.contains(&text) {
            Some("is a duplicate; remove it".to_owned())
        } else {
            fault(cx, application, member, text)
        };
        report_item_fault(member, index, fault, found);
        seen.push(text);
    }
}

fn fault(cx: &Rules<'_>, application: Application, member: &str, text: &str) -> Option<String> {
    let uri = match uri::parse(text) {
        Ok(uri) => uri,
        Err(rule) => return Some(rule),
    };
    // RFC 6749 section 3.1.2.
    if uri.fragment.is_some() {
        return Some("must not have a fragment (#..)".to_owned());
    }
    if let Some(rule) = pattern_fault(cx, &uri) {
        return Some(rule.to_owned());
    }
    if is_denied(&uri, &cx.settings.redirect_uri_deny_list) {
        return Some("is denied by this server's redirectUriDenyList".to_owned());
    }
    if member != AFTER_LOGOUT && !is_allowed(&uri, &cx.settings.redirect_uri_allow_list) {
        return Some("is not in this server's redirectUriAllowList".to_owned());
    }
    application.fault(cx, &uri).map(str::to_owned)
}

/// Rejects a URI that a server may treat as a pattern. For example, Keycloak accepts every URI that
/// begins like a registered one that ends with a star.
pub(super) fn pattern_fault(cx: &Rules<'_>, uri: &Uri) -> Option<&'static str> {
    let is_refused = uri.has_wildcard && !cx.settings.redirect_uri_wildcards_enabled;
    is_refused.then_some(
        "must not have a * in its path, because some servers treat it as a pattern; register each URI, \
         or write %2A for a literal star (redirectUriWildcardsEnabled is disabled on this server)",
    )
}

#[cfg(test)]
mod tests;
