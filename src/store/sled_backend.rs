//! The embedded store: one sled tree, and one thread that writes to it.
//!
//! The writer takes all that waits, makes it one batch, flushes once, and answers all: many
//! registrations share one flush, and a change whose expectation is checked by the only writer
//! can not be overtaken. (`Db::flush_async` of sled 0.34 hangs when several callers use it.)
//! Reads go to the tree directly; they are short, and most are served from its cache.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use sled::{Batch, Db};
use tokio::sync::{mpsc, oneshot};

use super::backend::{Backend, Change, Facts, Pair};
use super::error::StoreError;
use super::pending::{Pending, Values};
use super::sled_database::Database;

/// Changes that may wait for the writer; more are refused.
const QUEUE: usize = 4_096;
/// Changes that share one flush.
const BATCH: usize = 1_024;
/// Between two tries to open a database again that took a batch no more.
const MENDING: Duration = Duration::from_secs(1);

type Answer = oneshot::Sender<Result<Vec<i64>, StoreError>>;

/// Keys and values in sled.
pub(super) struct Sled {
    database: Arc<Database>,
    /// None once the store is being closed.
    queue: Option<mpsc::Sender<(Change, Answer)>>,
    writer: Option<std::thread::JoinHandle<()>>,
}

impl Sled {
    /// Opens the database in `folder`, which is made when it is not there.
    pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let database = Arc::new(Database::open(folder, cache_bytes)?);
        let (queue, changes) = mpsc::channel(QUEUE);
        let mut writer = Writer { database: Arc::clone(&database), broken: None };
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(changes))
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

/// The only one that writes.
struct Writer {
    database: Arc<Database>,
    /// When a write failed, or it was last tried to mend that.
    broken: Option<Instant>,
}

impl Writer {
    /// Writes what comes, until nobody can send any more.
    fn run(&mut self, mut changes: mpsc::Receiver<(Change, Answer)>) {
        let mut waiting = Vec::new();
        while changes.blocking_recv_many(&mut waiting, BATCH) > 0 {
            let taken = std::mem::take(&mut waiting);
            self.commit(taken);
        }
    }

    /// Makes all of `changes` that can be made, with one batch and one flush, and answers them.
    ///
    /// A refusal waits for the write as well: whoever reads after it must see what came first,
    /// and it would be false if that were never written.
    fn commit(&mut self, changes: Vec<(Change, Answer)>) {
        self.mend();
        let database = &self.database;
        let mut pending =
            Pending::on(|key: &[u8]| database.with(|db| Ok(db.get(key)?.map(|value| value.to_vec()))));
        let outcomes: Vec<_> =
            changes.into_iter().map(|(change, answer)| (pending.add(change), answer)).collect();
        let written = self.write(pending.into_values());
        for (outcome, answer) in outcomes {
            // Whoever asked may have gone; the change is made all the same.
            let _ = answer.send(written.clone().and(outcome));
        }
    }

    /// Writes `values` and flushes: what is written then survives a power cut.
    fn write(&mut self, values: Values) -> Result<(), StoreError> {
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
        let written = self.database.with(|db| {
            db.apply_batch(batch)?;
            db.flush().map(drop)
        });
        if let (Err(error), None) = (&written, self.broken) {
            tracing::error!(%error, "the store did not take a batch");
            self.broken = Some(Instant::now());
        }
        written
    }

    /// Opens a database again that did not take a batch, from time to time until it does.
    fn mend(&mut self) {
        if self.broken.is_none_or(|tried| tried.elapsed() < MENDING) {
            return;
        }
        match self.database.reopen() {
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

impl Backend for Sled {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        ready(self.database.with(|db| Ok(db.get(key)?.map(|value| value.to_vec())))).boxed()
    }

    fn scan(&self, range: Range<Vec<u8>>, limit: usize) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>> {
        if range.start >= range.end {
            return ready(Ok(Vec::new())).boxed();
        }
        let pairs = self.database.with(|db| {
            let pairs = db.range(range).take(limit);
            pairs.map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
        });
        ready(pairs).boxed()
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
        Facts { disk_bytes: self.database.with(Db::size_on_disk).ok(), waiting }
    }
}
