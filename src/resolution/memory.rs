//! What a server remembers between two questions: running fetches, failures, and how the last fetch of each document
//! went. All of it may be lost.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, Shared};

use crate::base::{ClientUrl, Timestamp};
use crate::config::Limits;
use crate::resolution::{ResolveError, budget::Budget};
use crate::store::FetchState;

/// A running fetch, shared by all who wait for it. It completes even if they all stop waiting.
pub(super) type DocumentFlight = Shared<BoxFuture<'static, Result<Landed, ResolveError>>>;

/// How a fetch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landed {
    /// The document is new or has changed.
    Fetched,
    /// The document is the one that is known.
    Unchanged,
}

/// The maximum number of URLs that are remembered.
const ENTRIES: usize = 20_000;
/// Seconds for which a URL is not fetched again after a first failure, and at most.
const PAUSE: u64 = 10;
const LONGEST_PAUSE: u64 = 600;
/// Seconds between two fetches that administrators order.
const REFRESH: u64 = 30;

/// What is remembered of all URLs.
#[derive(Default)]
pub(super) struct ResolutionMemory(Mutex<RememberedUrls>);

#[derive(Default)]
struct RememberedUrls {
    entries: HashMap<String, UrlEntry>,
    budget: Budget,
}

#[derive(Default)]
struct UrlEntry {
    state: Option<FetchState>,
    failure: Option<LastFailure>,
    flight: Option<DocumentFlight>,
    /// How often it was asked for since the last fetch.
    asked: u64,
    asked_by: Option<String>,
    /// When an administrator last ordered a fetch.
    refreshed_at: Option<Timestamp>,
}

struct LastFailure {
    error: ResolveError,
    pause: u64,
    until: Timestamp,
}

impl UrlEntry {
    fn running(&self) -> Option<DocumentFlight> {
        let flight = self.flight.as_ref()?;
        flight.peek().is_none().then(|| flight.clone())
    }
}

impl RememberedUrls {
    fn entry(&mut self, url: &str, now: Timestamp) -> &mut UrlEntry {
        if self.entries.len() >= ENTRIES && !self.entries.contains_key(url) {
            self.entries.retain(|_, entry| {
                let is_paused = entry.failure.as_ref().is_some_and(|it| now < it.until);
                entry.running().is_some() || is_paused
            });
        }
        if self.entries.len() >= ENTRIES && !self.entries.contains_key(url) {
            self.entries.retain(|_, entry| entry.running().is_some());
        }
        self.entries.entry(url.to_owned()).or_default()
    }
}

impl ResolutionMemory {
    fn remembered(&self) -> MutexGuard<'_, RememberedUrls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how the last fetch of `url` went, if that is known.
    pub(super) fn state(&self, url: &str) -> Option<FetchState> {
        let remembered = self.remembered();
        remembered.entries.get(url)?.state.clone()
    }

    /// Remembers how the last fetch of `url` went.
    pub(super) fn set_state(&self, url: &str, state: FetchState, now: Timestamp) {
        self.remembered().entry(url, now).state = Some(state);
    }

    /// Forgets everything about `url` but a running fetch.
    pub(super) fn forget(&self, url: &str) {
        if let Some(entry) = self.remembered().entries.get_mut(url) {
            entry.state = None;
            entry.failure = None;
        }
    }

    /// Returns the last failure of `url` if it is too recent for another fetch.
    pub(super) fn failure(&self, url: &str, now: Timestamp) -> Option<ResolveError> {
        let remembered = self.remembered();
        let failure = remembered.entries.get(url)?.failure.as_ref()?;
        if failure.until <= now {
            return None;
        }
        Some(match &failure.error {
            ResolveError::Unavailable { answer, .. } => ResolveError::Unavailable {
                answer: answer.clone(),
                retry_after: failure.until.unix().saturating_sub(now.unix()),
            },
            error => error.clone(),
        })
    }

    /// Returns the running fetch of `url`.
    pub(super) fn running(&self, url: &str) -> Option<DocumentFlight> {
        self.remembered().entries.get(url)?.running()
    }

    /// Returns the running fetch of `url`, or the one that `begin` begins.
    pub(super) fn flight(
        &self,
        url: &str,
        now: Timestamp,
        begin: impl FnOnce() -> DocumentFlight,
    ) -> DocumentFlight {
        let mut remembered = self.remembered();
        let entry = remembered.entry(url, now);
        if let Some(flight) = entry.running() {
            return flight;
        }
        let flight = begin();
        entry.flight = Some(flight.clone());
        flight
    }

    /// Notes that `by` has asked for `url`.
    pub(super) fn ask(&self, url: &str, by: &str, now: Timestamp) {
        let mut remembered = self.remembered();
        let entry = remembered.entry(url, now);
        entry.asked = entry.asked.saturating_add(1);
        if entry.asked_by.as_deref() != Some(by) {
            entry.asked_by = Some(by.to_owned());
        }
    }

    /// Takes how often `url` was asked for since the last call, and by whom last.
    pub(super) fn take_asked(&self, url: &str) -> (u64, Option<String>) {
        match self.remembered().entries.get_mut(url) {
            Some(entry) => (std::mem::take(&mut entry.asked), entry.asked_by.clone()),
            None => (0, None),
        }
    }

    /// Notes that the fetch of `url` has succeeded.
    pub(super) fn succeeded(&self, url: &ClientUrl, now: Timestamp) {
        let mut remembered = self.remembered();
        remembered.entry(url.as_str(), now).failure = None;
        remembered.budget.note(url.host(), url.as_str(), true, now);
    }

    /// Notes that the fetch of `url` has failed. The next one is made `pause` seconds later, or after a time that
    /// doubles with each failure.
    pub(super) fn failed(
        &self,
        url: &ClientUrl,
        error: &ResolveError,
        pause: Option<u64>,
        now: Timestamp,
    ) {
        let mut remembered = self.remembered();
        let entry = remembered.entry(url.as_str(), now);
        let doubled = match &entry.failure {
            Some(before) => before.pause.saturating_mul(2).min(LONGEST_PAUSE),
            None => PAUSE,
        };
        entry.failure = Some(LastFailure {
            error: error.clone(),
            pause: doubled,
            until: now.plus(pause.unwrap_or(doubled)),
        });
        if matches!(error, ResolveError::Unusable { .. }) {
            remembered.budget.note(url.host(), url.as_str(), false, now);
        }
    }

    /// Counts the fetch of the new URL `url`.
    ///
    /// # Errors
    /// When a limit is reached.
    pub(super) fn count(
        &self,
        url: &ClientUrl,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<(), ResolveError> {
        let mut remembered = self.remembered();
        remembered.budget.count(url.host(), now, limits)
    }

    /// Notes that an administrator orders a fetch of `url`, and forgets its last failure.
    ///
    /// # Errors
    /// When the last order is too recent.
    pub(super) fn refresh(&self, url: &str, now: Timestamp) -> Result<(), ResolveError> {
        let mut remembered = self.remembered();
        let entry = remembered.entry(url, now);
        if let Some(at) = entry.refreshed_at
            && now < at.plus(REFRESH)
        {
            return Err(ResolveError::Busy {
                description: "this client document was refreshed a moment ago; retry later",
                retry_after: at.plus(REFRESH).unix().saturating_sub(now.unix()),
            });
        }
        entry.refreshed_at = Some(now);
        entry.failure = None;
        Ok(())
    }
}
