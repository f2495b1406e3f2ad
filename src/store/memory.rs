//! The store that a test or an embedding program forgets.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::backend::{Backend, Change, Expectation, Pair};
use super::error::StoreError;

/// Keys and values in memory.
#[derive(Default)]
pub(super) struct Memory(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Memory {
    fn pairs(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        // Nothing here can panic between two related changes, so a poisoned map is a whole one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: Change) -> Result<(), StoreError> {
        let mut pairs = self.pairs();
        let holds = |expectation: &Expectation| match expectation {
            Expectation::Absent(key) => !pairs.contains_key(key),
            Expectation::Value(key, value) => pairs.get(key) == Some(value),
        };
        if !change.expect.iter().all(holds) {
            return Err(StoreError::Conflict);
        }
        for key in change.delete {
            pairs.remove(&key);
        }
        pairs.extend(change.put);
        Ok(())
    }
}

impl Backend for Memory {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        ready(Ok(self.pairs().get(key).cloned())).boxed()
    }

    fn scan(&self, range: Range<Vec<u8>>, limit: usize) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>> {
        if range.start >= range.end {
            return ready(Ok(Vec::new())).boxed();
        }
        let pairs = self.pairs();
        let found = pairs.range(range).take(limit).map(|(key, value)| (key.clone(), value.clone()));
        ready(Ok(found.collect())).boxed()
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<(), StoreError>> {
        ready(self.change(change)).boxed()
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        ready(Ok(())).boxed()
    }
}
