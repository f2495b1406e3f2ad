//! A limited number of documents, by their URLs.

use std::collections::HashMap;
use std::sync::Arc;

use super::entry::{Entry, Print};
use crate::base::Timestamp;
use crate::config::FetchSettings;

/// Seconds for which a document is kept if its server states no lifetime.
const LIFETIME: u64 = 300;

pub(super) struct Entries<T> {
    by_url: HashMap<String, Entry<T>>,
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

    /// Returns the entry of `url`. If there is none, an empty entry is added, and replaces the one that was
    /// not used for longest when the limit is reached.
    pub(super) fn find(&mut self, url: &str) -> &mut Entry<T> {
        self.looks += 1;
        if self.by_url.len() >= self.limit && !self.by_url.contains_key(url) {
            self.forget_one();
        }
        let entry = self.by_url.entry(url.to_owned()).or_default();
        entry.looked_at = self.looks;
        entry
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
        let stale_until = fresh_until.plus(self.stale);
        self.find(url)
            .keep(Arc::clone(value), print, (fresh_until, stale_until));
    }
}
