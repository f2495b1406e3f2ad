//! What the holder of an initial access token (RFC 7591 section 1.2) may register.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What may be registered with an initial access token. A list that is absent allows what the
/// server allows; one that is empty allows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InitialAccessPolicy {
    /// Hosts that redirect URIs and all other URLs of the client may have. A URI with a private-use scheme
    /// has none of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_hosts: Option<Vec<String>>,
    /// Scopes that may be asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Grant types that may be asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_types: Option<Vec<String>>,
    /// Methods with which the client may authenticate at the token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_methods: Option<Vec<String>>,
    /// Members that only somebody trusted may set and that may be registered, beside those that the server
    /// lets everybody register.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileged_members: Option<Vec<String>>,
    /// Seconds that the client may live at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_lifetime: Option<u64>,
    /// What scripts are told: `context.initialAccessToken`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
}
