//! A store in a folder that one server has open: everything that does not depend on the database below it.
//!
//! Reads go to the database directly. They are short, and most are served from its cache. Changes go to one
//! thread, the writer. A [tally](tally) in every batch and a [mark](mark) beside the database reveal what the
//! database lost without noticing.

pub(in crate::store) mod database;
mod folder;
pub(in crate::store) mod guard;
pub(crate) mod inspect;
pub(in crate::store) mod integrity;
pub(in crate::store) mod mark;
pub(in crate::store) mod tally;
mod work;
pub(in crate::store) mod writer;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::work::Work;
use crate::store::backend::write_outcome;
use crate::store::{Applied, Backend, BackendFacts, Change, Journal, Pair, StoreError, Values};
use crate::telemetry::meter;
use database::Database;
use integrity::Integrity;
use mark::Mark;
use tally::{Content, Tally};
use writer::{AnswerSender, Writer};

/// Changes that may be queued for the writer; further ones are rejected.
const QUEUE: usize = 4_096;

/// A database in a folder: an ordered map of bytes.
pub(in crate::store) trait Engine: Send + Sync + Sized + 'static {
    /// Its errors.
    type Error;
    /// Its name in messages. The names of its threads begin with it.
    const NAME: &'static str;
    /// The file or folder without which there is no database.
    const HOME: &'static str;
    /// Its files and folders that are restricted to their owner, with their modes.
    const PRIVATE: &'static [(&'static str, u32)];

    /// Returns whether a file or folder of this name in the folder of the store belongs to the database.
    fn owns(name: &str) -> bool;

    /// Opens the file that is locked while the database is open; it can be locked in the same manner.
    ///
    /// # Errors
    /// When there is no database in the folder.
    fn lock_file(folder: &Path) -> io::Result<File>;

    /// Checks what the database would not report when it is opened.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]
    fn inspect_files(folder: &Path) -> Result<(), StoreError>;

    /// Opens the database in `folder`, creating it if necessary.
    fn open(folder: &Path, cache_bytes: u64) -> Result<Self, Self::Error>;

    /// Returns the value of `key`.
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Visits the first `limit` pairs of `range`, which is not empty, in the order of their keys.
    fn visit(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
        meet: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Self::Error>;

    /// Writes `values` as one batch. When this returns, they survive a power cut.
    fn write(&self, values: &Values) -> Result<(), Self::Error>;

    /// Writes `values` as one batch, which survives a power cut after the next [`sync`](Self::sync).
    fn load(&self, values: &Values) -> Result<(), Self::Error>;

    /// Writes everything to the disk.
    fn sync(&self) -> Result<(), Self::Error>;

    /// Returns the bytes on disk.
    fn disk_bytes(&self) -> Result<u64, Self::Error>;

    /// Converts an error of the database in `folder`.
    fn told(error: &Self::Error, folder: &Path) -> StoreError;
}

/// Keys and values in a database of one server.
pub(in crate::store) struct Embedded<E: Engine> {
    database: Arc<Database<E>>,
    /// `None` once the store is being closed.
    queue: Option<mpsc::Sender<(Change, AnswerSender)>>,
    writer: Option<std::thread::JoinHandle<()>>,
    journal: Journal,
}

impl<E: Engine> Embedded<E> {
    /// Opens the database in `folder`, creating it if necessary.
    ///
    /// Returns [`StoreError::Damaged`] when acknowledged data is missing.
    pub(in crate::store) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let database = Arc::new(Database::open(folder, cache_bytes)?);
        let integrity = Integrity::open(&database, folder)?;
        let (queue, changes) = mpsc::channel(QUEUE);
        let journal = Journal::default();
        let mut writer = Writer::new(Arc::clone(&database), integrity, journal.clone());
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(changes))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            database,
            queue: Some(queue),
            writer: Some(writer),
            journal,
        })
    }
}

impl<E: Engine> Drop for Embedded<E> {
    /// Lets the writer finish all accepted changes, so that the folder is free when this returns.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing more to write.
            let _ = writer.join();
        }
    }
}

impl<E: Engine> Embedded<E> {
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

impl<E: Engine> Backend for Embedded<E> {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        ready(self.database.get(key)).boxed()
    }

    fn scan(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>> {
        ready(self.database.scan(range, limit)).boxed()
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>> {
        async move {
            let outcome = self.written(change).await;
            meter::store_write(write_outcome(&outcome));
            outcome
        }
        .boxed()
    }

    fn facts(&self) -> BackendFacts {
        let waiting = match &self.queue {
            Some(queue) => queue.max_capacity() - queue.capacity(),
            None => 0,
        };
        BackendFacts {
            disk_bytes: self.database.with(E::disk_bytes).ok(),
            waiting,
        }
    }

    fn journal(&self) -> Option<&Journal> {
        Some(&self.journal)
    }
}
