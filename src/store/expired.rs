//! The clients whose time is over: found by the index of their expiry, and removed.

use std::ops::Range;

use futures_util::future::join_all;

use super::audit::{Action, Author};
use super::backend::{Change, page};
use super::clients::removal;
use super::race::unless_lost;
use super::sweep::add_up;
use super::{Clients, StoreError, keys};
use crate::clock::Timestamp;

/// The clients that had expired at a moment, and how far a sweep of them is. It meets each entry of
/// the index once, so one that stays does not hold it up.
#[derive(Debug)]
pub struct Expired {
    at: Timestamp,
    /// The part of the index that it did not look at.
    left: Option<Range<Vec<u8>>>,
    removed: usize,
}

impl Expired {
    /// Those that expired at `at` or before; none was looked at yet.
    pub fn at(at: Timestamp) -> Self {
        Self { at, left: Some(keys::clients_expired(at)), removed: 0 }
    }

    /// Whether all were looked at.
    pub const fn is_over(&self) -> bool {
        self.left.is_none()
    }

    /// Clients that were removed.
    pub const fn removed(&self) -> usize {
        self.removed
    }
}

impl Clients {
    /// Looks at the next entries of the index, at most `limit`, and removes the clients that they
    /// name. Clients that live are not touched; one that can not be read is told in the log.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn sweep_expired(&self, expired: &mut Expired, limit: usize) -> Result<(), StoreError> {
        let Some(range) = expired.left.take() else { return Ok(()) };
        let (entries, rest) = page(&*self.0, range, limit).await?;
        expired.left = rest;
        // All at once, so that they share a flush.
        let each = entries.into_iter().map(|(entry, _)| self.sweep_one(entry, expired.at));
        add_up(join_all(each).await, "a client that has expired", &mut expired.removed)
    }

    /// Removes at most `limit` of the clients that expired at `at` or before, and says how many: 0
    /// when there is none that can be removed. Who removes all of them keeps its place among them:
    /// see [`Self::sweep_expired`].
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn sweep(&self, at: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut expired = Expired::at(at);
        while expired.removed == 0 && !expired.is_over() {
            self.sweep_expired(&mut expired, limit).await?;
        }
        Ok(expired.removed)
    }

    /// Removes the client that the index entry names; whether it was there to be removed.
    async fn sweep_one(&self, entry: Vec<u8>, at: Timestamp) -> Result<bool, StoreError> {
        let found = match keys::expiring_client(&entry) {
            Some(id) => self.find(&id).await?,
            None => None,
        };
        let change = match &found {
            Some(stored) if stored.client().is_expired(at) => {
                let client = stored.client();
                let ended = client.expires_at.unwrap_or(at);
                let event = Author::default().did(Action::ClientExpired, client.id.as_str(), ended);
                removal(stored).and(event.change()?)
            }
            // An entry that leads nowhere: it goes, so that the next sweep does not meet it.
            Some(stored) => {
                Change { expect: vec![stored.unchanged()], delete: vec![entry], ..Change::default() }
            }
            None => Change { delete: vec![entry], ..Change::default() },
        };
        let is_removal = !change.count.is_empty();
        // It was changed meanwhile, perhaps to live longer: the next sweep will see.
        let made = unless_lost(self.0.apply(change).await)?;
        Ok(made.is_some() && is_removal)
    }
}
