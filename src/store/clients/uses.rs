//! When clients were last used: noted in memory at each use, and written from time to time.
//!
//! The last use is recorded to the hour. A request does not wait for the write, and a client that is in
//! constant use costs one write per hour. Uses that were noted but not written are lost when the process
//! dies; the next use is noted again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;

use super::Clients;
use crate::base::{ClientId, Timestamp};
use crate::client::Client;
use crate::store::{StoreError, unless_lost, until_won};

/// Resolution of the last use in seconds: a use within this time after the recorded one is not written.
pub(crate) const GRAIN: u64 = 3_600;

/// Clients that are remembered between two writes.
const MOST: usize = 65_536;

/// Records that are written at a time, so that they share a flush.
const CHUNK: usize = 100;

/// When clients were last used.
#[derive(Clone)]
pub(crate) struct Uses {
    pub(in crate::store) clients: Clients,
    memory: Arc<Mutex<UseMemory>>,
    /// Held while noted uses are written.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct UseMemory {
    /// Uses to be written.
    noted: HashMap<ClientId, Timestamp>,
    /// Uses that are being written.
    writing: HashMap<ClientId, Timestamp>,
    /// Last uses in the store, as far as they are known.
    written: HashMap<ClientId, Timestamp>,
}

impl Uses {
    pub(in crate::store) fn new(clients: Clients) -> Self {
        Self {
            clients,
            memory: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// Notes that the client was used at `at`. The number of clients noted between two writes is bounded;
    /// further ones are ignored.
    pub(crate) fn note(&self, id: &ClientId, at: Timestamp) {
        let mut memory = self.memory();
        if memory
            .written
            .get(id)
            .is_some_and(|last| at < last.plus(GRAIN))
        {
            return;
        }
        let UseMemory { noted, .. } = &mut *memory;
        if let Some(last) = noted.get_mut(id) {
            *last = at.max(*last);
        } else if noted.len() < MOST {
            noted.insert(id.clone(), at);
        }
    }

    /// Returns when the client was last used, including uses that are not written yet.
    pub(crate) fn last(&self, client: &Client) -> Option<Timestamp> {
        let memory = self.memory();
        let noted = memory
            .noted
            .get(&client.id)
            .max(memory.writing.get(&client.id))
            .copied();
        drop(memory);
        noted
            .filter(|at| *at >= client.issued_at)
            .max(client.last_used_at)
    }

    /// Returns whether a noted use of the client is not written yet.
    pub(in crate::store) fn is_waiting(&self, id: &ClientId) -> bool {
        let memory = self.memory();
        memory.noted.contains_key(id) || memory.writing.contains_key(id)
    }

    /// Writes the noted uses and returns how many records were changed. Concurrent calls run one after the
    /// other: uses noted before a call are written when it returns. A use of a client that cannot be read
    /// is logged and discarded.
    ///
    /// # Errors
    /// When the store cannot be read or written. Uses that are not written stay noted.
    pub(crate) async fn write(&self) -> Result<usize, StoreError> {
        let _turn = self.turn.lock().await;
        let noted = self.begin();
        let mut changed = 0;
        for chunk in noted.chunks(CHUNK) {
            let outcomes = join_all(chunk.iter().map(|(id, at)| self.write_one(id, *at))).await;
            changed += self.settle(chunk, outcomes)?;
        }
        Ok(changed)
    }

    /// Processes the outcomes for `chunk`: finished uses are removed, and the others stay noted.
    fn settle(
        &self,
        chunk: &[(ClientId, Timestamp)],
        outcomes: Vec<Result<usize, StoreError>>,
    ) -> Result<usize, StoreError> {
        let (mut changed, mut failed) = (0, None);
        for ((id, _), outcome) in chunk.iter().zip(outcomes) {
            match outcome {
                Ok(written) => changed += written,
                // A record that cannot be read now cannot be read later either, and must not hold up the
                // uses of other clients.
                Err(error @ StoreError::Corrupt { .. }) => {
                    tracing::error!(%error, "the last use of a client was not recorded");
                }
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            }
            self.memory().writing.remove(id);
        }
        failed.map_or(Ok(changed), Err)
    }

    /// Returns the uses to be written: the noted ones, and what is left of a write that failed or was
    /// cancelled.
    fn begin(&self) -> Vec<(ClientId, Timestamp)> {
        // In one step, so that a sweep always finds a use in one of the two maps.
        let mut memory = self.memory();
        let UseMemory { noted, writing, .. } = &mut *memory;
        for (id, at) in std::mem::take(noted) {
            if let Some(last) = writing.get_mut(&id) {
                *last = at.max(*last);
            } else if writing.len() < MOST {
                writing.insert(id, at);
            }
        }
        writing.iter().map(|(id, at)| (id.clone(), *at)).collect()
    }

    async fn write_one(&self, id: &ClientId, at: Timestamp) -> Result<usize, StoreError> {
        until_won(|| self.try_write(id, at)).await
    }

    async fn try_write(&self, id: &ClientId, at: Timestamp) -> Result<Option<usize>, StoreError> {
        let Some(stored) = self.clients.find(id).await? else {
            return Ok(Some(0));
        };
        let before = stored.client();
        if at < before.issued_at {
            return Ok(Some(0));
        }
        if let Some(last) = before.last_used_at.filter(|last| at < last.plus(GRAIN)) {
            self.remember(id, last);
            return Ok(Some(0));
        }
        let client = Client {
            last_used_at: Some(at),
            ..before.clone()
        };
        let written = unless_lost(self.clients.replace_exactly(&stored, &client).await)?;
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

    fn memory(&self) -> MutexGuard<'_, UseMemory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
