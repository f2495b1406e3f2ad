//! Initial access tokens (RFC 7591 section 1.2): stored under their digests, with a count of their uses.
//!
//! A use is a [`Change`] that becomes a part of the change that stores the client. A registration that
//! fails therefore does not count as a use. Of many requests for the last use, only one gets it. Concurrent
//! requests with a token of many uses do not block each other.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ExpiringRecord, Found, Space, key_of_secret, short_id};
use crate::base::{Secret, Timestamp, hex, sha256};
use crate::client::InitialAccessPolicy;
use crate::store::{
    Backend, Change, Expectation, ExpiringKind, StoreError, number, unless_lost, until_won,
};

/// The settings of an initial access token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InitialAccess {
    /// A note by its creator about its purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// How many clients may be registered with it; `None` for any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uses: Option<u64>,
    /// The moment from which it is no longer valid; `None` if it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
    /// When it was created.
    pub(crate) created_at: Timestamp,
    /// What may be registered with it.
    pub(crate) policy: InitialAccessPolicy,
}

/// An initial access token as it was read.
#[derive(Debug, Clone)]
pub(crate) struct InitialAccessToken {
    found: Found<InitialAccess>,
    used: u64,
}

impl InitialAccessToken {
    /// Its identifier, from which the token cannot be derived.
    pub(crate) fn id(&self) -> String {
        short_id(&String::from_utf8_lossy(&self.found.entry.key))
    }

    /// Its settings.
    pub(crate) const fn grant(&self) -> &InitialAccess {
        &self.found.entry.value
    }

    /// How many clients were registered with it.
    pub(crate) const fn used(&self) -> u64 {
        self.used
    }

    /// How many more clients may be registered; `None` for any number.
    pub(crate) fn uses_left(&self) -> Option<u64> {
        self.grant().uses.map(|uses| uses.saturating_sub(self.used))
    }
}

/// The initial access tokens.
#[derive(Clone)]
pub(crate) struct InitialAccessTokens(Space<InitialAccess>);

impl InitialAccessTokens {
    pub(in crate::store) fn new(backend: Arc<dyn Backend>) -> Self {
        Self(Space::new(backend, ExpiringKind::InitialAccess))
    }

    /// Returns the identifier under which `token` is stored.
    pub(crate) fn id_of(token: &Secret) -> String {
        short_id(&key_of_secret(token))
    }

    /// Stores the settings of `token`, together with `also`, and returns its identifier.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the token already exists, which does not happen by chance; otherwise
    /// when the store cannot be written.
    pub(crate) async fn create(
        &self,
        token: &Secret,
        grant: InitialAccess,
        also: Change,
    ) -> Result<String, StoreError> {
        let (digest, id) = (key_of_secret(token), Self::id_of(token));
        // In the index, a token that never expires is at the end of time.
        let expires_at = grant.expires_at.unwrap_or(Timestamp::from_unix(u64::MAX));
        let entry = ExpiringRecord {
            key: digest.into_bytes(),
            value: grant,
            expires_at,
        };
        self.0
            .backend
            .apply(self.0.insertion(&entry)?.and(also))
            .await?;
        Ok(id)
    }

    /// Returns the settings of `token` if it is valid at `now` and not used up.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn find_by_token(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<InitialAccessToken>, StoreError> {
        let digest = hex(&sha256(token.as_bytes()));
        let Some(found) = self.0.find(digest.as_bytes(), now).await? else {
            return Ok(None);
        };
        let token = self.counted(found).await?;
        if token.uses_left() == Some(0) {
            Ok(None)
        } else {
            Ok(Some(token))
        }
    }

    /// Returns the change that counts one more use of `token`, for [`crate::store::Clients::insert`]. That fails
    /// with [`StoreError::Conflict`] when the token was revoked or used up in the meantime.
    pub(crate) fn one_use(&self, token: &InitialAccessToken) -> Change {
        let used = own_number(&token.found.entry.key);
        let mut expect = vec![self.0.unchanged(&token.found)];
        if let Some(uses) = token.grant().uses {
            expect.push(Expectation::Below(used.clone(), uses));
        }
        Change {
            expect,
            count: vec![(used, 1)],
            ..Change::default()
        }
    }

    /// Returns the token with this identifier, unless it has expired at `now`. A token that is used up is
    /// included.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn find(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<InitialAccessToken>, StoreError> {
        let Some(found) = self.0.find_by_short_id(id).await? else {
            return Ok(None);
        };
        if found.is_live(now) {
            Ok(Some(self.counted(found).await?))
        } else {
            Ok(None)
        }
    }

    /// Returns at most `limit` tokens in the order of their identifiers, starting after `after`. Expired
    /// tokens that are not swept yet are included.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<InitialAccessToken>, StoreError> {
        let mut page = Vec::new();
        for found in self.0.page(after.map(str::as_bytes), limit).await? {
            page.push(self.counted(found).await?);
        }
        Ok(page)
    }

    /// Removes the token with this identifier, together with `also`. Returns whether it existed. A client
    /// that uses the token and is not stored yet can no longer register.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn revoke(
        &self,
        id: &str,
        now: Timestamp,
        also: Change,
    ) -> Result<bool, StoreError> {
        until_won(|| self.try_revoke(id, now, also.clone())).await
    }

    async fn try_revoke(
        &self,
        id: &str,
        now: Timestamp,
        also: Change,
    ) -> Result<Option<bool>, StoreError> {
        let Some(token) = self.find(id, now).await? else {
            return Ok(Some(false));
        };
        let removal = self.0.removal(&token.found).and(also);
        let removed = self.0.backend.apply(removal).await;
        Ok(unless_lost(removed)?.map(|_| true))
    }

    async fn counted(&self, found: Found<InitialAccess>) -> Result<InitialAccessToken, StoreError> {
        let place = own_number(&found.entry.key);
        let used = number(&place, self.0.backend.get(&place).await?.as_deref())?;
        Ok(InitialAccessToken {
            found,
            used: used.unsigned_abs(),
        })
    }
}

fn own_number(key: &[u8]) -> Vec<u8> {
    ExpiringKind::InitialAccess
        .own_number(key)
        .unwrap_or_default()
}
