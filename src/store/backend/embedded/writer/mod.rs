//! The thread that writes to the database.
//!
//! It takes all queued changes, writes them as one batch, flushes once, and answers all of them. Many
//! registrations thus share one flush, and a change whose expectations the only writer has checked cannot
//! be overtaken.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::{Database, Engine, Integrity, tally};
use crate::store::{Applied, Change, Journal, Pending, StoreError, Values, backend::chain::MARK};
use crate::telemetry::meter;

/// Changes that share one flush.
const BATCH: usize = 1_024;
/// Pause between two attempts to reopen a database after a failed batch.
const MENDING: Duration = Duration::from_secs(1);

/// Where the outcome of a change is sent.
pub(in crate::store) type AnswerSender = oneshot::Sender<Result<Applied, StoreError>>;
type WaitingChanges = Vec<(Change, AnswerSender)>;
/// What is stored, as far as it was read for one batch.
type KnownValues = RefCell<BTreeMap<Vec<u8>, Option<Vec<u8>>>>;

/// The maximum count of values that are kept in memory. There are few numbers that many changes count in.
const MOST_KEPT: usize = 1_024;
/// The maximum length of a key, in bytes, of what belongs to the store as a whole and is compared with many changes: above
/// all, the proof of the key of secrets.
const SHORT: usize = 2;

/// The only writer.
pub(in crate::store) struct Writer<E: Engine> {
    database: Arc<Database<E>>,
    integrity: Integrity,
    /// When a write failed, or when the last attempt to recover from that failed.
    broken: Option<Instant>,
    /// When counting last failed.
    miscounted: Option<Instant>,
    /// Numbers and values with short keys, as they are stored, so that they are not read for each batch: nobody else
    /// writes.
    kept: Values,
    journal: Journal,
}

impl<E: Engine> Writer<E> {
    pub(in crate::store) const fn new(
        database: Arc<Database<E>>,
        integrity: Integrity,
        journal: Journal,
    ) -> Self {
        Self {
            database,
            integrity,
            broken: None,
            miscounted: None,
            kept: Values::new(),
            journal,
        }
    }

    /// Writes the changes it receives until all senders are dropped.
    pub(in crate::store) fn run(&mut self, mut changes: mpsc::Receiver<(Change, AnswerSender)>) {
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

    /// Returns whether there is more to count. After a failed batch, the database may show a part of it
    /// until it is reopened. After a failed read, counting pauses and resumes with a later change.
    fn counts(&self) -> bool {
        let is_resting = self
            .miscounted
            .is_some_and(|failed| failed.elapsed() < MENDING);
        self.integrity.is_counting() && self.broken.is_none() && !is_resting
    }

    fn count(&mut self) {
        self.miscounted = match self.integrity.count_on(&self.database) {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(%error, "counting the stored records failed; retrying");
                Some(Instant::now())
            }
        };
    }

    /// Returns the queued changes. It returns at once while there is more to count, and otherwise waits for
    /// a change. Returns `None` once all senders are dropped.
    fn take(&self, changes: &mut mpsc::Receiver<(Change, AnswerSender)>) -> Option<WaitingChanges> {
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

    /// Applies all of `changes` that can be applied, with one batch and one flush, and answers them.
    ///
    /// A rejected change also waits for the write: a client that reads after the rejection must see the
    /// change that came first, and the rejection would be wrong if that change were never written.
    fn commit(&mut self, changes: WaitingChanges) {
        self.mend();
        // Values that were read for the changes are not read again for the tally.
        let known = KnownValues::default();
        let mut pending = Pending::on(|key: &[u8]| self.recall(&known, key));
        let mut outcomes = Vec::with_capacity(changes.len());
        for (change, answer) in changes {
            outcomes.push((pending.add(change), answer));
        }
        let fresh = pending.take_fresh();
        let values = pending.into_values();
        let absent = fresh.into_iter().map(|key| (key, None));
        known.borrow_mut().extend(absent);
        let written = self.write(values, &known);
        for (outcome, answer) in outcomes {
            // The caller may have gone; the change is made all the same.
            let _ = answer.send(written.clone().and(outcome));
        }
    }

    /// Returns the value stored under `key`, which is read once per batch.
    fn recall(&self, known: &KnownValues, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(value) = self.kept.get(key).or(known.borrow().get(key)) {
            return Ok(value.clone());
        }
        let value = self.database.get(key)?;
        known.borrow_mut().insert(key.to_vec(), value.clone());
        Ok(value)
    }

    /// Writes `values` and flushes them: what is written then survives a power cut.
    ///
    /// After a failed batch, the database may contain a part of it, which the tally does not include. Until
    /// the database is reopened, it accepts nothing more, and no answer is based on what it shows.
    fn write(&mut self, mut values: Values, known: &KnownValues) -> Result<(), StoreError> {
        self.check_writable()?;
        if values.is_empty() {
            return Ok(());
        }
        let next = self
            .integrity
            .next(|key| self.recall(known, key), &values)?;
        let numbers = self.worth_keeping(&values, known);
        next.join(&mut values);
        let written = self.database.write(&values);
        match &written {
            Ok(()) => {
                self.integrity.written(&next);
                self.keep(numbers);
                // A restored store has a tally of its own.
                values.remove(tally::KEY);
                self.journal.written(values);
            }
            Err(error) => {
                self.kept.clear();
                self.journal.failed();
                tracing::error!(%error, "write to the store failed");
                self.broken = Some(Instant::now());
            }
        }
        written
    }

    /// Returns what is kept of a batch that writes `values`: numbers, marks of chains, what was read under short keys, and
    /// whatever is kept under the same keys.
    fn worth_keeping(&self, values: &Values, known: &KnownValues) -> Values {
        let mut numbers = Values::new();
        for (key, value) in known.borrow().iter().filter(|(key, _)| key.len() <= SHORT) {
            numbers.insert(key.clone(), value.clone());
        }
        for (key, value) in values {
            let is_number = value
                .as_ref()
                .is_some_and(|value| [size_of::<u64>(), MARK].contains(&value.len()));
            let is_kept = || self.kept.contains_key(key) || numbers.contains_key(key);
            if is_number || is_kept() {
                numbers.insert(key.clone(), value.clone());
            }
        }
        numbers
    }

    fn keep(&mut self, numbers: Values) {
        if self.kept.len() + numbers.len() > MOST_KEPT {
            self.kept.clear();
        }
        self.kept.extend(numbers);
    }

    /// Checks that the database accepts changes.
    fn check_writable(&self) -> Result<(), StoreError> {
        if let Some(damage) = self.integrity.damage() {
            return Err(damage);
        }
        if self.broken.is_some() {
            let reason = "the last write failed; the database will be reopened shortly";
            return Err(StoreError::Unavailable(reason.to_owned()));
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.kept.clear();
        self.database.reopen()?;
        self.integrity.reopened(&self.database)
    }

    /// Reopens a database after a failed batch. Retries from time to time until it succeeds.
    fn mend(&mut self) {
        let is_due = self.broken.is_some_and(|tried| tried.elapsed() >= MENDING);
        // Reopening does not bring back lost acknowledged data.
        if !is_due || self.integrity.damage().is_some() {
            return;
        }
        match self.reopen() {
            Ok(()) => {
                tracing::info!("store reopened; accepting changes again");
                self.broken = None;
            }
            Err(error) => {
                tracing::error!(%error, "reopening the store failed");
                self.broken = Some(Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests;
