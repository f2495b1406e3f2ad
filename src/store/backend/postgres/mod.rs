//! The store shared by several machines: one table in PostgreSQL or in a database that speaks its protocol.
//!
//! All changes of this server go through one writer, which writes the queued changes in one transaction.
//! Many registrations thus share one commit and do not wait for each other's locks on the counters that all
//! of them update. Row locks keep servers on one database apart. Reads go to the database directly, over a
//! pool of connections.

mod connect;
mod examine;
mod failure;
mod listen;
mod pool;
mod schema;
mod transaction;
mod writer;

use std::ops::Range;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::config::StoreSettings;
use crate::store::backend::write_outcome;
use crate::store::{Applied, Backend, BackendFacts, Change, Pair, StoreError};
use crate::telemetry::meter;
use connect::Target;
pub(crate) use examine::DatabaseState;
pub(in crate::store) use examine::examine;
use pool::ConnectionPool;
use writer::QueuedChange;

/// Changes that may be queued for the writer; further ones are rejected.
const QUEUE: usize = 4_096;

/// Keys and values in PostgreSQL.
pub(in crate::store) struct Postgres {
    pool: ConnectionPool,
    queue: mpsc::Sender<QueuedChange>,
    /// Where to listen; `None` if the database does not support notifications.
    listen_at: Option<Target>,
    patience: Duration,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Ends the listener when the store is dropped; the writer ends with its queue.
    _end: DropGuard,
}

/// Checks the URL and the files of `settings` without connecting to the database.
///
/// # Errors
/// The invalid setting.
pub(in crate::store) fn check(settings: &StoreSettings) -> Result<(), StoreError> {
    Target::new(settings).map(drop)
}

impl Postgres {
    /// Connects to the database that `settings` name and brings its tables up to date.
    pub(in crate::store) async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let target = Target::new(settings)?;
        let patience = Duration::from_millis(settings.timeout_ms);
        let pool = ConnectionPool::new(&target, settings.connections, patience)?;
        schema::migrate(&pool).await?;
        let has_notify = listen::is_possible(&pool).await?;
        let (queue, requests) = mpsc::channel(QUEUE);
        let tasks = TaskTracker::new();
        tasks.spawn(writer::run(pool.clone(), requests, has_notify));
        let stop = CancellationToken::new();
        let end = stop.clone().drop_guard();
        let listen_at = has_notify.then_some(target);
        Ok(Self {
            pool,
            queue,
            listen_at,
            patience,
            tasks,
            stop,
            _end: end,
        })
    }

    async fn find(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        const SQL: &str = "SELECT value FROM registrar_entries WHERE key = $1";
        let rows = self.pool.query(SQL, &[&key]).await?;
        match rows.first() {
            Some(row) => Ok(Some(row.try_get(0)?)),
            None => Ok(None),
        }
    }

    async fn range(&self, range: Range<Vec<u8>>, limit: usize) -> Result<Vec<Pair>, StoreError> {
        const SQL: &str = "SELECT key, value FROM registrar_entries \
                           WHERE key >= $1 AND key < $2 ORDER BY key LIMIT $3";
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self
            .pool
            .query(SQL, &[&range.start, &range.end, &limit])
            .await?;
        Ok(rows.iter().map(pool::pair).collect::<Result<_, _>>()?)
    }

    async fn change(&self, change: Change) -> Result<Applied, StoreError> {
        let (answer, outcome) = oneshot::channel();
        let deadline = Instant::now() + self.patience;
        let request = QueuedChange {
            change,
            deadline,
            answer,
        };
        match self.queue.try_send(request) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(StoreError::Busy),
            Err(TrySendError::Closed(_)) => return Err(stopped()),
        }
        match tokio::time::timeout_at(deadline, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(stopped()),
            Err(_) => Err(failure::late(self.patience)),
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the writer task has stopped".to_owned())
}

impl Backend for Postgres {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.find(key).boxed()
    }

    fn scan(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>> {
        self.range(range, limit).boxed()
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>> {
        async move {
            let outcome = self.change(change).await;
            meter::store_write(write_outcome(&outcome));
            outcome
        }
        .boxed()
    }

    fn facts(&self) -> BackendFacts {
        let waiting = self
            .queue
            .max_capacity()
            .saturating_sub(self.queue.capacity());
        BackendFacts {
            disk_bytes: None,
            waiting,
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn watch(&self) -> Option<mpsc::Receiver<()>> {
        // A signal that is already waiting has the same meaning for the receiver.
        let (sender, receiver) = mpsc::channel(1);
        let listener = listen::Listener::new(
            self.listen_at.clone(),
            self.pool.clone(),
            self.patience,
            sender,
        );
        let stop = self.stop.clone();
        self.tasks
            .spawn(async move { stop.run_until_cancelled(listener.run()).await });
        Some(receiver)
    }
}
