//! Identifiers that are valid by construction.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The text is not a valid client identifier.
#[derive(Debug, thiserror::Error)]
#[error("invalid client_id; it must have 1 to 128 visible ASCII characters")]
pub(crate) struct BadClientId;

/// The identifier of a registered client (RFC 6749 section 2.2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ClientId(String);

impl ClientId {
    /// Parses an identifier from a request.
    ///
    /// # Errors
    /// If it is empty, longer than 128 characters, or has a character that is not visible ASCII.
    pub(crate) fn parse(text: &str) -> Result<Self, BadClientId> {
        let fits = (1..=128).contains(&text.len());
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits && visible {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadClientId)
        }
    }

    /// Returns the identifier as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ClientId {
    type Error = BadClientId;

    fn try_from(text: String) -> Result<Self, BadClientId> {
        Self::parse(&text)
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        id.0
    }
}
