//! What a client may register with an initial access token (RFC 7591 section 1.2).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The limits on what may be registered with an initial access token. An absent list allows
/// everything that the server allows. An empty list allows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct InitialAccessPolicy {
    /// Hosts that the redirect URIs and all other URLs of the client may have. A URI with a
    /// private-use scheme matches none of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redirect_hosts: Option<Vec<String>>,
    /// Scopes that may be requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scopes: Option<Vec<String>>,
    /// Grant types that may be requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grant_types: Option<Vec<String>>,
    /// Methods that the client may use to authenticate at the token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_endpoint_auth_methods: Option<Vec<String>>,
    /// Privileged members that may be registered, in addition to those that the server lets every
    /// client register.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) privileged_members: Option<Vec<String>>,
    /// Whether this server publishes a document of the client if the client asks for it.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) client_documents: bool,
    /// The maximum lifetime of the client in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) maximum_lifetime: Option<u64>,
    /// The attributes that scripts see as `context.initialAccessToken`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) attributes: Map<String, Value>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
