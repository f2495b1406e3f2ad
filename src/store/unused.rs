//! The clients that nobody uses: found by the index of their last uses, and removed.

use std::ops::Range;

use futures_util::future::join_all;

use super::backend::{Change, Pair, page};
use super::client_index::client_use;
use super::clients::Stored;
use super::race::unless_lost;
use super::sweep::add_up;
use super::{StoreError, Uses, keys};
use crate::client::Client;
use crate::clock::Timestamp;

/// Which clients are of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unused {
    /// Those that were never used and were issued at this moment or before.
    pub never_since: Option<Timestamp>,
    /// Those that were used, the last time at this moment or before.
    pub idle_since: Option<Timestamp>,
}

impl Unused {
    /// A sweep of them that did not begin yet.
    pub fn sweep(self) -> Sweep {
        let ranges = [self.never_since.map(keys::never_used), self.idle_since.map(keys::last_used)];
        Sweep { left: ranges.into_iter().flatten().collect(), removed: 0 }
    }
}

/// How far a sweep is. It meets each entry of the index once, so one that stays does not hold it up.
#[derive(Debug)]
pub struct Sweep {
    /// The parts of the index that it did not look at.
    left: Vec<Range<Vec<u8>>>,
    removed: usize,
}

impl Sweep {
    /// Whether all was looked at.
    pub const fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// Clients that it removed.
    pub const fn removed(&self) -> usize {
        self.removed
    }
}

impl Uses {
    /// Looks at the next entries of the index, at most `limit`, and removes the clients that they
    /// name, each together with what `also` says of it. Clients that are in use are not touched,
    /// nor those whose use is still to be written; one that can not be read is told in the log.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn sweep_unused(
        &self,
        sweep: &mut Sweep,
        limit: usize,
        also: impl Fn(&Client) -> Result<Change, StoreError>,
    ) -> Result<(), StoreError> {
        let Some(range) = sweep.left.pop() else { return Ok(()) };
        let (entries, rest) = page(&*self.clients.0, range, limit).await?;
        sweep.left.extend(rest);
        // All at once, so that they share a flush.
        let each = entries.into_iter().map(|(entry, _)| self.sweep_one(entry, &also));
        add_up(join_all(each).await, "a client that nobody used", &mut sweep.removed)
    }

    /// Removes the client that the index entry names; whether it was there to be removed.
    async fn sweep_one(
        &self,
        entry: Vec<u8>,
        also: &impl Fn(&Client) -> Result<Change, StoreError>,
    ) -> Result<bool, StoreError> {
        let found = match keys::used_client(&entry) {
            Some(id) => self.clients.find(&id).await?,
            None => None,
        };
        let made = match found {
            Some(stored) if self.is_waiting(&stored.client().id) => None,
            Some(stored) if client_use(stored.client()).as_ref() == Some(&entry) => {
                // It was changed meanwhile, perhaps because it was used: the next sweep will see.
                unless_lost(self.clients.remove_exactly(&stored, also(stored.client())?).await)?
            }
            // An entry that leads nowhere: it goes, so that the next sweep does not meet it. Whoever
            // writes it anew meanwhile writes the client with it, and the next use writes another.
            _ => {
                self.clients.0.apply(Change { delete: vec![entry], ..Change::default() }).await?;
                None
            }
        };
        Ok(made.is_some())
    }

    /// Enters the clients in the index that were stored before there was one, `limit` at a time, and
    /// says how many. It is done once in the life of a store, and then remembered there.
    ///
    /// # Errors
    /// When the store can not be read or written; the next call begins again.
    pub async fn enter_all(&self, limit: usize) -> Result<usize, StoreError> {
        let backend = &self.clients.0;
        if backend.get(keys::USES_ENTERED).await?.is_some() {
            return Ok(0);
        }
        let (mut entered, mut left) = (0, Some(keys::under(keys::CLIENTS)));
        while let Some(range) = left {
            let (pairs, rest) = page(&**backend, range, limit).await?;
            left = rest;
            for outcome in join_all(pairs.into_iter().map(|pair| self.enter(pair))).await {
                entered += usize::from(outcome?);
            }
            // Nothing of it need wait when all of them are in the index; others are to have their turn.
            tokio::task::yield_now().await;
        }
        let put = vec![(keys::USES_ENTERED.to_vec(), Vec::new())];
        backend.apply(Change { put, ..Change::default() }).await?;
        Ok(entered)
    }

    /// Enters the client of a record in the index; whether it was not there.
    async fn enter(&self, pair: Pair) -> Result<bool, StoreError> {
        // One that can not be read is not to be found by its uses either.
        let Ok(stored) = Stored::read(pair) else { return Ok(false) };
        let Some(entry) = client_use(stored.client()) else { return Ok(false) };
        let backend = &self.clients.0;
        if backend.get(&entry).await?.is_some() {
            return Ok(false);
        }
        let put = vec![(entry, Vec::new())];
        let change = Change { expect: vec![stored.unchanged()], put, ..Change::default() };
        // Whoever changed it meanwhile entered it.
        Ok(unless_lost(backend.apply(change).await)?.is_some())
    }
}
