//! The seam between what is stored and where: an ordered key-value space with atomic conditional
//! batches. Knows nothing of clients.
//!
//! Two things could not be had from conditions on values without all writers waiting for each
//! other: numbers that many change at once, and a log without gaps. So a change can also add to
//! numbers and append to sequences; whoever makes the change works them out as it is made.

use std::ops::Range;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::{StoreError, keys};

/// A key with its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// What must be so for a change to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// The key has no value.
    Absent(Vec<u8>),
    /// The key has exactly this value.
    Value(Vec<u8>, Vec<u8>),
    /// The number under the key is less than this.
    Below(Vec<u8>, u64),
}

/// A change: made as a whole when every expectation holds, else not at all. What is in it is made
/// in the order of its members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// What must be so.
    pub expect: Vec<Expectation>,
    /// Keys to be removed; a key that is not there is no mistake.
    pub delete: Vec<Vec<u8>>,
    /// Values to be stored.
    pub put: Vec<Pair>,
    /// Numbers to be added to: keys, and by how much. A number that is not there is 0, and one
    /// that becomes 0 is there no more. It stays at the end of its range rather than leave it.
    pub count: Vec<(Vec<u8>, i64)>,
    /// Values to be put at the end of a sequence: the key of the sequence, and the value. The
    /// first gets the number 1, and each one the number behind the one that was there before it,
    /// whoever wrote that: it is stored under the key of the sequence and its number, 8 bytes,
    /// big end first.
    pub append: Vec<Pair>,
}

impl Change {
    /// This change and `other` as one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.expect.extend(other.expect);
        self.delete.extend(other.delete);
        self.put.extend(other.put);
        self.count.extend(other.count);
        self.append.extend(other.append);
        self
    }
}

/// Where keys and values are.
pub trait Backend: Send + Sync {
    /// The value of `key`.
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// The first `limit` pairs of `range`, in the order of their keys' bytes.
    fn scan(&self, range: Range<Vec<u8>>, limit: usize) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>>;

    /// Makes `change`, and gives the numbers that it added to as they are then, in its order.
    /// When this returns, the change survives a power cut.
    ///
    /// [`StoreError::Conflict`] when an expectation does not hold; who reads then sees what
    /// came first.
    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Vec<i64>, StoreError>>;

    /// What is known of it without looking far.
    fn facts(&self) -> Facts;

    /// Whether other servers may have it too.
    fn is_shared(&self) -> bool {
        false
    }

    /// Says "look again" when another server may have changed what [servers keep in
    /// memory](super::Store::watch); none when there is no other server.
    fn watch(&self) -> Option<mpsc::Receiver<()>> {
        None
    }
}

/// What a backend knows of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Bytes on the disk; none when there is no disk, or it does not say.
    pub disk_bytes: Option<u64>,
    /// Changes that wait to be written.
    pub waiting: usize,
}

/// The first `limit` pairs of `range`, and what of it is left; none when that was all.
pub(super) async fn page(
    backend: &dyn Backend,
    range: Range<Vec<u8>>,
    limit: usize,
) -> Result<(Vec<Pair>, Option<Range<Vec<u8>>>), StoreError> {
    let pairs = backend.scan(range.clone(), limit).await?;
    let last = pairs.last().filter(|_| pairs.len() >= limit);
    let left = last.map(|(key, _)| keys::behind(key)..range.end);
    Ok((pairs, left))
}

/// The key of the value with this number in `sequence`. The key of the sequence itself holds
/// its last number.
pub(super) fn numbered(sequence: &[u8], number: u64) -> Vec<u8> {
    [sequence, &number.to_be_bytes()].concat()
}

/// The number that is stored under `key` as `value`.
pub(super) fn number(key: &[u8], value: Option<&[u8]>) -> Result<i64, StoreError> {
    let Some(bytes) = value else { return Ok(0) };
    bytes.try_into().map(i64::from_be_bytes).map_err(|_| StoreError::corrupt(key, "it is not a number"))
}
