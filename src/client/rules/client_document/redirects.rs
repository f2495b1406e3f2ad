//! The redirect URIs of a document, compared with its URL.

use serde::{Deserialize, Serialize};

use crate::base::ClientUrl;
use crate::client::{
    rules::Metadata, rules::Rules, rules::Violation, rules::items, rules::redirect_uris::ANSWERED,
    rules::report_item_fault, rules::uri, rules::uri::Uri,
};
use crate::config::ClientDocumentRedirectUris;

/// What a consent page must tell its user about the redirect URIs of a document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct DocumentRedirects {
    /// Whether there are only loopback URIs. Every program on the user's device can then claim to be this client.
    pub(crate) loopback_only: bool,
    /// The `https` URIs on another host than that of the document.
    pub(crate) cross_host: Vec<String>,
}

/// Returns what is special about the redirect URIs of the document at `url`.
pub(crate) fn redirects(metadata: &Metadata, url: &ClientUrl) -> DocumentRedirects {
    let mut uris = Vec::new();
    for text in metadata.texts("redirect_uris") {
        if let Ok(uri) = uri::parse(text) {
            uris.push((text, uri));
        }
    }
    let mut cross_host = Vec::new();
    for (text, uri) in &uris {
        if uri.scheme == "https" && !uri.is_loopback() && !is_on_host_of(url, uri) {
            cross_host.push((*text).to_owned());
        }
    }
    let is_loopback = |(_, uri): &(&str, Uri)| uri.is_web() && uri.is_loopback();
    DocumentRedirects {
        loopback_only: !uris.is_empty() && uris.iter().all(is_loopback),
        cross_host,
    }
}

/// Checks `clientDocumentRedirectUris`, `clientDocumentLoopback` and `clientDocumentReversedSchemes`.
pub(super) fn check(
    cx: &Rules<'_>,
    url: &ClientUrl,
    metadata: &Metadata,
    found: &mut Vec<Violation>,
) {
    for member in ANSWERED {
        for (index, text) in items(metadata, member) {
            // The rules of every client report a URI that cannot be parsed.
            if let Ok(uri) = uri::parse(text) {
                report_item_fault(member, index, fault(cx, url, &uri), found);
            }
        }
    }
}

fn fault(cx: &Rules<'_>, url: &ClientUrl, uri: &Uri) -> Option<String> {
    let settings = cx.settings;
    if uri.is_web() && uri.is_loopback() {
        let rule = "must not be on loopback; this server does not accept that in client documents \
                    (clientDocumentLoopback)";
        return (!settings.client_document_loopback).then(|| rule.to_owned());
    }
    if uri.scheme == "https" {
        let is_bound =
            settings.client_document_redirect_uris == ClientDocumentRedirectUris::SameHost;
        return (is_bound && !is_on_host_of(url, uri)).then(|| {
            format!(
                "must be on the host of the document, {} (clientDocumentRedirectUris)",
                url.host()
            )
        });
    }
    let expected = reversed(url.host());
    let is_bound = settings.client_document_reversed_schemes && !uri.is_web();
    (is_bound && uri.scheme != expected).then(|| {
        format!("must have the scheme {expected}, the reversed host of the document (clientDocumentReversedSchemes)")
    })
}

fn is_on_host_of(url: &ClientUrl, uri: &Uri) -> bool {
    uri.host.as_deref() == Some(url.host())
}

/// Returns the labels of `host` in reverse order, as private-use schemes have them (RFC 8252 section 7.1).
fn reversed(host: &str) -> String {
    let labels: Vec<&str> = host.rsplit('.').collect();
    labels.join(".")
}
