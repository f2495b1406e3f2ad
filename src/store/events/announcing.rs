//! Signals when a change appends an event, whichever part of the store makes the change.

use std::ops::Range;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};

use crate::store::{Backend, Change, Facts, Journal, Pair, StoreError, keys};

/// A backend that signals when an event was appended through it.
pub(in crate::store) struct Announcing {
    backend: Arc<dyn Backend>,
    appended: watch::Sender<()>,
}

impl Announcing {
    /// Wraps `backend`. The receiver signals each appended event.
    pub(in crate::store) fn new(backend: Arc<dyn Backend>) -> (Self, watch::Receiver<()>) {
        let (appended, receiver) = watch::channel(());
        (Self { backend, appended }, receiver)
    }
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

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Vec<i64>, StoreError>> {
        let has_event = change.append.iter().any(|(key, _)| key == keys::EVENTS);
        if !has_event {
            return self.backend.apply(change);
        }
        Box::pin(async move {
            let applied = self.backend.apply(change).await;
            // After a failure that says nothing about its outcome, the event may be stored too.
            self.appended.send_replace(());
            applied
        })
    }

    fn facts(&self) -> Facts {
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
