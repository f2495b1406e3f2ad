//! Removes unused clients, which it finds through the index of last uses.

use std::ops::Range;

use futures_util::future::join_all;

use super::{Stored, index::client_use};
use crate::base::Timestamp;
use crate::client::Client;
use crate::store::{
    Along, Change, Pair, StoreError, Uses, expiring::sweep::add_up, keys, page, unless_lost,
};

/// Which clients count as unused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Unused {
    /// Clients that were never used and were issued at this moment or before.
    pub(crate) never_since: Option<Timestamp>,
    /// Clients that were last used at this moment or before.
    pub(crate) idle_since: Option<Timestamp>,
}

impl Unused {
    /// Returns a sweep over them that has not begun yet.
    pub(crate) fn sweep(self) -> Sweep {
        let ranges = [
            self.never_since.map(keys::never_used),
            self.idle_since.map(keys::last_used),
        ];
        Sweep {
            left: ranges.into_iter().flatten().collect(),
            removed: 0,
        }
    }
}

/// The progress of a sweep. It visits each index entry once, so an entry that stays does not block the
/// sweep.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// The parts of the index that were not visited yet.
    left: Vec<Range<Vec<u8>>>,
    removed: usize,
}

impl Sweep {
    /// Returns whether all entries were visited.
    pub(crate) const fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// Clients that the sweep removed.
    pub(crate) const fn removed(&self) -> usize {
        self.removed
    }
}

/// Whether an administrator has approved or brought the document of the client, or has disabled the client. Such a
/// client stays: the decision would be lost with it, and the next question for the URL would create the client again.
fn is_decided(client: &Client) -> bool {
    let document = client.document.as_ref();
    let is_disabled = client.metadata.metadata().flag("disabled");
    document.is_some_and(|document| document.pinned || document.approved.is_some() || is_disabled)
}

impl Uses {
    /// Returns how many clients were never used, and how many were not used for long. Counting stops after `most`. Uses
    /// that are not written yet are not known.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn count_unused(
        &self,
        unused: Unused,
        most: usize,
    ) -> Result<(usize, usize), StoreError> {
        let count = async |range: Option<Range<Vec<u8>>>| match range {
            Some(range) => Ok(self.clients.0.scan(range, most).await?.len()),
            None => Ok::<usize, StoreError>(0),
        };
        Ok((
            count(unused.never_since.map(keys::never_used)).await?,
            count(unused.idle_since.map(keys::last_used)).await?,
        ))
    }

    /// Visits the next index entries, at most `limit`, and removes their clients, each together with what
    /// `also` returns for it. Clients that are in use, or whose use is still to be written, are not
    /// touched. A client that cannot be read is logged.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn sweep_unused<A: Into<Along>>(
        &self,
        sweep: &mut Sweep,
        limit: usize,
        also: impl Fn(&Client) -> Result<A, StoreError>,
    ) -> Result<(), StoreError> {
        let Some(range) = sweep.left.pop() else {
            return Ok(());
        };
        let (entries, rest) = page(&*self.clients.0, range, limit).await?;
        sweep.left.extend(rest);
        // All at once, so that they share a flush.
        let each = entries
            .into_iter()
            .map(|(entry, _)| self.sweep_one(entry, &also));
        add_up(join_all(each).await, "an unused client", &mut sweep.removed)
    }

    /// Removes the client that the index entry names. Returns whether it was removed.
    async fn sweep_one<A: Into<Along>>(
        &self,
        entry: Vec<u8>,
        also: &impl Fn(&Client) -> Result<A, StoreError>,
    ) -> Result<bool, StoreError> {
        let found = match keys::used_client(&entry) {
            Some(id) => self.clients.find(&id).await?,
            None => None,
        };
        let made = match found {
            Some(stored) if self.is_waiting(&stored.client().id) => None,
            Some(stored) if is_decided(stored.client()) => None,
            Some(stored) if client_use(stored.client()).as_ref() == Some(&entry) => {
                // The client was changed in the meantime, perhaps because it was used; the next sweep
                // handles it.
                unless_lost(
                    self.clients
                        .remove_exactly(&stored, &also(stored.client())?.into())
                        .await,
                )?
            }
            // A dangling entry is removed, so that the next sweep does not visit it. If another server
            // writes the entry in the meantime, it writes the client too, and the next use writes another
            // entry.
            _ => {
                self.clients
                    .0
                    .apply(Change {
                        delete: vec![entry],
                        ..Change::default()
                    })
                    .await?;
                None
            }
        };
        Ok(made.is_some())
    }

    /// Adds clients that were stored before the index existed to it, `limit` at a time, and returns how
    /// many. This is done once in the lifetime of a store, which records it.
    ///
    /// # Errors
    /// When the store cannot be read or written. The next call starts again.
    pub(crate) async fn enter_all(&self, limit: usize) -> Result<usize, StoreError> {
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
            // This loop does not wait for anything if all clients are in the index, so let other tasks run.
            tokio::task::yield_now().await;
        }
        let put = vec![(keys::USES_ENTERED.to_vec(), Vec::new())];
        backend
            .apply(Change {
                put,
                ..Change::default()
            })
            .await?;
        Ok(entered)
    }

    /// Adds the client of a record to the index. Returns whether it was missing.
    async fn enter(&self, pair: Pair) -> Result<bool, StoreError> {
        // A client that cannot be read cannot be found by its uses either.
        let Ok(stored) = Stored::read(pair) else {
            return Ok(false);
        };
        let Some(entry) = client_use(stored.client()) else {
            return Ok(false);
        };
        let backend = &self.clients.0;
        if backend.get(&entry).await?.is_some() {
            return Ok(false);
        }
        let put = vec![(entry, Vec::new())];
        let change = Change {
            expect: vec![stored.unchanged()],
            put,
            ..Change::default()
        };
        // If another change interfered, that change added the client.
        Ok(unless_lost(backend.apply(change).await)?.is_some())
    }
}
