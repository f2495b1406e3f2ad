//! When clients were last used: noted in memory where it is seen, written now and then.
//!
//! It is known to the hour. Who uses a client waits for nothing, and a client that is always in
//! use costs one write an hour. What was noted and is not written yet is lost when the process
//! dies; the next use notes it again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;

use super::StoreError;
use super::clients::Clients;
use super::race::{unless_lost, until_won};
use crate::client::Client;
use crate::clock::Timestamp;
use crate::model::ClientId;

/// Seconds to which the last use is known: sooner after the one that is written, none is.
pub const GRAIN: u64 = 3_600;

/// Clients that are remembered between two writes.
const MOST: usize = 65_536;

/// Records that are written at a time, so that they share a flush.
const CHUNK: usize = 100;

/// When clients were last used.
#[derive(Clone)]
pub struct Uses {
    pub(super) clients: Clients,
    memory: Arc<Mutex<Memory>>,
    /// Held by the one that writes what was noted.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Memory {
    /// To be written.
    noted: HashMap<ClientId, Timestamp>,
    /// What is being written.
    writing: HashMap<ClientId, Timestamp>,
    /// What the store has, as far as it is known.
    written: HashMap<ClientId, Timestamp>,
}

impl Uses {
    pub(super) fn new(clients: Clients) -> Self {
        Self { clients, memory: Arc::default(), turn: Arc::default() }
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
        let memory = self.memory();
        let noted = memory.noted.get(&client.id).max(memory.writing.get(&client.id)).copied();
        drop(memory);
        noted.filter(|at| *at >= client.issued_at).max(client.last_used_at)
    }

    /// Whether a use of the client was noted that is not written yet.
    pub(super) fn is_waiting(&self, id: &ClientId) -> bool {
        let memory = self.memory();
        memory.noted.contains_key(id) || memory.writing.contains_key(id)
    }

    /// Writes what was noted, and says how many records that changed. Who comes while another one
    /// writes waits: what was noted before the call is written when it returns. A use of a client
    /// that can not be read is told in the log and forgotten.
    ///
    /// # Errors
    /// When the store can not be read or written; what is not written stays noted.
    pub async fn write(&self) -> Result<usize, StoreError> {
        let _turn = self.turn.lock().await;
        let noted = self.begin();
        let mut changed = 0;
        for chunk in noted.chunks(CHUNK) {
            let outcomes = join_all(chunk.iter().map(|(id, at)| self.write_one(id, *at))).await;
            changed += self.settle(chunk, outcomes)?;
        }
        Ok(changed)
    }

    /// What came of the uses of `chunk`: those that are over wait no more, and the others stay noted.
    fn settle(
        &self,
        chunk: &[(ClientId, Timestamp)],
        outcomes: Vec<Result<usize, StoreError>>,
    ) -> Result<usize, StoreError> {
        let (mut changed, mut failed) = (0, None);
        for ((id, _), outcome) in chunk.iter().zip(outcomes) {
            match outcome {
                Ok(written) => changed += written,
                // One that can not be read now can not be read the next time either, and is no reason
                // to keep the uses of the others.
                Err(error @ StoreError::Corrupt { .. }) => {
                    tracing::error!(%error, "a use of a client was not written");
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

    /// What is to be written: what was noted, and what is left of a write that failed or was given
    /// up.
    fn begin(&self) -> Vec<(ClientId, Timestamp)> {
        // At once, so that a sweep never sees a use in neither of the two.
        let mut memory = self.memory();
        let Memory { noted, writing, .. } = &mut *memory;
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

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
