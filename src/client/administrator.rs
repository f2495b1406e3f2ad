//! What is recorded of an administrator besides its metadata, and how its secrets are kept.

use serde::{Deserialize, Serialize};

use crate::base::{Timestamp, TokenDigest};

/// What is recorded of an administrator besides its metadata.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AdministratorData {
    /// When it was created. `client_id_issued_at` changes whenever its access tokens become invalid.
    pub(crate) created_at: Timestamp,
    /// The administrator that created it. `None`: this server did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_by: Option<String>,
    /// A description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// Whether it has every scope of `[admin.scopes]`, including those that a later version adds.
    #[serde(default)]
    pub(crate) has_all_scopes: bool,
    /// Its secrets, newest first: at most two. Empty if it authenticates with a key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) secrets: Vec<HashedSecret>,
}

/// The digest of a secret. The secret has 512 random bits, so a digest without salt cannot be searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HashedSecret {
    pub(super) digest: TokenDigest,
    /// When it stops working. `None`: it never expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
}

impl HashedSecret {
    /// Returns the digest of `secret`, which never expires.
    pub(crate) fn of(secret: &str) -> Self {
        Self {
            digest: TokenDigest::of(secret),
            expires_at: None,
        }
    }

    /// Returns the same secret, valid until `end` at the latest.
    #[must_use]
    pub(crate) fn until(self, end: Timestamp) -> Self {
        let expires_at = Some(self.expires_at.map_or(end, |before| before.min(end)));
        Self { expires_at, ..self }
    }

    /// Whether it is valid at `now`.
    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

impl AdministratorData {
    /// Whether `given` is a secret that is valid at `now`. Compares in constant time.
    pub(crate) fn has_secret(&self, given: &str, now: Timestamp) -> bool {
        let given = TokenDigest::of(given);
        let valid = self.secrets.iter().filter(|secret| secret.is_valid(now));
        // All are compared, so that the time does not show which one it was.
        valid.fold(false, |found, secret| found | secret.digest.is(&given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_secrets_are_valid_until_the_end_of_the_overlap() {
        let at = Timestamp::from_unix;
        let data = AdministratorData {
            created_at: at(1),
            created_by: None,
            note: None,
            has_all_scopes: false,
            secrets: vec![
                HashedSecret::of("new"),
                HashedSecret::of("old").until(at(10)),
            ],
        };
        assert!(data.has_secret("new", at(9)) && data.has_secret("old", at(9)));
        assert!(data.has_secret("new", at(10)) && !data.has_secret("old", at(10)));
        assert!(!data.has_secret("other", at(9)));
        let shortened = HashedSecret::of("old").until(at(10)).until(at(20));
        assert_eq!(shortened.expires_at, Some(at(10)));
        let stored = serde_json::to_string(&data).unwrap();
        assert!(!stored.contains("\"new\"") && !stored.contains("\"old\""));
        assert_eq!(
            serde_json::from_str::<AdministratorData>(&stored).unwrap(),
            data
        );
    }
}
