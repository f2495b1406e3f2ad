//! Parsed documents of other servers, mainly key sets, with a cache.
//!
//! A document is fetched once for all callers that wait for it. It is cached as long as its server states,
//! within the operator's limits. For an unknown key it is fetched again, at limited intervals. While its
//! server is unavailable, it is used for some time beyond its lifetime. A failed fetch is not retried at
//! once.

mod entries;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use serde_json::Value;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::base::{Clock, Timestamp};
use crate::config::FetchSettings;
use crate::fetch::{FetchError, FetchedDocument, Fetcher};
use crate::telemetry::{KeyLookup, meter};
pub(crate) use entries::DocumentState;
use entries::{CachedDocument, Entries, Known};

/// A running fetch, shared by all callers that wait for it. It completes even if they all stop waiting, so
/// that nobody can start fetches and abandon them.
type Flight<T> = Shared<BoxFuture<'static, Result<Arc<T>, FetchError>>>;

/// Parses a document into a `T`, or returns what is wrong with it: "must be ...".
type Parse<T> = dyn Fn(&Value) -> Result<T, String> + Send + Sync;

/// The documents of one type, by their URLs.
pub(crate) struct RemoteDocuments<T> {
    inner: Arc<Inner<T>>,
}

/// Another handle on the same documents.
impl<T> Clone for RemoteDocuments<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

struct Inner<T> {
    fetcher: Arc<Fetcher>,
    clock: Arc<dyn Clock>,
    accept: &'static str,
    parse: Arc<Parse<T>>,
    entries: Mutex<Entries<T>>,
    tasks: TaskTracker,
}

impl<T: Send + Sync + 'static> RemoteDocuments<T> {
    /// An empty cache. Documents are requested with the `Accept` header `accept`, and parsed once with
    /// `parse`.
    pub(crate) fn new(
        fetcher: Arc<Fetcher>,
        clock: Arc<dyn Clock>,
        settings: &FetchSettings,
        accept: &'static str,
        parse: impl Fn(&Value) -> Result<T, String> + Send + Sync + 'static,
    ) -> Self {
        let (parse, entries) = (Arc::new(parse), Mutex::new(Entries::new(settings)));
        let tasks = TaskTracker::new();
        Self {
            inner: Arc::new(Inner {
                fetcher,
                clock,
                accept,
                parse,
                entries,
                tasks,
            }),
        }
    }

    /// Returns a copy with the documents that are known now, whose lifetimes are compared with `clock`. What one of
    /// the two fetches later, the other does not know.
    #[must_use]
    pub(crate) fn copied(&self, clock: &Arc<dyn Clock>) -> Self {
        let inner = &self.inner;
        Self {
            inner: Arc::new(Inner {
                fetcher: Arc::clone(&inner.fetcher),
                clock: Arc::clone(clock),
                accept: inner.accept,
                parse: Arc::clone(&inner.parse),
                entries: Mutex::new(inner.entries().copied()),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Returns what is known of each document that was looked up, in the order of their URLs.
    pub(crate) fn states(&self) -> Vec<DocumentState> {
        self.inner.entries().states()
    }

    /// Returns the document at `url`.
    ///
    /// # Errors
    /// When it is not cached and cannot be fetched or parsed.
    pub(crate) async fn get(&self, url: &str) -> Result<Arc<T>, FetchError> {
        self.inner.fetcher.check(url)?;
        let now = self.inner.clock.now();
        let flight = {
            let mut entries = self.inner.entries();
            let entry = entries.find(url);
            match entry.known(now) {
                Known::Fresh(value) => {
                    meter::key_lookup(KeyLookup::Hit);
                    return Ok(value);
                }
                Known::Failed(error) => {
                    meter::key_lookup(KeyLookup::Failed);
                    return Err(error);
                }
                Known::Nothing => self.flight(entry, url),
            }
        };
        let error = match flight.await {
            Ok(value) => {
                meter::key_lookup(KeyLookup::Miss);
                return Ok(value);
            }
            Err(error) => error,
        };
        let found = self.inner.entries().find(url).after(error, now);
        meter::key_lookup(match &found {
            Ok(_) => KeyLookup::Stale,
            Err(_) => KeyLookup::Failed,
        });
        found
    }

    /// Fetches the document at `url` again, because `seen` lacks a key. Returns none if the document has not
    /// changed, or the last such fetch was too recent.
    ///
    /// # Errors
    /// When it cannot be fetched or parsed.
    pub(crate) async fn refetched(
        &self,
        url: &str,
        seen: &Arc<T>,
    ) -> Result<Option<Arc<T>>, FetchError> {
        self.inner.fetcher.check(url)?;
        let now = self.inner.clock.now();
        let flight = {
            let mut entries = self.inner.entries();
            let cool_down = entries.refetch;
            let entry = entries.find(url);
            if let Some(newer) = entry.newer_than(seen) {
                return Ok(Some(newer));
            }
            if !entry.may_refetch(now, cool_down) {
                return Ok(None);
            }
            self.flight(entry, url)
        };
        let value = flight.await?;
        let is_changed = !Arc::ptr_eq(&value, seen);
        Ok(is_changed.then_some(value))
    }

    /// Returns the running fetch of `url`, or starts one.
    fn flight(&self, entry: &mut CachedDocument<T>, url: &str) -> Flight<T> {
        if let Some(flight) = entry.flight() {
            return flight;
        }
        let (inner, url) = (Arc::clone(&self.inner), url.to_owned());
        let tasks = &self.inner.tasks;
        // Its log lines belong to the request that needs the document first.
        let fetch = async move { inner.fetch(&url).await }.in_current_span();
        let task = tasks.spawn(fetch);
        let fetched = task.map(|outcome| outcome.unwrap_or(Err(FetchError::Broken)));
        let flight = fetched.boxed().shared();
        entry.set_flight(flight.clone());
        flight
    }
}

impl RemoteDocuments<Value> {
    /// Returns the string member `name` of the document at `url`, such as the `jwks_uri` of a metadata
    /// document.
    ///
    /// # Errors
    /// When the document is unavailable, or has no such member.
    pub(crate) async fn member(&self, url: &str, name: &str) -> Result<String, FetchError> {
        let document = self.get(url).await?;
        match document.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            _ => {
                let reason = format!("must be an object with a string '{name}'");
                Err(FetchError::Unusable(reason))
            }
        }
    }
}

impl<T> Inner<T> {
    fn entries(&self) -> MutexGuard<'_, Entries<T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self, url: &str) -> Result<Arc<T>, FetchError> {
        let fetched = self.fetcher.get_json(url, self.accept).await;
        let now = self.clock.now();
        let outcome = match fetched {
            Ok(document) => self.keep(url, &document, now),
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome {
            tracing::debug!(%error, "document fetch failed");
            self.entries().find(url).fail(error, now);
        }
        self.entries().find(url).land();
        outcome
    }

    /// Caches a document that was fetched at `now`. It is parsed only if its text has changed.
    fn keep(
        &self,
        url: &str,
        document: &FetchedDocument,
        now: Timestamp,
    ) -> Result<Arc<T>, FetchError> {
        let print = entries::print(&document.value);
        let kept = self.entries().find(url).same(print);
        let value = match kept {
            Some(value) => value,
            None => Arc::new((self.parse)(&document.value).map_err(FetchError::Unusable)?),
        };
        let mut entries = self.entries();
        entries.keep(url, now, (&value, print), document.lifetime);
        Ok(value)
    }
}
