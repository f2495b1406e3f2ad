//! `discovery.upstream`: the upstream authorization server.

use serde_json::Value;
use url::Url;

use crate::config::{Live, Settings, UPSTREAM, Verdict};

const KEY: &str = "discovery.upstream";

/// Checks that the value is a valid URL, and not the URL of this server.
pub(super) fn check(settings: &Settings, verdict: &mut Verdict) {
    let Some(value) = settings.discovery.get(UPSTREAM) else {
        return;
    };
    let text = value.as_str().unwrap_or_default();
    let url = match Url::parse(text) {
        Ok(url) if is_plain(&url) => url,
        _ => {
            let reason =
                "must be the URL of an authorization server, such as https://as.example.org";
            return verdict.refuse(KEY, reason);
        }
    };
    if url.scheme() == "http" {
        verdict.warn(
            KEY,
            "is fetched over http: an attacker on the network can change the published metadata; use https",
        );
    }
    let upstream = text.trim_end_matches('/');
    if settings.server.issuer.as_deref() == Some(upstream) {
        let reason = "is the URL of this server, which would fetch its own metadata; \
                      set the address of the upstream server behind the proxy";
        verdict.refuse(KEY, reason);
    }
    if let Some(Value::String(_)) = settings.discovery.get("issuer") {
        verdict.warn(
            "discovery.issuer",
            "is ignored: the published issuer is always server.issuer",
        );
    }
}

/// Returns a warning if the published metadata has no authorization endpoint although clients can register
/// for grants that need one.
pub(super) fn advice(settings: &Settings, live: &Live) -> Option<String> {
    let name = "authorization_endpoint";
    let is_known =
        settings.discovery.contains_key(UPSTREAM) || settings.discovery.contains_key(name);
    let begins_there = |grant: &String| matches!(grant.as_str(), "authorization_code" | "implicit");
    let mut grants = live.registration.grant_types_supported.iter();
    if is_known || !grants.any(begins_there) {
        return None;
    }
    Some(format!(
        "discovery.{name}: is not set, so clients cannot find a page for users to log in; set it, or \
         discovery.upstream, to the authorization server that uses these clients"
    ))
}

pub(super) fn is_plain(url: &Url) -> bool {
    let is_http = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    let has_more = url.query().is_some() || url.fragment().is_some();
    is_http && !has_more && url.username().is_empty() && url.password().is_none()
}
