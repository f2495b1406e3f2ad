//! When clients were last used: noted in memory where it is seen, written now and then.
//!
//! It is known to the hour. Who uses a client waits for nothing, and a client that is always in
//! use costs one write an hour. What was noted and is not written yet is lost when the process
//! dies; the next use notes it again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;

use super::backend::Change;
use super::client_index::client_use;
use super::clients::Clients;
use super::race::{unless_lost, until_won};
use super::{StoreError, keys};
use crate::client::Client;
use crate::clock::Timestamp;
use crate::model::ClientId;

/// Seconds to which the last use is known: sooner after the one that is written, none is.
pub const GRAIN: u64 = 3_600;

/// Clients that are remembered between two writes.
const MOST: usize = 65_536;

/// Records that are written at a time, so that they share a flush.
const CHUNK: usize = 100;

/// Which clients are of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unused {
    /// Those that were never used and were issued at this moment or before.
    pub never_since: Option<Timestamp>,
    /// Those that were used, the last time at this moment or before.
    pub idle_since: Option<Timestamp>,
}

/// When clients were last used.
#[derive(Clone)]
pub struct Uses {
    clients: Clients,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    /// To be written.
    noted: HashMap<ClientId, Timestamp>,
    /// What the store has, as far as it is known.
    written: HashMap<ClientId, Timestamp>,
}

impl Uses {
    pub(super) fn new(clients: Clients) -> Self {
        Self { clients, memory: Arc::default() }
    }

    /// Notes that the client was used at `at`. Beyond a bounded number of clients between two
    /// writes it is forgotten.
    pub fn note(&self, id: &ClientId, at: Timestamp) {
        let mut memory = self.memory();
        if memory.written.get(id).is_some_and(|last| at < last.plus(GRAIN)) {
            return;
        }
        let Memory { noted, .. } = &mut *memory;
        if let Some(last) = noted.get_mut(id) {
            *last = at.max(*last);
        } else if noted.len() < MOST {
            noted.insert(id.clone(), at);
        }
    }

    /// When the client was last used, with what is not written yet.
    pub fn last(&self, client: &Client) -> Option<Timestamp> {
        let noted = self.memory().noted.get(&client.id).copied();
        noted.filter(|at| *at >= client.issued_at).max(client.last_used_at)
    }

    /// Writes what was noted, and says how many records that changed.
    ///
    /// # Errors
    /// When the store can not be read or written; what is not written stays noted.
    pub async fn write(&self) -> Result<usize, StoreError> {
        let noted: Vec<_> = std::mem::take(&mut self.memory().noted).into_iter().collect();
        let mut changed = 0;
        for (at, chunk) in noted.chunks(CHUNK).enumerate() {
            let outcomes = join_all(chunk.iter().map(|(id, at)| self.write_one(id, *at))).await;
            match outcomes.into_iter().sum::<Result<usize, _>>() {
                Ok(count) => changed += count,
                Err(error) => {
                    noted.iter().skip(at * CHUNK).for_each(|(id, at)| self.note(id, *at));
                    return Err(error);
                }
            }
        }
        Ok(changed)
    }

    async fn write_one(&self, id: &ClientId, at: Timestamp) -> Result<usize, StoreError> {
        until_won(|| self.try_write(id, at)).await
    }

    async fn try_write(&self, id: &ClientId, at: Timestamp) -> Result<Option<usize>, StoreError> {
        let Some(stored) = self.clients.find(id).await? else { return Ok(Some(0)) };
        let before = stored.client();
        if at < before.issued_at {
            return Ok(Some(0));
        }
        if let Some(last) = before.last_used_at.filter(|last| at < last.plus(GRAIN)) {
            self.remember(id, last);
            return Ok(Some(0));
        }
        let client = Client { last_used_at: Some(at), ..before.clone() };
        let written = unless_lost(self.clients.replace(&stored, &client, Change::default()).await)?;
        Ok(written.map(|()| {
            self.remember(id, at);
            1
        }))
    }

    fn remember(&self, id: &ClientId, at: Timestamp) {
        let mut memory = self.memory();
        if memory.written.len() >= MOST {
            memory.written.clear();
        }
        memory.written.insert(id.clone(), at);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clients {
    /// Removes at most `limit` of the clients that are `unused`, each together with what `also`
    /// says of it, and says how many index entries it met: 0 when there is no more to do. Clients
    /// that are in use are not touched.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn sweep_unused(
        &self,
        unused: Unused,
        limit: usize,
        also: impl Fn(&Client) -> Result<Change, StoreError>,
    ) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        let ranges = [unused.never_since.map(keys::never_used), unused.idle_since.map(keys::last_used)];
        for range in ranges.into_iter().flatten() {
            let entries = self.0.scan(range, limit).await?;
            swept.met += entries.len();
            // All at once, so that they share a flush.
            let each = entries.into_iter().map(|(entry, _)| self.sweep_unused_one(entry, &also));
            for removed in join_all(each).await {
                swept.removed += usize::from(removed?);
            }
        }
        Ok(swept)
    }

    /// Removes the client that the index entry names; whether it was there to be removed.
    async fn sweep_unused_one(
        &self,
        entry: Vec<u8>,
        also: &impl Fn(&Client) -> Result<Change, StoreError>,
    ) -> Result<bool, StoreError> {
        let found = match keys::used_client(&entry) {
            Some(id) => self.find(&id).await?,
            None => None,
        };
        let made = match found {
            Some(stored) if client_use(stored.client()).as_ref() == Some(&entry) => {
                // It was changed meanwhile, perhaps because it was used: the next sweep will see.
                unless_lost(self.remove(&stored, also(stored.client())?).await)?
            }
            // An entry that leads nowhere: it goes, so that the next sweep does not meet it. Whoever
            // writes it anew meanwhile writes the client with it, and the next use writes another.
            _ => {
                self.0.apply(Change { delete: vec![entry], ..Change::default() }).await?;
                None
            }
        };
        Ok(made.is_some())
    }
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Entries of the index that it met.
    pub met: usize,
    /// Clients that it removed.
    pub removed: usize,
}
