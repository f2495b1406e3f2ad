//! The embedded store: one sled tree, and one thread that writes to it.
//!
//! The writer takes all that waits, makes it one batch, flushes once, and answers all: many
//! registrations share one flush, and a change whose expectation is checked by the only writer
//! can not be overtaken. (`Db::flush_async` of sled 0.34 hangs when several callers use it.)
//! Reads go to the tree directly; they are short, and most are served from its cache.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use sled::{Batch, Db};
use tokio::sync::{mpsc, oneshot};

use super::backend::{Backend, Change, Expectation, Pair};
use super::error::StoreError;
use crate::telemetry::meter::{self, WriteOutcome};

/// Changes that may wait for the writer; more are refused.
const QUEUE: usize = 4_096;
/// Changes that share one flush.
const BATCH: usize = 1_024;

type Answer = oneshot::Sender<Result<(), StoreError>>;

/// Keys and values in sled.
pub(super) struct Sled {
    database: Db,
    /// None once the store is being closed.
    queue: Option<mpsc::Sender<(Change, Answer)>>,
    writer: Option<std::thread::JoinHandle<()>>,
}

impl Sled {
    /// Opens the database in `folder`, which is made when it is not there.
    pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let database = sled::Config::new()
            .path(folder)
            .cache_capacity(cache_bytes)
            // The writer flushes; a second flush behind its back would only cost.
            .flush_every_ms(None)
            .open()
            .map_err(|error| opening(folder, &error))?;
        let (queue, changes) = mpsc::channel(QUEUE);
        let tree = database.clone();
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write(&tree, changes))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { database, queue: Some(queue), writer: Some(writer) })
    }
}

impl Drop for Sled {
    /// Lets the writer finish what was accepted, so that the folder is free when this returns.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing more to write.
            let _ = writer.join();
        }
    }
}

fn opening(folder: &Path, error: &sled::Error) -> StoreError {
    match error {
        // This is how sled 0.34 says that another process holds the lock of the folder.
        sled::Error::Io(cause) if cause.to_string().contains("could not acquire lock") => {
            StoreError::Locked(folder.to_owned())
        }
        other => unavailable(other),
    }
}

fn unavailable(error: &sled::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// Writes what comes, until nobody can send any more.
fn write(database: &Db, mut changes: mpsc::Receiver<(Change, Answer)>) {
    let mut waiting = Vec::new();
    while changes.blocking_recv_many(&mut waiting, BATCH) > 0 {
        let taken = std::mem::take(&mut waiting);
        let (count, started) = (taken.len(), Instant::now());
        commit(database, taken);
        meter::store_batch(count, started.elapsed(), changes.len());
    }
}

/// Makes all of `changes` that can be made, with one batch and one flush, and answers them.
fn commit(database: &Db, changes: Vec<(Change, Answer)>) {
    let mut pending = Pending { database, values: BTreeMap::new() };
    let mut made = Vec::with_capacity(changes.len());
    for (change, answer) in changes {
        match pending.add(change) {
            Ok(()) => made.push(answer),
            Err(error) => reply(answer, Err(error)),
        }
    }
    let outcome = pending.write().map_err(|error| {
        tracing::error!(%error, "the store did not take a batch");
        unavailable(&error)
    });
    for answer in made {
        reply(answer, outcome.clone());
    }
}

fn reply(answer: Answer, outcome: Result<(), StoreError>) {
    // Whoever asked may have gone; the change is made all the same.
    let _ = answer.send(outcome);
}

/// The changes of one batch, as those that come later in it see them.
struct Pending<'a> {
    database: &'a Db,
    /// None: to be removed.
    values: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Pending<'_> {
    /// Adds `change` when what it expects is so, after the changes before it.
    fn add(&mut self, change: Change) -> Result<(), StoreError> {
        for expectation in &change.expect {
            let holds = match expectation {
                Expectation::Absent(key) => self.value(key)?.is_none(),
                Expectation::Value(key, value) => self.value(key)?.as_ref() == Some(value),
            };
            if !holds {
                return Err(StoreError::Conflict);
            }
        }
        self.values.extend(change.delete.into_iter().map(|key| (key, None)));
        self.values.extend(change.put.into_iter().map(|(key, value)| (key, Some(value))));
        Ok(())
    }

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.values.get(key) {
            Some(pending) => Ok(pending.clone()),
            None => {
                Ok(self.database.get(key).map_err(|error| unavailable(&error))?.map(|value| value.to_vec()))
            }
        }
    }

    /// Makes the batch and flushes it: what is written then survives a power cut.
    fn write(self) -> sled::Result<()> {
        if self.values.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        for (key, value) in self.values {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.database.apply_batch(batch)?;
        self.database.flush().map(drop)
    }
}

impl Sled {
    /// Hands `change` to the writer, and waits until it is made.
    async fn written(&self, change: Change) -> Result<(), StoreError> {
        let closed = || StoreError::Unavailable("the writer has ended".to_owned());
        let (answer, outcome) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.try_send((change, answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        outcome.await.map_err(|_| closed())?
    }
}

/// What became of a change, in a word.
fn word(outcome: &Result<(), StoreError>) -> WriteOutcome {
    match outcome {
        Ok(()) => WriteOutcome::Done,
        Err(StoreError::Conflict) => WriteOutcome::Conflict,
        Err(StoreError::Busy) => WriteOutcome::Busy,
        Err(_) => WriteOutcome::Failed,
    }
}

impl Backend for Sled {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        let found = self.database.get(key).map_err(|error| unavailable(&error));
        ready(found.map(|value| value.map(|value| value.to_vec()))).boxed()
    }

    fn scan(&self, range: Range<Vec<u8>>, limit: usize) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>> {
        if range.start >= range.end {
            return ready(Ok(Vec::new())).boxed();
        }
        let pairs = self.database.range(range).take(limit).map(|pair| {
            let (key, value) = pair.map_err(|error| unavailable(&error))?;
            Ok((key.to_vec(), value.to_vec()))
        });
        ready(pairs.collect()).boxed()
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let outcome = self.written(change).await;
            meter::store_write(word(&outcome));
            outcome
        }
        .boxed()
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        let is_open = self.queue.as_ref().is_some_and(|queue| !queue.is_closed());
        let outcome =
            if is_open { Ok(()) } else { Err(StoreError::Unavailable("the writer has ended".to_owned())) };
        ready(outcome).boxed()
    }
}
