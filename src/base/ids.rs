//! Identifiers that are valid by construction.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The maximum number of characters of an identifier that is not a URL.
const CHARACTERS: usize = 128;
/// The beginning of the identifiers that are URLs of client documents.
const URL_BEGINNING: &str = "https://";
/// The maximum number of characters of an identifier that is the URL of a client document.
const CLIENT_URL_CHARACTERS: usize = 512;

/// The text is not a valid client identifier.
#[derive(Debug, thiserror::Error)]
#[error(
    "invalid client_id; it must have 1 to 128 visible ASCII characters, or at most 512 if it begins with https://"
)]
pub(crate) struct BadClientId;

/// The identifier of a registered client (RFC 6749 section 2.2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ClientId(String);

impl ClientId {
    /// Parses an identifier from a request.
    ///
    /// # Errors
    /// If it is empty, longer than 128 characters, or 512 characters for the URL of a client document, or has a
    /// character that is not visible ASCII.
    pub(crate) fn parse(text: &str) -> Result<Self, BadClientId> {
        let most = if text.starts_with(URL_BEGINNING) {
            CLIENT_URL_CHARACTERS
        } else {
            CHARACTERS
        };
        let fits = (1..=most).contains(&text.len());
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits && visible {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadClientId)
        }
    }

    /// Whether it has the form of the URL of a client document. This server creates no such identifier.
    pub(crate) fn is_url(&self) -> bool {
        self.0.starts_with(URL_BEGINNING)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_may_be_longer_than_other_identifiers() {
        let url = |length: usize| {
            format!(
                "{URL_BEGINNING}{}",
                "x".repeat(length - URL_BEGINNING.len())
            )
        };
        for (text, is_identifier) in [
            (String::new(), false),
            ("x".repeat(128), true),
            ("x".repeat(129), false),
            (url(512), true),
            (url(513), false),
            (format!("HTTPS://{}", "x".repeat(200)), false),
            ("https://a b".to_owned(), false),
        ] {
            assert_eq!(ClientId::parse(&text).is_ok(), is_identifier, "{text}");
        }
        assert!(ClientId::parse("https://a.example/c").unwrap().is_url());
        assert!(!ClientId::parse("https:").unwrap().is_url());
    }
}
