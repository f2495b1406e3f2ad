//! A limited number of documents, by their URLs.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::Flight;
use crate::base::Timestamp;
use crate::config::FetchSettings;
use crate::fetch::FetchError;

/// Seconds for which a document is not fetched again after a failure.
const FAILURE: u64 = 10;

/// Seconds for which a document is kept if its server states no lifetime.
const LIFETIME: u64 = 300;

pub(super) struct Entries<T> {
    by_url: HashMap<String, CachedDocument<T>>,
    /// The number of lookups so far. It determines the entry that was not used for longest.
    looks: u64,
    /// The minimum number of seconds between two fetches for an unknown key.
    pub(super) refetch: u64,
    minimum: u64,
    maximum: u64,
    stale: u64,
    limit: usize,
}

impl<T> Entries<T> {
    pub(super) fn new(settings: &FetchSettings) -> Self {
        Self {
            by_url: HashMap::new(),
            looks: 0,
            refetch: settings.keys_refetch_seconds,
            minimum: settings.keys_minimum_seconds,
            maximum: settings.keys_maximum_seconds,
            stale: settings.keys_stale_seconds,
            limit: settings.keys_cached,
        }
    }

    /// Returns a copy of the documents, without the fetches that are running.
    pub(super) fn copied(&self) -> Self {
        let mut by_url = HashMap::with_capacity(self.by_url.len());
        for (url, entry) in &self.by_url {
            by_url.insert(url.clone(), entry.copied());
        }
        Self { by_url, ..*self }
    }

    /// Returns the entry of `url`. If there is none, an empty entry is added, and replaces the one that was
    /// not used for longest when the limit is reached.
    pub(super) fn find(&mut self, url: &str) -> &mut CachedDocument<T> {
        self.looks += 1;
        if self.by_url.len() >= self.limit && !self.by_url.contains_key(url) {
            self.forget_one();
        }
        let entry = self.by_url.entry(url.to_owned()).or_default();
        entry.looked_at = self.looks;
        entry
    }

    /// Returns what is known of each document, in the order of their URLs.
    pub(super) fn states(&self) -> Vec<DocumentState> {
        let states = self.by_url.iter().map(|(url, entry)| entry.state(url));
        let mut states: Vec<DocumentState> = states.collect();
        states.sort_by(|one, other| one.url.cmp(&other.url));
        states
    }

    fn forget_one(&mut self) {
        let oldest = self.by_url.iter().min_by_key(|(_, entry)| entry.looked_at);
        if let Some(url) = oldest.map(|(url, _)| url.clone()) {
            self.by_url.remove(&url);
        }
    }

    /// Keeps the document fetched from `url`, for the `lifetime` that its server states, within the
    /// configured limits.
    pub(super) fn keep(
        &mut self,
        url: &str,
        now: Timestamp,
        (value, print): (&Arc<T>, Print),
        lifetime: Option<u64>,
    ) {
        let stated = lifetime.unwrap_or(LIFETIME);
        let fresh_until = now.plus(stated.min(self.maximum).max(self.minimum));
        let kept = Kept {
            value: Arc::clone(value),
            print,
            fetched_at: now,
            fresh_until,
            stale_until: fresh_until.plus(self.stale),
        };
        self.find(url).keep(kept);
    }
}

/// What is known of a document at a URL.
#[derive(Debug, Clone)]
pub(crate) struct DocumentState {
    /// The URL.
    pub(crate) url: String,
    /// When it was fetched last; `None` if that never succeeded.
    pub(crate) fetched_at: Option<Timestamp>,
    /// Until when it is used without being fetched again.
    pub(crate) fresh_until: Option<Timestamp>,
    /// Until when it is used if its server is unavailable.
    pub(crate) stale_until: Option<Timestamp>,
    /// Why the last fetch failed, if it did.
    pub(crate) error: Option<String>,
}

/// The hash of a document's text, which tells two documents apart.
pub(super) type Print = u64;

pub(super) fn print(value: &Value) -> Print {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    HASHER.hash_one(value.to_string())
}

pub(super) struct CachedDocument<T> {
    /// When the entry was last used, counted in lookups.
    looked_at: u64,
    /// The time from which the document may be fetched again because it lacks a key.
    refetch_from: Option<Timestamp>,
    kept: Option<Kept<T>>,
    failed: Option<FailedFetch>,
    flight: Option<Flight<T>>,
}

/// A clone shares the document.
impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            ..*self
        }
    }
}

struct Kept<T> {
    value: Arc<T>,
    print: Print,
    fetched_at: Timestamp,
    fresh_until: Timestamp,
    stale_until: Timestamp,
}

#[derive(Clone)]
struct FailedFetch {
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

impl<T> Default for CachedDocument<T> {
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

impl<T> CachedDocument<T> {
    fn copied(&self) -> Self {
        Self {
            looked_at: self.looked_at,
            refetch_from: self.refetch_from,
            kept: self.kept.clone(),
            failed: self.failed.clone(),
            flight: None,
        }
    }

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

    fn keep(&mut self, kept: Kept<T>) {
        self.kept = Some(kept);
        self.failed = None;
    }

    fn state(&self, url: &str) -> DocumentState {
        let kept = self.kept.as_ref();
        let failed = self.failed.as_ref();
        DocumentState {
            url: url.to_owned(),
            fetched_at: kept.map(|kept| kept.fetched_at),
            fresh_until: kept.map(|kept| kept.fresh_until),
            stale_until: kept.map(|kept| kept.stale_until),
            error: failed.map(|failed| failed.error.to_string()),
        }
    }

    /// Records a failed fetch, unless it failed because this server was too busy.
    pub(super) fn fail(&mut self, error: &FetchError, now: Timestamp) {
        if *error != FetchError::Busy {
            self.failed = Some(FailedFetch {
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
