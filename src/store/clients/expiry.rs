//! Removes expired clients, which it finds through the expiry index.

use std::ops::Range;

use futures_util::future::join_all;

use super::removal;
use crate::base::Timestamp;
use crate::store::{
    Action, Along, Author, Change, Clients, Reason, StoreError, Stored, expiring::sweep::add_up,
    keys, page, unless_lost,
};

/// The clients that had expired at a moment, and the progress of a sweep over them. It visits each index
/// entry once, so an entry that stays does not block the sweep.
#[derive(Debug)]
pub(crate) struct Expired {
    at: Timestamp,
    /// The part of the index that was not visited yet.
    left: Option<Range<Vec<u8>>>,
    removed: usize,
}

impl Expired {
    /// A sweep over the clients that expired at `at` or before; none was visited yet.
    pub(crate) fn at(at: Timestamp) -> Self {
        Self {
            at,
            left: Some(keys::clients_expired(at)),
            removed: 0,
        }
    }

    /// Returns whether all entries were visited.
    pub(crate) const fn is_over(&self) -> bool {
        self.left.is_none()
    }

    /// Clients that were removed.
    pub(crate) const fn removed(&self) -> usize {
        self.removed
    }
}

impl Clients {
    /// Returns how many clients expire after `now` and before `before`. Counting stops after `most`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn count_expiring(
        &self,
        now: Timestamp,
        before: Timestamp,
        most: usize,
    ) -> Result<usize, StoreError> {
        let range = keys::clients_expiring(now.plus(1), before);
        Ok(self.0.scan(range, most).await?.len())
    }

    /// Visits the next index entries, at most `limit`, and removes their clients. A client that has not
    /// expired is not touched; one that cannot be read is logged.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn sweep_expired(
        &self,
        expired: &mut Expired,
        limit: usize,
    ) -> Result<(), StoreError> {
        let Some(range) = expired.left.take() else {
            return Ok(());
        };
        let (entries, rest) = page(&*self.0, range, limit).await?;
        expired.left = rest;
        // All at once, so that they share a flush.
        let each = entries
            .into_iter()
            .map(|(entry, _)| self.sweep_one(entry, expired.at));
        add_up(
            join_all(each).await,
            "a client that has expired",
            &mut expired.removed,
        )
    }

    /// Removes at most `limit` clients that expired at `at` or before. Returns how many: 0 when no more can
    /// be removed. To remove all of them, use [`Self::sweep_expired`], which remembers its position.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn sweep(&self, at: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut expired = Expired::at(at);
        while expired.removed == 0 && !expired.is_over() {
            self.sweep_expired(&mut expired, limit).await?;
        }
        Ok(expired.removed)
    }

    /// Removes the client that the index entry names. Returns whether it was removed.
    async fn sweep_one(&self, entry: Vec<u8>, at: Timestamp) -> Result<bool, StoreError> {
        let found = match keys::expiring_client(&entry) {
            Some(id) => self.find(&id).await?,
            None => None,
        };
        let change = match &found {
            Some(stored) if stored.client().is_expired(at) => expired_removal(stored, at)?,
            // A dangling entry is removed, so that the next sweep does not visit it.
            Some(stored) => Change {
                expect: vec![stored.unchanged()],
                delete: vec![entry],
                ..Change::default()
            },
            None => Change {
                delete: vec![entry],
                ..Change::default()
            },
        };
        let is_removal = !change.count.is_empty();
        // The client was changed in the meantime, perhaps to expire later; the next sweep handles it.
        let made = unless_lost(self.0.apply(change).await)?;
        Ok(made.is_some() && is_removal)
    }
}

/// Returns the change that removes an expired client, with its events.
fn expired_removal(stored: &Stored, at: Timestamp) -> Result<Change, StoreError> {
    let client = stored.client();
    let ended = client.expires_at.unwrap_or(at);
    let event = Author::default().did(Action::ClientExpired, client.id.as_str(), ended);
    removal(stored, &Along::audited(&event, Reason::Expired))
}
