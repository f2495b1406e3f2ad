//! Redirect URIs (RFC 7591 section 5, OpenID Connect Dynamic Client Registration section 2, RFC
//! 8252, RFC 9700 section 2.1; standards A80–A87, C3–C6, C40).
//!
//! Nothing is normalised: later the authorization server compares the very characters.

use super::redirect_pattern::{is_allowed, is_denied};
use super::report::{is_faulted, is_item_faulted, item_violation, items, violation};
use super::uri::{self, Uri};
use super::{Rules, grants};
use crate::client::Metadata;
use crate::model::Violation;

/// Where a browser may be sent with an answer, and where only after a logout.
const ANSWERED: &[&str] = &["redirect_uris", "claims_redirect_uris", "claims_redirect_uri"];
const AFTER_LOGOUT: &str = "post_logout_redirect_uris";

/// Every URI that a browser is redirected to is one that only the client can receive.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    check_presence(metadata, found);
    let application = Application::of(metadata, found);
    for member in ANSWERED.iter().chain([&AFTER_LOGOUT]) {
        check_list(cx, application, (member, metadata), found);
    }
    check_regex(cx, metadata, found);
}

/// An authorization server that heeds `redirect_uris_regex` takes it for more redirect URIs, which no
/// rule can look at beforehand.
fn check_regex(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let member = "redirect_uris_regex";
    if !metadata.has(member) || is_faulted(found, member) {
        return;
    }
    let is_bounded = cx.initial_access.is_some_and(|policy| policy.redirect_hosts.is_some());
    let rule = if !cx.settings.redirect_uris_regex_enabled {
        "is not supported here (redirectUrisRegexEnabled); register each redirect URI"
    } else if is_bounded || !cx.settings.redirect_uri_allow_list.is_empty() {
        "is not possible where only some redirect URIs are allowed; register each of them"
    } else {
        return;
    };
    found.push(violation(member, rule));
}

/// RFC 7591 section 2: clients of grants that redirect must register where to.
fn check_presence(metadata: &Metadata, found: &mut Vec<Violation>) {
    if is_faulted(found, "grant_types") || is_faulted(found, "redirect_uris") {
        return;
    }
    let redirecting = metadata.texts("grant_types").find(|grant| grants::REDIRECTING.contains(grant));
    if let (Some(grant), None) = (redirecting, items(metadata, "redirect_uris").next()) {
        let rule = format!("must hold at least one URI, because the grant type {grant} redirects to it");
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
            Some("is there twice".to_owned())
        } else {
            fault(cx, application, member, text)
        };
        found.extend(fault.map(|rule| item_violation(member, index, rule)));
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
    if is_denied(&uri, &cx.settings.redirect_uri_deny_list) {
        return Some("is denied by this server's redirectUriDenyList".to_owned());
    }
    if member != AFTER_LOGOUT && !is_allowed(&uri, &cx.settings.redirect_uri_allow_list) {
        return Some("is not in this server's redirectUriAllowList".to_owned());
    }
    application.fault(cx, &uri)
}

/// What `application_type` says about redirection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Application {
    /// `web`
    Web {
        /// Whether answers come back in the fragment, where a local page could read them.
        is_implicit: bool,
    },
    /// `native`
    Native,
    /// Something that has been reported.
    Unknown,
}

impl Application {
    /// The application that `metadata` describes.
    pub(super) fn of(metadata: &Metadata, found: &[Violation]) -> Self {
        match metadata.text("application_type") {
            _ if is_faulted(found, "application_type") => Self::Unknown,
            Some("native") => Self::Native,
            Some("web") => {
                Self::Web { is_implicit: metadata.texts("grant_types").any(|grant| grant == "implicit") }
            }
            _ => Self::Unknown,
        }
    }

    /// What speaks against redirecting such an application to `uri`.
    pub(super) fn fault(self, cx: &Rules<'_>, uri: &Uri) -> Option<String> {
        let rule = match self {
            Self::Web { is_implicit } => web_fault(uri, is_implicit)?,
            Self::Native => native_fault(cx, uri)?,
            Self::Unknown => return None,
        };
        Some(rule.to_owned())
    }
}

fn web_fault(uri: &Uri, is_implicit: bool) -> Option<&'static str> {
    match uri.scheme.as_str() {
        // OpenID Connect Dynamic Client Registration section 2, application_type.
        "https" if is_implicit && uri.is_localhost() => {
            Some("must not be on localhost, because a web client uses the implicit grant")
        }
        "https" => None,
        // RFC 9700 section 2.6.
        "http" => {
            Some("must be https; http is only for loopback URIs of clients with application_type native")
        }
        _ => Some("must be https; other schemes are only for clients with application_type native"),
    }
}

fn native_fault(cx: &Rules<'_>, uri: &Uri) -> Option<&'static str> {
    match uri.scheme.as_str() {
        "http" if uri.is_loopback() => None,
        "http" => Some("must be on localhost, 127.0.0.1 or [::1] when it is http"),
        // RFC 8252 section 7.2 allows what OpenID Connect forbids; the operator chooses.
        "https" if cx.settings.native_allow_https => None,
        "https" => {
            Some("must be http on loopback or a private-use scheme; this server has nativeAllowHttps off")
        }
        // RFC 8252 section 7.1: a scheme is a domain name of the application's maker, backwards.
        scheme if scheme.contains('.') || cx.settings.allow_private_use_uri_schemes_without_dot => None,
        _ => Some("must have a private-use scheme with a dot, such as com.example.app:/callback"),
    }
}

#[cfg(test)]
mod tests;
