//! The seam between what is stored and where: an ordered key-value space with atomic conditional
//! batches. Knows nothing of clients.

use std::ops::Range;

use futures_util::future::BoxFuture;

use super::StoreError;

/// A key with its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// What must be so for a change to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// The key has no value.
    Absent(Vec<u8>),
    /// The key has exactly this value.
    Value(Vec<u8>, Vec<u8>),
}

/// A change: made as a whole when every expectation holds, else not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// What must be so.
    pub expect: Vec<Expectation>,
    /// Values to be stored.
    pub put: Vec<Pair>,
    /// Keys to be removed; a key that is not there is no mistake.
    pub delete: Vec<Vec<u8>>,
}

/// Where keys and values are.
pub trait Backend: Send + Sync {
    /// The value of `key`.
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// The first `limit` pairs of `range`, in the order of their keys' bytes.
    fn scan(&self, range: Range<Vec<u8>>, limit: usize) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>>;

    /// Makes `change`. When this returns, it survives a power cut.
    ///
    /// [`StoreError::Conflict`] when an expectation does not hold.
    fn apply(&self, change: Change) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Whether the store answers.
    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}
