//! Signals when a change appends an event, whichever part of the store makes the change, and tells of the events of
//! the audit log that were stored.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;

use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::store::{
    Applied, AuditListener, Backend, BackendFacts, Change, Journal, Pair, StoreError, audit, keys,
};

/// A backend that signals when an event was appended through it.
struct Announcing {
    backend: Arc<dyn Backend>,
    appended: watch::Sender<()>,
    listener: Arc<OnceLock<AuditListener>>,
    tasks: TaskTracker,
}

/// Wraps `backend`. The receiver signals each appended event, and `listener` is called with each event of the audit log.
pub(in crate::store) fn announcing(
    backend: Arc<dyn Backend>,
    listener: &Arc<OnceLock<AuditListener>>,
) -> (Arc<dyn Backend>, watch::Receiver<()>) {
    let (appended, receiver) = watch::channel(());
    let announcing = Announcing {
        backend,
        appended,
        listener: Arc::clone(listener),
        tasks: TaskTracker::new(),
    };
    (Arc::new(announcing), receiver)
}

impl Announcing {
    /// Applies `change`, and tells of the events of the audit log in it if there is a listener.
    fn told(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>> {
        let listener = self.listener.get().filter(|_| !change.chain.is_empty());
        let Some(&listener) = listener else {
            return self.backend.apply(change);
        };
        let backend = Arc::clone(&self.backend);
        // A caller that closes its connection must not keep its event out of the log.
        let telling = telling(backend, change, listener).in_current_span();
        let task = self.tasks.spawn(telling);
        Box::pin(async move {
            let stopped = |error: JoinError| StoreError::Unavailable(error.to_string());
            task.await.map_err(stopped)?
        })
    }
}

/// Applies `change`, and calls `listener` with each event of the audit log in it.
async fn telling(
    backend: Arc<dyn Backend>,
    change: Change,
    listener: AuditListener,
) -> Result<Applied, StoreError> {
    let events = change.chain.clone();
    let applied = backend.apply(change).await?;
    for (event, link) in events.iter().zip(&applied.links) {
        match audit::stored(&event.value, link) {
            Ok(logged) => listener(&logged),
            Err(error) => tracing::error!(%error, "an audit event cannot be logged"),
        }
    }
    Ok(applied)
}

impl Backend for Announcing {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.backend.get(key)
    }

    fn scan(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>> {
        self.backend.scan(range, limit)
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>> {
        let has_event = change.append.iter().any(|(key, _)| key == keys::EVENTS);
        if !has_event {
            return self.told(change);
        }
        Box::pin(async move {
            let applied = self.told(change).await;
            // After a failure that says nothing about its outcome, the event may be stored too.
            self.appended.send_replace(());
            applied
        })
    }

    fn facts(&self) -> BackendFacts {
        self.backend.facts()
    }

    fn journal(&self) -> Option<&Journal> {
        self.backend.journal()
    }

    fn is_shared(&self) -> bool {
        self.backend.is_shared()
    }

    fn watch(&self) -> Option<mpsc::Receiver<()>> {
        self.backend.watch()
    }
}
