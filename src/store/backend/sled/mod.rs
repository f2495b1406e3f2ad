//! The embedded store: one sled tree, and one thread that writes to it.
//!
//! Reads go to the tree directly. They are short, and most are served from its cache. Changes go to the
//! writer.

pub(in crate::store) mod database;
pub(in crate::store) mod guard;
pub(crate) mod inspect;
pub(in crate::store) mod integrity;
pub(in crate::store) mod log;
pub(in crate::store) mod mark;
pub(in crate::store) mod tally;
mod work;
pub(in crate::store) mod writer;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use sled::Db;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::work::Work;
use crate::store::{Applied, Backend, Change, Facts, Pair, StoreError};
use crate::telemetry::{WriteOutcome, meter};
use database::{Database, LOG, LONG_VALUES};
use integrity::Integrity;
use log::{Met, SledLog};
use mark::Mark;
use tally::{Content, Tally};
use writer::{AnswerSender, Writer};

/// Changes that may be queued for the writer; further ones are rejected.
const QUEUE: usize = 4_096;

/// Keys and values in sled.
pub(in crate::store) struct Sled {
    database: Arc<Database>,
    /// `None` once the store is being closed.
    queue: Option<mpsc::Sender<(Change, AnswerSender)>>,
    writer: Option<std::thread::JoinHandle<()>>,
}

impl Sled {
    /// Opens the database in `folder`, creating it if necessary.
    ///
    /// Returns [`StoreError::Damaged`] when acknowledged data is missing.
    pub(in crate::store) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let database = Arc::new(Database::open(folder, cache_bytes)?);
        let integrity = Integrity::open(&database, folder)?;
        let (queue, changes) = mpsc::channel(QUEUE);
        let mut writer = Writer::new(Arc::clone(&database), integrity);
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(changes))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            database,
            queue: Some(queue),
            writer: Some(writer),
        })
    }
}

impl Drop for Sled {
    /// Lets the writer finish all accepted changes, so that the folder is free when this returns.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing more to write.
            let _ = writer.join();
        }
    }
}

impl Sled {
    /// Passes `change` to the writer and waits until it is written.
    async fn written(&self, change: Change) -> Result<Applied, StoreError> {
        let (answer, outcome) = oneshot::channel();
        let Some(queue) = &self.queue else {
            return Err(stopped());
        };
        match queue.try_send((change, answer)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(StoreError::Busy),
            Err(TrySendError::Closed(_)) => return Err(stopped()),
        }
        match outcome.await {
            Ok(outcome) => outcome,
            Err(_) => Err(stopped()),
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the writer thread has stopped".to_owned())
}

/// Returns the outcome of a change as a metric label.
fn word<T>(outcome: &Result<T, StoreError>) -> WriteOutcome {
    match outcome {
        Ok(_) => WriteOutcome::Done,
        Err(StoreError::Conflict) => WriteOutcome::Conflict,
        Err(StoreError::Busy) => WriteOutcome::Busy,
        Err(_) => WriteOutcome::Failed,
    }
}

impl Backend for Sled {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        ready(self.database.get(key)).boxed()
    }

    fn scan(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>> {
        if range.start >= range.end {
            return ready(Ok(Vec::new())).boxed();
        }
        let pairs = self.database.with(|db| {
            let mut pairs = Vec::new();
            for pair in db.range(range).take(limit) {
                let (key, value) = pair?;
                pairs.push((key.to_vec(), value.to_vec()));
            }
            Ok(pairs)
        });
        ready(pairs).boxed()
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>> {
        async move {
            let outcome = self.written(change).await;
            meter::store_write(word(&outcome));
            outcome
        }
        .boxed()
    }

    fn facts(&self) -> Facts {
        let waiting = match &self.queue {
            Some(queue) => queue.max_capacity() - queue.capacity(),
            None => 0,
        };
        Facts {
            disk_bytes: self.database.with(Db::size_on_disk).ok(),
            waiting,
        }
    }
}
