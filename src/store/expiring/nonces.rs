//! Nonces that the server issued (attestation evidence must contain one). Each is valid once, and their
//! number is bounded.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ExpiringRecord, Found, Space};
use crate::base::{NoRandomness, Timestamp, random, sha256};
use crate::store::{
    Backend, Change, Expectation, ExpiringKind, Pair, StoreError, number, unless_lost, until_won,
};

/// Random bytes of a nonce.
const BYTES: usize = 32;
/// When the limit is reached, one of this many oldest nonces is evicted. It is chosen at random, so that
/// concurrent requests do not all compete for the same one.
const OLDEST: usize = 64;
/// A nonce may be evicted after this fraction of its lifetime.
const PROTECTED: u64 = 10;

/// Why no nonce was issued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NonceError {
    /// The limit of outstanding nonces is reached, and the oldest is too recent to be evicted: its client
    /// must have time to use it.
    #[error("too many outstanding nonces; retry in {retry_after} s")]
    TooMany {
        /// Seconds until a nonce can be evicted.
        retry_after: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system has no random bytes.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// An outstanding nonce. It is stored under its digest.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Nonce {
    issued_at: Timestamp,
}

/// The outstanding nonces. Their number is exact, and the same for all servers on one database.
#[derive(Clone)]
pub(crate) struct Nonces(Space<Nonce>);

impl Nonces {
    pub(in crate::store) fn new(backend: &Arc<dyn Backend>) -> Self {
        Self(Space::new(Arc::clone(backend), ExpiringKind::Nonce))
    }

    /// Issues a nonce that is valid for `lifetime` seconds: 32 random bytes in base64url.
    ///
    /// When `most` nonces are outstanding, one of the oldest is evicted, unless it is younger than a tenth
    /// of `lifetime`.
    ///
    /// # Errors
    /// [`NonceError::TooMany`] when no nonce may be evicted; otherwise when the store or the system fails.
    pub(crate) async fn issue(
        &self,
        now: Timestamp,
        lifetime: u64,
        most: u64,
    ) -> Result<String, NonceError> {
        let nonce = random::text(BYTES)?;
        let value = Nonce { issued_at: now };
        let entry = ExpiringRecord {
            key: key(&nonce),
            value,
            expires_at: now.plus(lifetime),
        };
        until_won(|| self.try_issue(&entry, lifetime, most)).await?;
        Ok(nonce)
    }

    async fn try_issue(
        &self,
        entry: &ExpiringRecord<Nonce>,
        lifetime: u64,
        most: u64,
    ) -> Result<Option<()>, NonceError> {
        let count = ExpiringKind::Nonce.group_count(&[]).unwrap_or_default();
        let out = number(&count, self.0.backend.get(&count).await?.as_deref())?;
        let insertion = self.0.insertion(entry)?;
        let change = if out.unsigned_abs() < most {
            Change {
                expect: vec![Expectation::Below(count, most)],
                ..Change::default()
            }
        } else if most == 0 {
            return Err(NonceError::TooMany {
                retry_after: lifetime,
            });
        } else {
            match self
                .one_that_gives_way(entry.value.issued_at, lifetime)
                .await?
            {
                Some(old) => self.0.removal(&old),
                // The selected nonce has just been removed.
                None => return Ok(None),
            }
        };
        Ok(unless_lost(self.0.backend.apply(change.and(insertion)).await)?.map(drop))
    }

    /// Returns one of the nonces that expire first, if it is old enough.
    async fn one_that_gives_way(
        &self,
        now: Timestamp,
        lifetime: u64,
    ) -> Result<Option<Found<Nonce>>, NonceError> {
        let all = ExpiringKind::Nonce.ended(Timestamp::from_unix(u64::MAX));
        let oldest = self.0.backend.scan(all, OLDEST).await?;
        let [chance] = random::bytes::<1>()?;
        let chosen = usize::from(chance).checked_rem(oldest.len());
        // When the chosen one is too recent, the very oldest may still be old enough.
        for place in [chosen.unwrap_or_default(), 0] {
            let Some(old) = self.find_listed(oldest.get(place)).await? else {
                return Ok(None);
            };
            let end = protected(&old, lifetime);
            if !old.is_live(now) || end <= now {
                return Ok(Some(old));
            }
            if place == 0 {
                let retry_after = end.unix() - now.unix();
                return Err(NonceError::TooMany { retry_after });
            }
        }
        Ok(None)
    }

    /// Returns the nonce that an entry of the expiry index names.
    async fn find_listed(&self, entry: Option<&Pair>) -> Result<Option<Found<Nonce>>, StoreError> {
        let Some((entry, _)) = entry else {
            return Ok(None);
        };
        match ExpiringKind::Nonce.of_expiry(entry) {
            Some(key) => self.0.find_any(key).await,
            None => Ok(None),
        }
    }

    /// Returns whether `nonce` was issued and is still valid, and invalidates it. Of any number of
    /// concurrent calls, only one returns true.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn consume(&self, nonce: &str, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.0.take(&key(nonce), now).await?.is_some())
    }
}

/// Returns the moment from which a nonce may be evicted.
fn protected(nonce: &Found<Nonce>, lifetime: u64) -> Timestamp {
    nonce
        .entry
        .value
        .issued_at
        .plus(lifetime.div_ceil(PROTECTED))
}

fn key(nonce: &str) -> Vec<u8> {
    sha256(nonce.as_bytes()).to_vec()
}
