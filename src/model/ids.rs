//! Identifiers that are right once they exist.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text that can not be a client identifier.
#[derive(Debug, thiserror::Error)]
#[error("a client_id has 1 to 128 visible ASCII characters")]
pub struct BadClientId;

/// The identifier of a registered client (RFC 6749 section 2.2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(String);

impl ClientId {
    /// Reads an identifier that somebody presents.
    ///
    /// # Errors
    /// When it is empty, longer than 128 characters, or has a character that is not visible ASCII.
    pub fn parse(text: &str) -> Result<Self, BadClientId> {
        let fits = (1..=128).contains(&text.len());
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits && visible { Ok(Self(text.to_owned())) } else { Err(BadClientId) }
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
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
