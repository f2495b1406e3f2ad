//! `[documents]`: where the documents of clients are published.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::{Live, Settings, Verdict};

/// `[documents]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ClientDocumentSettings {
    /// The URL below which the documents of clients are published. `None`: the issuer with
    /// `server.paths.clientDocuments`.
    pub base: Option<String>,
}

/// `hostedClientDocuments`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HostedClientDocuments {
    /// No client. Documents that were published before are withheld.
    Off,
    /// Clients whose initial access token allows it, and clients for which an administrator publishes one.
    Token,
    /// Any client.
    Any,
}

const BASE: &str = "documents.base";

/// Rejects a base that no document can be below, and warns where documents could not be published.
pub(super) fn check(settings: &Settings, live: &Live, verdict: &mut Verdict) {
    let base = settings.documents.base.as_deref();
    if let Some(base) = base
        && let Some(fault) = fault(base)
    {
        verdict.refuse(BASE, fault);
    }
    if live.registration.hosted_client_documents == HostedClientDocuments::Off {
        return;
    }
    let key = "registration.hostedClientDocuments";
    if !is_https(settings) {
        let reason = "has no effect without an https issuer: a document must have an https URL; set server.issuer";
        verdict.warn(key, reason);
    } else if base.is_none() {
        let reason = "publishes documents on the host of the issuer, which lends its name to the clients; set \
                      documents.base to a URL with another host";
        verdict.warn(key, reason);
    }
}

/// Whether the issuer is an https URL. By default it is the listen address, with https if TLS is configured.
fn is_https(settings: &Settings) -> bool {
    match &settings.server.issuer {
        Some(issuer) => issuer.starts_with("https:"),
        None => settings.server.tls.is_on(),
    }
}

/// Returns why `base` cannot be the base of the URLs of documents.
fn fault(base: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(base) else {
        return Some("must be an https URL, such as https://clients.example.org");
    };
    if url.scheme() != "https" {
        return Some("must be an https URL: other servers fetch documents by https only");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("must not contain a user name or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Some("must not have a query or a fragment");
    }
    if base.ends_with('/') {
        return Some("must not end with a slash");
    }
    // Other servers compare the URL character by character, so only one form of it may exist.
    let is_plain = url.as_str().trim_end_matches('/') == base;
    (!is_plain).then_some(
        "is not in its normal form; write the host in lower case, without the port 443 and without dot segments",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_an_https_url_in_its_normal_form() {
        for base in [
            "https://clients.example.org",
            "https://example.org/clients",
            "https://example.org:8443/a/b",
        ] {
            assert_eq!(fault(base), None, "{base}");
        }
        for (base, named) in [
            ("clients.example.org", "https URL"),
            ("http://clients.example.org", "by https only"),
            ("https://u:p@clients.example.org", "user name"),
            ("https://clients.example.org/?a", "query"),
            ("https://clients.example.org#a", "fragment"),
            ("https://clients.example.org/", "slash"),
            ("https://Clients.example.org", "normal form"),
            ("https://clients.example.org:443", "normal form"),
            ("https://clients.example.org/a/../b", "normal form"),
        ] {
            let fault = fault(base).unwrap();
            assert!(fault.contains(named), "{base}: {fault}");
        }
    }
}
