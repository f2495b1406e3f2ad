//! What is recorded about the client document of a client.

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// The client document that a client was made from. Its URL is the identifier of the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DocumentOrigin {
    /// SHA-256 of the octets of the version in force, in base64url.
    pub(crate) digest: String,
    /// When the URL was first admitted.
    pub(crate) first_seen_at: Timestamp,
    /// Whether an administrator brought the document, so that it is never fetched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) pinned: bool,
    /// The approval by an administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) approved: Option<DocumentApproval>,
    /// A later version that waits for an administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<HeldDocument>,
}

/// An approval. It applies to the octets with this digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DocumentApproval {
    /// SHA-256 of the octets, in base64url.
    pub(crate) digest: String,
    /// The identifier of the administrator, or [`Self::UNCHANGED`].
    pub(crate) by: String,
    /// When.
    pub(crate) at: Timestamp,
    /// The note of the administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl DocumentApproval {
    /// Who approved octets whose sensitive members are those of the octets that an administrator approved.
    pub(crate) const UNCHANGED: &'static str = "unchanged members";
}

/// A version of a document that is not in force, because an administrator must approve it first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldDocument {
    /// SHA-256 of its octets, in base64url.
    pub(crate) digest: String,
    /// The members that differ from the version in force.
    pub(crate) members: Vec<String>,
    /// Since when a version has waited without a break; each may have replaced another one.
    pub(crate) since: Timestamp,
    /// Whether the version in force cannot be used until then, because it has no redirect URI left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) stops: bool,
    /// The redirect URIs of the version in force, if it lost some of them because this version does not have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) redirect_uris: Vec<String>,
}
