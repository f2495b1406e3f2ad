//! The cache entry of one document.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::Flight;
use crate::base::Timestamp;
use crate::fetch::FetchError;

/// Seconds for which a document is not fetched again after a failure.
const FAILURE: u64 = 10;

/// The hash of a document's text, which tells two documents apart.
pub(super) type Print = u64;

pub(super) fn print(value: &Value) -> Print {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    HASHER.hash_one(value.to_string())
}

pub(super) struct Entry<T> {
    /// When the entry was last used, counted in lookups.
    pub(super) looked_at: u64,
    /// The time from which the document may be fetched again because it lacks a key.
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

/// The result of a lookup without a request to the other server.
pub(super) enum Known<T> {
    /// The document is fresh.
    Fresh(Arc<T>),
    /// A recent fetch failed.
    Failed(FetchError),
    /// The document must be fetched.
    Nothing,
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Self {
            looked_at: 0,
            refetch_from: None,
            kept: None,
            failed: None,
            flight: None,
        }
    }
}

impl<T> Entry<T> {
    pub(super) fn known(&self, now: Timestamp) -> Known<T> {
        if let Some(kept) = &self.kept
            && now < kept.fresh_until
        {
            return Known::Fresh(Arc::clone(&kept.value));
        }
        match &self.failed {
            Some(failed) if now < failed.until => match self.after(failed.error.clone(), now) {
                Ok(value) => Known::Fresh(value),
                Err(error) => Known::Failed(error),
            },
            _ => Known::Nothing,
        }
    }

    /// Returns the document to use after a fetch failed with `error`: the previous one, if the other server
    /// is unavailable and has not been so for too long (RFC 5861 section 4).
    pub(super) fn after(&self, error: FetchError, now: Timestamp) -> Result<Arc<T>, FetchError> {
        match &self.kept {
            Some(kept) if error.is_outage() && now < kept.stale_until => {
                Ok(Arc::clone(&kept.value))
            }
            _ => Err(error),
        }
    }

    /// Returns the cached document, if it differs from `seen`.
    pub(super) fn newer_than(&self, seen: &Arc<T>) -> Option<Arc<T>> {
        let kept = self.kept.as_ref()?;
        let is_newer = !Arc::ptr_eq(&kept.value, seen);
        is_newer.then(|| Arc::clone(&kept.value))
    }

    /// Returns the cached document, if its text is the same.
    pub(super) fn same(&self, print: Print) -> Option<Arc<T>> {
        let kept = self.kept.as_ref()?;
        (kept.print == print).then(|| Arc::clone(&kept.value))
    }

    pub(super) fn keep(&mut self, value: Arc<T>, print: Print, until: (Timestamp, Timestamp)) {
        let (fresh_until, stale_until) = until;
        self.kept = Some(Kept {
            value,
            print,
            fresh_until,
            stale_until,
        });
        self.failed = None;
    }

    /// Records a failed fetch, unless it failed because this server was too busy.
    pub(super) fn fail(&mut self, error: &FetchError, now: Timestamp) {
        if *error != FetchError::Busy {
            self.failed = Some(Failed {
                error: error.clone(),
                until: now.plus(FAILURE),
            });
        }
    }

    /// Whether the document may be fetched again because it lacks a key: a fetch is running, or none was made
    /// for `cool_down` seconds. The caller must fetch it if this returns true.
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

    /// Returns the running fetch. One that ended without a result was aborted.
    pub(super) fn flight(&self) -> Option<Flight<T>> {
        let flight = self.flight.as_ref()?;
        let is_running = flight.peek().is_none();
        is_running.then(|| flight.clone())
    }

    pub(super) fn set_flight(&mut self, flight: Flight<T>) {
        self.flight = Some(flight);
    }

    /// Removes the fetch, which has ended and whose result is recorded.
    pub(super) fn land(&mut self) {
        self.flight = None;
    }
}
