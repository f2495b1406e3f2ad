//! Initial access tokens (RFC 7591 section 1.2): stored under their digests, and counted as they
//! are used.
//!
//! A use is a [`Change`] that goes into the one which stores the client. So a registration that
//! fails costs no use, of many that want the last one a single one gets it, and those who use
//! a token of many uses at once are not in each other's way.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::backend::{Backend, Change, Expectation, number};
use super::expiring::{Entry, Found, Space};
use super::keys::{self, Kind};
use super::race::{unless_lost, until_won};
use crate::client::InitialAccessPolicy;
use crate::clock::Timestamp;
use crate::secret::{Secret, hex, sha256};

/// Characters of an identifier: half of the token's digest, in hex.
const ID_LENGTH: usize = 32;

/// What an initial access token is made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InitialAccess {
    /// What it is for, in words of whoever made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How many clients may be registered with it; none: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u64>,
    /// From when on it is good no more; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What may be registered with it.
    pub policy: InitialAccessPolicy,
}

/// An initial access token as it was read.
#[derive(Debug, Clone)]
pub struct InitialAccessToken {
    found: Found<InitialAccess>,
    used: u64,
}

impl InitialAccessToken {
    /// What it is called: the token can not be worked out of it.
    pub fn id(&self) -> String {
        let key = String::from_utf8_lossy(&self.found.entry.key);
        key.chars().take(ID_LENGTH).collect()
    }

    /// What it was made with.
    pub const fn grant(&self) -> &InitialAccess {
        &self.found.entry.value
    }

    /// How many clients were registered with it.
    pub const fn used(&self) -> u64 {
        self.used
    }

    /// How many more may be; none: any number.
    pub fn uses_left(&self) -> Option<u64> {
        self.grant().uses.map(|uses| uses.saturating_sub(self.used))
    }
}

fn digest(token: &Secret) -> String {
    hex(&sha256(token.expose().as_bytes()))
}

/// The initial access tokens.
#[derive(Clone)]
pub struct InitialAccessTokens(Space<InitialAccess>);

impl InitialAccessTokens {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        Self(Space::new(backend, Kind::InitialAccess))
    }

    /// What `token` is called once it is stored.
    pub fn id_of(token: &Secret) -> String {
        digest(token).chars().take(ID_LENGTH).collect()
    }

    /// Stores what `token` may be used for, together with `also`, and gives its identifier.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the token is there already, which chance does not do; else
    /// when the store can not be written.
    pub async fn create(
        &self,
        token: &Secret,
        grant: InitialAccess,
        also: Change,
    ) -> Result<String, StoreError> {
        let (digest, id) = (digest(token), Self::id_of(token));
        // One that never ends has its place at the end of time in the index.
        let expires_at = grant.expires_at.unwrap_or(Timestamp::from_unix(u64::MAX));
        let entry = Entry { key: digest.into_bytes(), value: grant, expires_at };
        self.0.backend.apply(self.0.insertion(&entry)?.and(also)).await?;
        Ok(id)
    }

    /// What `token` may be used for, when it is good at `now` and not used up.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn find_by_token(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<InitialAccessToken>, StoreError> {
        let digest = hex(&sha256(token.as_bytes()));
        let Some(found) = self.0.find(digest.as_bytes(), now).await? else { return Ok(None) };
        Ok(Some(self.counted(found).await?).filter(|token| token.uses_left() != Some(0)))
    }

    /// That `token` is used once more: for [`super::Clients::insert`], which fails with
    /// [`StoreError::Conflict`] when the token was revoked or used up meanwhile.
    pub fn one_use(&self, token: &InitialAccessToken) -> Change {
        let used = own_number(&token.found.entry.key);
        let below = token.grant().uses.map(|uses| Expectation::Below(used.clone(), uses));
        Change {
            expect: std::iter::once(self.0.unchanged(&token.found)).chain(below).collect(),
            count: vec![(used, 1)],
            ..Change::default()
        }
    }

    /// The token of this identifier, unless it has ended at `now`. One that is used up is there.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn find(&self, id: &str, now: Timestamp) -> Result<Option<InitialAccessToken>, StoreError> {
        let is_id = id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id {
            return Ok(None);
        }
        let range = keys::under(&Kind::InitialAccess.record(id.as_bytes()));
        let Some((stored, bytes)) = self.0.backend.scan(range, 1).await?.pop() else { return Ok(None) };
        let found = self.0.read(&stored, bytes)?;
        if found.is_live(now) { self.counted(found).await.map(Some) } else { Ok(None) }
    }

    /// At most `limit` tokens in the order of their identifiers, from the one behind `after`;
    /// those that have ended and are not swept yet are among them.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<InitialAccessToken>, StoreError> {
        let mut range = keys::under(&Kind::InitialAccess.record(b""));
        if let Some(id) = after {
            range.start = keys::under(&Kind::InitialAccess.record(id.as_bytes())).end;
        }
        let mut page = Vec::new();
        for (stored, bytes) in self.0.backend.scan(range, limit).await? {
            page.push(self.counted(self.0.read(&stored, bytes)?).await?);
        }
        Ok(page)
    }

    /// Removes the token of this identifier, together with `also`; whether it was there. Who
    /// holds it and has not stored a client yet does not get one.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn revoke(&self, id: &str, now: Timestamp, also: Change) -> Result<bool, StoreError> {
        until_won(|| self.try_revoke(id, now, also.clone())).await
    }

    async fn try_revoke(&self, id: &str, now: Timestamp, also: Change) -> Result<Option<bool>, StoreError> {
        let Some(token) = self.find(id, now).await? else { return Ok(Some(false)) };
        let removal = self.0.removal(&token.found).and(also);
        unless_lost(self.0.backend.apply(removal).await.map(|_| true))
    }

    async fn counted(&self, found: Found<InitialAccess>) -> Result<InitialAccessToken, StoreError> {
        let place = own_number(&found.entry.key);
        let used = number(&place, self.0.backend.get(&place).await?.as_deref())?;
        Ok(InitialAccessToken { found, used: used.unsigned_abs() })
    }
}

fn own_number(key: &[u8]) -> Vec<u8> {
    Kind::InitialAccess.own_number(key).unwrap_or_default()
}
