//! What is known of one document, and until when.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::Flight;
use crate::clock::Timestamp;
use crate::fetch::FetchError;

/// Seconds for which a document that could not be fetched is not tried again.
const FAILURE: u64 = 10;

/// Tells a document from another one: a hash of its text.
pub(super) type Print = u64;

pub(super) fn print(value: &Value) -> Print {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    HASHER.hash_one(value.to_string())
}

pub(super) struct Entry<T> {
    /// When somebody last asked for it, counted in looks.
    pub(super) looked_at: u64,
    /// From when it may be fetched again because it lacks a key.
    refetch_from: Option<Timestamp>,
    kept: Option<Kept<T>>,
    failed: Option<Failed>,
    flight: Option<Flight<T>>,
}

struct Kept<T> {
    value: Arc<T>,
    print: Print,
    fresh_until: Timestamp,
    stale_until: Timestamp,
}

struct Failed {
    error: FetchError,
    until: Timestamp,
}

/// What can be said without asking the other server.
pub(super) enum Known<T> {
    /// This is the document.
    Fresh(Arc<T>),
    /// It was tried just now.
    Failed(FetchError),
    /// The other server must be asked.
    Nothing,
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Self { looked_at: 0, refetch_from: None, kept: None, failed: None, flight: None }
    }
}

impl<T> Entry<T> {
    pub(super) fn known(&self, now: Timestamp) -> Known<T> {
        if let Some(kept) = self.kept.as_ref().filter(|kept| now < kept.fresh_until) {
            return Known::Fresh(Arc::clone(&kept.value));
        }
        match self.failed.as_ref().filter(|failed| now < failed.until) {
            Some(failed) => match self.after(failed.error.clone(), now) {
                Ok(value) => Known::Fresh(value),
                Err(error) => Known::Failed(error),
            },
            None => Known::Nothing,
        }
    }

    /// What is used after a fetch failed with `error`: what there was before, when the other
    /// server is only down and it has not been so for long (RFC 5861 section 4).
    pub(super) fn after(&self, error: FetchError, now: Timestamp) -> Result<Arc<T>, FetchError> {
        match self.kept.as_ref().filter(|kept| error.is_outage() && now < kept.stale_until) {
            Some(kept) => Ok(Arc::clone(&kept.value)),
            None => Err(error),
        }
    }

    /// What is kept, when it is not what `seen` is.
    pub(super) fn newer_than(&self, seen: &Arc<T>) -> Option<Arc<T>> {
        let kept = self.kept.as_ref().filter(|kept| !Arc::ptr_eq(&kept.value, seen));
        kept.map(|kept| Arc::clone(&kept.value))
    }

    /// What is kept, when its text was the same.
    pub(super) fn same(&self, print: Print) -> Option<Arc<T>> {
        let kept = self.kept.as_ref().filter(|kept| kept.print == print);
        kept.map(|kept| Arc::clone(&kept.value))
    }

    pub(super) fn keep(&mut self, value: Arc<T>, print: Print, until: (Timestamp, Timestamp)) {
        let (fresh_until, stale_until) = until;
        self.kept = Some(Kept { value, print, fresh_until, stale_until });
        self.failed = None;
    }

    /// Remembers that a fetch failed; not when the reason was that we had too much to do.
    pub(super) fn fail(&mut self, error: &FetchError, now: Timestamp) {
        if *error != FetchError::Busy {
            self.failed = Some(Failed { error: error.clone(), until: now.plus(FAILURE) });
        }
    }

    /// Whether it may be fetched for a key that it lacks: somebody does so already, or nobody did
    /// for `cool_down` seconds. Whoever is told that it may does so now.
    pub(super) fn may_refetch(&mut self, now: Timestamp, cool_down: u64) -> bool {
        if self.flight().is_some() {
            return true;
        }
        let may = self.refetch_from.is_none_or(|from| from <= now);
        if may {
            self.refetch_from = Some(now.plus(cool_down));
        }
        may
    }

    /// The fetch that is under way. One that ended without landing was cut off.
    pub(super) fn flight(&self) -> Option<Flight<T>> {
        self.flight.as_ref().filter(|flight| flight.peek().is_none()).cloned()
    }

    pub(super) fn set_flight(&mut self, flight: Flight<T>) {
        self.flight = Some(flight);
    }

    /// The fetch is over, and what came of it is known.
    pub(super) fn land(&mut self) {
        self.flight = None;
    }
}
