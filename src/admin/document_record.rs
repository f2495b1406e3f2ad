//! What administrators see of the client document of a client.

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::{ClientUrl, ClientUrlForm, Timestamp};
use crate::client::rules::client_document::redirects::redirects;
use crate::client::{Client, DocumentApproval, DocumentOrigin};
use crate::resolution::Resolved;
use crate::store::FetchState;

/// The client document that a client was made from.
#[derive(Serialize, JsonSchema)]
pub(super) struct DocumentRecord<'a> {
    /// The host of the URL, which a consent page must show.
    host: String,
    /// SHA-256 of the octets, in base64url.
    digest: &'a str,
    /// When the URL was first admitted, in seconds since 1970.
    first_seen_at: u64,
    /// When the document was last fetched. Missing if it is never fetched, or was not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched_at: Option<u64>,
    /// Until when it is used without another fetch.
    #[serde(skip_serializing_if = "Option::is_none")]
    fresh_until: Option<u64>,
    /// Whether it is used although it could not be fetched again.
    stale: bool,
    /// Whether an administrator brought it, so that it is never fetched.
    pinned: bool,
    /// The approval by an administrator.
    #[schemars(with = "ApprovalRecord<'a>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    approved: Option<ApprovalRecord<'a>>,
    /// The members whose change waits for an administrator.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_change: Option<&'a [String]>,
    /// Whether all redirect URIs are on loopback: every program on the user's device can claim to be this client.
    loopback_only: bool,
    /// The redirect URIs on other hosts than that of the document.
    cross_host_redirects: Vec<String>,
}

/// The approval of a client document.
#[derive(Serialize, JsonSchema)]
struct ApprovalRecord<'a> {
    /// SHA-256 of the octets that were approved, in base64url.
    digest: &'a str,
    /// The identifier of the administrator, or `unchanged members` if the sensitive members are those of the octets
    /// that an administrator approved.
    by: &'a str,
    /// When, in seconds since 1970.
    at: u64,
    /// The note of the administrator.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

impl<'a> ApprovalRecord<'a> {
    fn of(approval: &'a DocumentApproval) -> Self {
        Self {
            digest: &approval.digest,
            by: &approval.by,
            at: approval.at.unix(),
            note: approval.note.as_deref(),
        }
    }
}

/// Returns when the document was fetched, if it ever was.
fn fetched(resolved: &Resolved) -> Option<&FetchState> {
    let state = resolved.state.as_ref();
    state.filter(|state| state.fetched_at > Timestamp::default())
}

/// Returns the URL of the document. The rules for URLs may have changed since it was accepted.
fn url_of(client: &Client) -> Option<ClientUrl> {
    let form = ClientUrlForm {
        maximum_bytes: usize::MAX,
        may_have_query: true,
    };
    ClientUrl::parse(client.id.as_str(), form).ok()
}

impl<'a> DocumentRecord<'a> {
    /// Returns what is shown of the document of `resolved`; none if its client has no document.
    pub(super) fn of(resolved: &'a Resolved) -> Option<Self> {
        let document = resolved.client.document.as_ref()?;
        Some(Self::new(&resolved.client, document, resolved))
    }

    fn new(client: &'a Client, document: &'a DocumentOrigin, resolved: &'a Resolved) -> Self {
        let url = url_of(client);
        let metadata = client.metadata.metadata();
        let found = url.as_ref().map(|url| redirects(metadata, url));
        let found = found.unwrap_or_default();
        let fetched = fetched(resolved);
        Self {
            host: url.map_or_else(String::new, |url| url.host().to_owned()),
            digest: &document.digest,
            first_seen_at: document.first_seen_at.unix(),
            fetched_at: fetched.map(|state| state.fetched_at.unix()),
            fresh_until: fetched.map(|state| state.fresh_until.unix()),
            stale: resolved.is_stale,
            pinned: document.pinned,
            approved: document.approved.as_ref().map(ApprovalRecord::of),
            held_change: document.held.as_ref().map(|held| held.members.as_slice()),
            loopback_only: found.loopback_only,
            cross_host_redirects: found.cross_host,
        }
    }
}
