//! A store for requests that are only judged: it shows another backend, and keeps in memory what is written, so
//! that nothing of it reaches the other backend.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;

use crate::store::{Applied, Backend, BackendFacts, Change, Pair, Pending, StoreError, Values};

/// The maximum size of everything that is written, keys and values, in bytes. One request writes far less.
const MOST_BYTES: usize = 16 << 20;

/// The pairs of another backend, and what was written on top of them.
pub(in crate::store) struct Overlay {
    below: Arc<dyn Backend>,
    /// The written values; `None` for a removed key.
    written: Mutex<Values>,
    /// Pairs of `below` whose keys have one of these prefixes are not shown.
    hidden: Vec<Vec<u8>>,
}

impl Overlay {
    /// Shows `below`, except its keys with a prefix in `hidden`.
    pub(in crate::store) const fn on(below: Arc<dyn Backend>, hidden: Vec<Vec<u8>>) -> Self {
        Self {
            below,
            written: Mutex::new(Values::new()),
            hidden,
        }
    }

    fn written(&self) -> MutexGuard<'_, Values> {
        // The map is replaced as a whole, so it is consistent even if the lock is poisoned.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_hidden(&self, key: &[u8]) -> bool {
        self.hidden.iter().any(|prefix| key.starts_with(prefix))
    }

    async fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(value) = self.written().get(key) {
            return Ok(value.clone());
        }
        self.read_below(key).await
    }

    async fn read_below(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if self.is_hidden(key) {
            return Ok(None);
        }
        self.below.get(key).await
    }

    /// Returns what was written in `range`.
    fn written_in(&self, range: Range<Vec<u8>>) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let written = self.written();
        let inside = written.range(range);
        inside
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// Returns the first `limit` pairs of `range`, written ones before those below.
    async fn merged(&self, range: Range<Vec<u8>>, limit: usize) -> Result<Vec<Pair>, StoreError> {
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        let written = self.written_in(range.clone());
        // Each written key can take the place of one pair from below.
        let wanted = limit.saturating_add(written.len());
        let below = self.below.scan(range, wanted).await?;
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for (key, value) in below {
            if !self.is_hidden(&key) {
                merged.insert(key, value);
            }
        }
        for (key, value) in written {
            match value {
                Some(value) => merged.insert(key, value),
                None => merged.remove(&key),
            };
        }
        Ok(merged.into_iter().take(limit).collect())
    }

    async fn change(&self, change: Change) -> Result<Applied, StoreError> {
        let mut below = BTreeMap::new();
        for key in keys_read_by(&change) {
            let value = self.read_below(&key).await?;
            below.insert(key, value);
        }
        let mut written = self.written();
        let (applied, values) = {
            let stored = |key: &[u8]| match written.get(key).or_else(|| below.get(key)) {
                Some(value) => Ok(value.clone()),
                None => Ok(None),
            };
            let mut pending = Pending::on(stored);
            let applied = pending.add(change)?;
            (applied, pending.into_values())
        };
        if bytes(&written) + bytes(&values) > MOST_BYTES {
            let reason = "a request that is only judged writes too much";
            return Err(StoreError::Unavailable(reason.to_owned()));
        }
        written.extend(values);
        Ok(applied)
    }
}

/// Returns the keys whose values decide what `change` does.
fn keys_read_by(change: &Change) -> BTreeSet<Vec<u8>> {
    let mut keys = BTreeSet::new();
    for expectation in &change.expect {
        keys.insert(expectation.key().to_vec());
    }
    for (key, _) in &change.count {
        keys.insert(key.clone());
    }
    for (sequence, _) in &change.append {
        keys.insert(sequence.clone());
    }
    for chained in &change.chain {
        keys.extend([chained.sequence.to_vec(), chained.head.to_vec()]);
    }
    keys
}

fn bytes(values: &Values) -> usize {
    let mut bytes = 0;
    for (key, value) in values {
        bytes += key.len() + value.as_ref().map_or(0, Vec::len);
    }
    bytes
}

impl Backend for Overlay {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(self.read(key))
    }

    fn scan(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>> {
        Box::pin(self.merged(range, limit))
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>> {
        Box::pin(self.change(change))
    }

    fn facts(&self) -> BackendFacts {
        self.below.facts()
    }
}
