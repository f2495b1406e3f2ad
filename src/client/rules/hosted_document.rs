//! Whether this server publishes a document of a client, and what the document requires of the metadata.

use serde_json::{Map, Value};

use crate::base::{ClientUrl, ClientUrlForm};
use crate::client::hosted_document::document;
use crate::client::{DocumentRequest, HostedDocument};
use crate::client::{
    TrustLevel, rules::Metadata, rules::Rules, rules::Violation, rules::is_faulted, rules::methods,
    rules::violation,
};
use crate::config::HostedClientDocuments;

const MEMBER: &str = "client_document";

/// The document that a client has after the request, and where it is published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DocumentRules<'a> {
    /// What the request asks about the document.
    pub(crate) request: DocumentRequest,
    /// The URL below which documents are published.
    pub(crate) base: &'a str,
    /// Whether this server has an `https` name.
    pub(crate) is_https: bool,
    /// How far the client is trusted.
    pub(crate) trust_level: TrustLevel,
}

/// Checks that there may be a document, and that the metadata fits in it.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let Some(document) = &cx.document else {
        return;
    };
    if document.request.is_new()
        && let Some(fault) = permission_fault(cx, document)
    {
        found.push(violation(MEMBER, fault));
        return;
    }
    if document.request.publishes() {
        check_content(cx, document, metadata, found);
    }
}

/// Returns why the client cannot have a document that it had not before.
fn permission_fault(cx: &Rules<'_>, document: &DocumentRules<'_>) -> Option<&'static str> {
    let request = document.request;
    let is_allowed_by_token = cx
        .initial_access
        .is_some_and(|policy| policy.client_documents);
    let fault = match cx.settings.hosted_client_documents {
        HostedClientDocuments::Off => {
            "is not supported: this server publishes no documents of clients"
        }
        HostedClientDocuments::Token if !is_allowed_by_token && !request.is_administrators => {
            "requires an initial access token whose policy allows documents"
        }
        _ if !document.is_https => {
            "is not possible: this server has no https name, which the URL of a document needs"
        }
        _ if request.before == Some(HostedDocument::Withdrawn) => {
            "cannot be true again: the document was withdrawn, and its URL has ended; register another client"
        }
        _ if !request.has_plain_id => {
            "is not possible: the client_id of this client cannot be a part of a URL"
        }
        _ => return None,
    };
    Some(fault)
}

/// Checks what the document contains. Everyone can read it, so its client has no secret.
fn check_content(
    cx: &Rules<'_>,
    document: &DocumentRules<'_>,
    metadata: &Metadata,
    found: &mut Vec<Violation>,
) {
    if let Some(member) = methods::member_with_secret(metadata)
        && !is_faulted(found, member)
    {
        let rule = if [methods::METHOD, methods::FURTHER].contains(&member) {
            "must be none or a method with a key, such as private_key_jwt, because a client with a document \
             has no secret"
        } else {
            "must be an asymmetric algorithm, because a client with a document has no secret"
        };
        found.push(violation(member, rule));
    }
    let form = ClientUrlForm {
        maximum_bytes: cx.limits.document_uri_bytes,
        may_have_query: false,
    };
    match ClientUrl::parse(&format!("{}/{ANY_ID}", document.base), form) {
        Ok(url) => check_as_document(cx, document, &url, metadata, found),
        Err(fault) => found.push(violation(
            MEMBER,
            format!("is not possible: the URL of the document {fault}"),
        )),
    }
}

/// A new client has no identifier yet. All identifiers that this server creates have this form.
const ANY_ID: &str = "00000000-0000-0000-0000-000000000000";

/// Checks that the document at `url` satisfies the rules that this server has for the documents of others.
fn check_as_document(
    cx: &Rules<'_>,
    document: &DocumentRules<'_>,
    url: &ClientUrl,
    metadata: &Metadata,
    found: &mut Vec<Violation>,
) {
    let members = self::document(url.as_str(), metadata, document.trust_level, cx.settings);
    let (most, bytes) = (cx.limits.document_bytes, size(&members));
    if bytes > most {
        let rule = format!("would have {bytes} bytes; at most {most} are allowed");
        found.push(violation(MEMBER, rule));
    }
    let (_, violations) = cx.examine_document(url, members);
    for violation in violations {
        if !is_faulted(found, &violation.member) {
            found.push(violation);
        }
    }
}

/// Returns the size of a document in bytes.
fn size(members: &Map<String, Value>) -> usize {
    serde_json::to_vec(members).map_or(usize::MAX, |bytes| bytes.len())
}

/// Returns the maximum lifetime of a client that has a document and that nobody vouches for.
pub(super) fn maximum_lifetime(cx: &Rules<'_>) -> Option<u64> {
    let document = cx.document.as_ref()?;
    let is_limited = document.request.publishes() && document.trust_level == TrustLevel::Open;
    let most = cx.settings.hosted_client_document_lifetime;
    most.filter(|_| is_limited)
}

/// Whether the client gets a document that it had not before.
pub(super) fn is_new(cx: &Rules<'_>) -> bool {
    cx.document
        .is_some_and(|document| document.request.is_new())
}
