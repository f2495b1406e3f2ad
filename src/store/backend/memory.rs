//! A store in memory, for tests and embedding programs; its contents are lost at the end.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use crate::store::{Applied, Backend, BackendFacts, Change, Journal, Pair, Pending, StoreError};

/// Keys and values in memory.
#[derive(Default)]
pub(in crate::store) struct Memory {
    pairs: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    journal: Journal,
}

impl Memory {
    fn pairs(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        // Nothing here can panic between two related changes, so the map is consistent even if the lock is
        // poisoned.
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: Change) -> Result<Applied, StoreError> {
        let mut pairs = self.pairs();
        let mut pending = Pending::on(|key: &[u8]| Ok(pairs.get(key).cloned()));
        let applied = pending.add(change)?;
        let values = pending.into_values();
        for (key, value) in values.clone() {
            match value {
                Some(value) => pairs.insert(key, value),
                None => pairs.remove(&key),
            };
        }
        self.journal.written(values);
        Ok(applied)
    }
}

impl Backend for Memory {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        ready(Ok(self.pairs().get(key).cloned())).boxed()
    }

    fn scan(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>> {
        if range.start >= range.end {
            return ready(Ok(Vec::new())).boxed();
        }
        let pairs = self.pairs();
        let found = pairs
            .range(range)
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()));
        ready(Ok(found.collect())).boxed()
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>> {
        ready(self.change(change)).boxed()
    }

    fn facts(&self) -> BackendFacts {
        BackendFacts::default()
    }

    fn journal(&self) -> Option<&Journal> {
        Some(&self.journal)
    }
}
