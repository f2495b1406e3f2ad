//! Access tokens (RFC 6749 section 4.4): opaque, and stored under their digests.
//!
//! A token is valid only as long as its client. A lookup returns the token together with its client, or
//! nothing. Deleting a client thus invalidates all of its tokens at once, whatever their number. Their
//! records remain until they expire.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ExpiringRecord, Space};
use crate::base::{ClientId, Secret, Timestamp, sha256};
use crate::store::{Backend, Clients, ExpiringKind, StoreError, Stored};

/// What an access token grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccessToken {
    /// The client that the token was issued to.
    pub(crate) client_id: ClientId,
    /// When that client was issued: a later client with the same identifier is another client.
    pub(crate) client_issued_at: Timestamp,
    /// The granted `scope`.
    pub(crate) scope: String,
    /// `iat`
    pub(crate) issued_at: Timestamp,
    /// `exp`
    pub(crate) expires_at: Timestamp,
    /// `x5t#S256` of the certificate that the client must present with the token (RFC 8705 section 3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<String>,
}

/// The access tokens. Their number is bounded by their lifetime and by how often clients may request one.
#[derive(Clone)]
pub(crate) struct Tokens {
    space: Space<AccessToken>,
    clients: Clients,
}

impl Tokens {
    pub(in crate::store) fn new(backend: Arc<dyn Backend>) -> Self {
        let clients = Clients::new(Arc::clone(&backend));
        Self {
            space: Space::new(backend, ExpiringKind::AccessToken),
            clients,
        }
    }

    /// Stores what `token` grants.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the token already exists, which does not happen by chance; otherwise
    /// when the store cannot be written.
    pub(crate) async fn insert(
        &self,
        token: &Secret,
        stands_for: AccessToken,
    ) -> Result<(), StoreError> {
        let expires_at = stands_for.expires_at;
        let entry = ExpiringRecord {
            key: key(token.expose()),
            value: stands_for,
            expires_at,
        };
        let change = self.space.insertion(&entry)?;
        self.space.backend.apply(change).await.map(drop)
    }

    /// Returns what `token` grants, with its client, if both are valid at `now`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn find(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<(AccessToken, Stored)>, StoreError> {
        let Some(found) = self.space.find(&key(token), now).await? else {
            return Ok(None);
        };
        let token = found.entry.value;
        let client = self.clients.find(&token.client_id).await?;
        let is_good = |stored: &Stored| {
            let client = stored.client();
            client.issued_at == token.client_issued_at && !client.is_expired(now)
        };
        Ok(client.filter(is_good).map(|client| (token, client)))
    }

    /// Revokes `token` if it belongs to `client` (RFC 7009 section 2.1). Returns whether it did.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn revoke(
        &self,
        token: &str,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = key(token);
        match self.space.find(&key, now).await? {
            Some(found) if found.entry.value.client_id == *client => {
                Ok(self.space.take(&key, now).await?.is_some())
            }
            Some(_) | None => Ok(false),
        }
    }
}

fn key(token: &str) -> Vec<u8> {
    sha256(token.as_bytes()).to_vec()
}
