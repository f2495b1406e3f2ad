//! The thread that writes to sled.
//!
//! It takes all that waits, makes it one batch, flushes once, and answers all: many
//! registrations share one flush, and a change whose expectation is checked by the only writer
//! can not be overtaken. (`Db::flush_async` of sled 0.34 hangs when several callers use it.)

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sled::Batch;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::backend::Change;
use super::error::StoreError;
use super::integrity::Integrity;
use super::pending::{Pending, Values};
use super::sled_database::Database;
use crate::telemetry::meter;

/// Changes that share one flush.
const BATCH: usize = 1_024;
/// Between two tries to open a database again that took a batch no more.
const MENDING: Duration = Duration::from_secs(1);

/// Where the outcome of a change goes.
pub(super) type Answer = oneshot::Sender<Result<Vec<i64>, StoreError>>;
type Waiting = Vec<(Change, Answer)>;
/// What is stored, as far as it was read for one batch.
type Known = RefCell<HashMap<Vec<u8>, Option<Vec<u8>>>>;

/// The only one that writes.
pub(super) struct Writer {
    database: Arc<Database>,
    integrity: Integrity,
    /// When a write failed, or it was last tried to mend that.
    broken: Option<Instant>,
    /// When counting failed last.
    miscounted: Option<Instant>,
}

impl Writer {
    pub(super) const fn new(database: Arc<Database>, integrity: Integrity) -> Self {
        Self { database, integrity, broken: None, miscounted: None }
    }

    /// Writes what comes, until nobody can send any more.
    pub(super) fn run(&mut self, mut changes: mpsc::Receiver<(Change, Answer)>) {
        while let Some(taken) = self.take(&mut changes) {
            if !taken.is_empty() {
                let (count, started) = (taken.len(), Instant::now());
                self.commit(taken);
                meter::store_batch(count, started.elapsed(), changes.len());
            }
            if self.counts() {
                self.count();
            }
        }
    }

    /// Whether there is something to count. A database that did not take a batch may show a part
    /// of it, until it is opened again; one that could not be read rests, and is counted on with
    /// the first change after that.
    fn counts(&self) -> bool {
        let is_resting = self.miscounted.is_some_and(|failed| failed.elapsed() < MENDING);
        self.integrity.is_counting() && self.broken.is_none() && !is_resting
    }

    fn count(&mut self) {
        self.miscounted = self.integrity.count_on(&self.database).err().map(|error| {
            tracing::warn!(%error, "what is stored could not be counted; it is tried again");
            Instant::now()
        });
    }

    /// What waits: nothing while there is something to count; else it waits for a change. None
    /// when nobody can send any more.
    fn take(&self, changes: &mut mpsc::Receiver<(Change, Answer)>) -> Option<Waiting> {
        let mut taken = Vec::new();
        if !self.counts() {
            return (changes.blocking_recv_many(&mut taken, BATCH) > 0).then_some(taken);
        }
        while taken.len() < BATCH {
            match changes.try_recv() {
                Ok(change) => taken.push(change),
                Err(TryRecvError::Disconnected) if taken.is_empty() => return None,
                Err(_) => break,
            }
        }
        Some(taken)
    }

    /// Makes all of `changes` that can be made, with one batch and one flush, and answers them.
    ///
    /// A refusal waits for the write as well: whoever reads after it must see what came first,
    /// and it would be false if that were never written.
    fn commit(&mut self, changes: Waiting) {
        self.mend();
        // What was looked up for the changes is not looked up again for the tally.
        let known = Known::default();
        let mut pending = Pending::on(|key: &[u8]| self.recall(&known, key));
        let outcomes: Vec<_> =
            changes.into_iter().map(|(change, answer)| (pending.add(change), answer)).collect();
        let values = pending.into_values();
        let written = self.write(values, &known);
        for (outcome, answer) in outcomes {
            // Whoever asked may have gone; the change is made all the same.
            let _ = answer.send(written.clone().and(outcome));
        }
    }

    /// What is stored under `key`, read once in a batch.
    fn recall(&self, known: &Known, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(value) = known.borrow().get(key) {
            return Ok(value.clone());
        }
        let value = self.database.with(|db| Ok(db.get(key)?.map(|value| value.to_vec())))?;
        known.borrow_mut().insert(key.to_vec(), value.clone());
        Ok(value)
    }

    /// Writes `values` and flushes: what is written then survives a power cut.
    ///
    /// A database that did not take a batch may have a part of it, which the tally does not know:
    /// it takes nothing more, and answers nothing from what it shows, until it is opened again.
    fn write(&mut self, values: Values, known: &Known) -> Result<(), StoreError> {
        if let Some(damage) = self.integrity.damage() {
            return Err(damage);
        }
        if self.broken.is_some() {
            let reason = "a batch could not be written; the database is opened again soon";
            return Err(StoreError::Unavailable(reason.to_owned()));
        }
        if values.is_empty() {
            return Ok(());
        }
        let next = self.integrity.next(|key| self.recall(known, key), &values)?;
        let mut batch = Batch::default();
        let tally = next.pair();
        for (key, value) in values.into_iter().chain([(tally.0, Some(tally.1))]) {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        let written = self.database.with(|db| {
            db.apply_batch(batch)?;
            db.flush().map(drop)
        });
        match &written {
            Ok(()) => self.integrity.written(&next),
            Err(error) => {
                tracing::error!(%error, "the store did not take a batch");
                self.broken = Some(Instant::now());
            }
        }
        written
    }

    /// Opens a database again that did not take a batch, from time to time until it does.
    fn mend(&mut self) {
        let is_due = self.broken.is_some_and(|tried| tried.elapsed() >= MENDING);
        // One that lost what was acknowledged is not mended by opening it.
        if !is_due || self.integrity.damage().is_some() {
            return;
        }
        let opened = self.database.reopen().and_then(|()| self.integrity.reopened(&self.database));
        match opened {
            Ok(()) => {
                tracing::info!("the store was opened again and takes changes");
                self.broken = None;
            }
            Err(error) => {
                tracing::error!(%error, "the store could not be opened again");
                self.broken = Some(Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests;
