//! Access tokens (RFC 6749 section 4.4): opaque, and stored under their digests.
//!
//! A token is good only while its client is: whoever finds one gets the client with it, or
//! nothing. So the tokens of a client die with it, in one moment and whatever their number, and
//! what is left of them ends by itself.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::backend::Backend;
use super::clients::{Clients, Stored};
use super::expiring::{Entry, Space};
use super::keys::Kind;
use crate::clock::Timestamp;
use crate::model::ClientId;
use crate::secret::{Secret, sha256};

/// What an access token stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// Whose it is.
    pub client_id: ClientId,
    /// When that client was issued: a later one with its identifier is another client.
    pub client_issued_at: Timestamp,
    /// `scope`, as it was granted.
    pub scope: String,
    /// `iat`
    pub issued_at: Timestamp,
    /// `exp`
    pub expires_at: Timestamp,
    /// `x5t#S256` of the certificate that must be shown with it (RFC 8705 section 3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// The access tokens. Their number is bounded by how long they live and how often clients may
/// ask for one.
#[derive(Clone)]
pub struct Tokens {
    space: Space<AccessToken>,
    clients: Clients,
}

impl Tokens {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        let clients = Clients::new(Arc::clone(&backend));
        Self { space: Space::new(backend, Kind::AccessToken), clients }
    }

    /// Stores what `token` stands for.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the token is there already, which chance does not do; else
    /// when the store can not be written.
    pub async fn insert(&self, token: &Secret, stands_for: AccessToken) -> Result<(), StoreError> {
        let expires_at = stands_for.expires_at;
        let entry = Entry { key: key(token.expose()), value: stands_for, expires_at };
        let change = self.space.insertion(&entry)?;
        self.space.backend.apply(change).await.map(drop)
    }

    /// What `token` stands for, with its client, when both are good at `now`.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn find(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<(AccessToken, Stored)>, StoreError> {
        let Some(found) = self.space.find(&key(token), now).await? else { return Ok(None) };
        let token = found.entry.value;
        let client = self.clients.find(&token.client_id).await?;
        let is_good = |stored: &Stored| {
            let client = stored.client();
            client.issued_at == token.client_issued_at && !client.is_expired(now)
        };
        Ok(client.filter(is_good).map(|client| (token, client)))
    }

    /// Revokes `token` when it is one of `client` (RFC 7009 section 2.1); whether it was.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn revoke(&self, token: &str, client: &ClientId, now: Timestamp) -> Result<bool, StoreError> {
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
