//! The embedded store: one sled tree, and one thread that writes to it.
//!
//! The writer takes all that waits, makes it one batch, flushes once, and answers all: many
//! registrations share one flush, and a change whose expectation is checked by the only writer
//! can not be overtaken. (`Db::flush_async` of sled 0.34 hangs when several callers use it.)
//! Reads go to the tree directly; they are short, and most are served from its cache.

use std::ops::Range;
use std::path::Path;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use sled::{Batch, Db};
use tokio::sync::{mpsc, oneshot};

use super::backend::{Backend, Change, Facts, Pair};
use super::error::StoreError;
use super::pending::{Pending, Values};

/// Changes that may wait for the writer; more are refused.
const QUEUE: usize = 4_096;
/// Changes that share one flush.
const BATCH: usize = 1_024;

type Answer = oneshot::Sender<Result<Vec<i64>, StoreError>>;

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
        commit(database, taken);
    }
}

/// Makes all of `changes` that can be made, with one batch and one flush, and answers them.
///
/// A refusal waits for the write as well: whoever reads after it must see what came first, and
/// it would be false if that were never written.
fn commit(database: &Db, changes: Vec<(Change, Answer)>) {
    let mut pending = Pending::on(|key: &[u8]| {
        let found = database.get(key).map_err(|error| unavailable(&error))?;
        Ok(found.map(|value| value.to_vec()))
    });
    let outcomes: Vec<_> =
        changes.into_iter().map(|(change, answer)| (pending.add(change), answer)).collect();
    let written = write_batch(database, pending.into_values()).map_err(|error| {
        tracing::error!(%error, "the store did not take a batch");
        unavailable(&error)
    });
    for (outcome, answer) in outcomes {
        // Whoever asked may have gone; the change is made all the same.
        let _ = answer.send(written.clone().and(outcome));
    }
}

/// Writes `values` and flushes: what is written then survives a power cut.
fn write_batch(database: &Db, values: Values) -> sled::Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    let mut batch = Batch::default();
    for (key, value) in values {
        match value {
            Some(value) => batch.insert(key, value),
            None => batch.remove(key),
        }
    }
    database.apply_batch(batch)?;
    database.flush().map(drop)
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

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Vec<i64>, StoreError>> {
        async move {
            let closed = || StoreError::Unavailable("the writer has ended".to_owned());
            let (answer, outcome) = oneshot::channel();
            let queue = self.queue.as_ref().ok_or_else(closed)?;
            queue.try_send((change, answer)).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(_) => closed(),
            })?;
            outcome.await.map_err(|_| closed())?
        }
        .boxed()
    }

    fn facts(&self) -> Facts {
        let waiting = self.queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity());
        Facts { disk_bytes: self.database.size_on_disk().ok(), waiting }
    }
}
