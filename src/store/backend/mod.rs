//! The interface between what is stored and where it is stored: an ordered key-value space with atomic
//! conditional batches. It knows nothing about clients.
//!
//! Two features could not be built from conditions on values without making all writers wait for each
//! other: counters that many writers change at once, and a log without gaps. A change can therefore also
//! add to numbers and append to sequences. The resulting values are determined when the change is applied.

pub(in crate::store) mod chain;
pub(in crate::store) mod embedded;
pub(in crate::store) mod fjall;
pub(crate) mod journal;
pub(in crate::store) mod memory;
pub(crate) mod offline;
pub(in crate::store) mod overlay;
pub(in crate::store) mod pending;
pub(in crate::store) mod postgres;
pub(in crate::store) mod sled;

use std::ops::Range;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::store::{StoreError, keys};
use crate::telemetry::WriteOutcome;
use journal::Journal;

/// A key with its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// Returns the outcome of a change as a metric label.
fn write_outcome<T>(outcome: &Result<T, StoreError>) -> WriteOutcome {
    match outcome {
        Ok(_) => WriteOutcome::Done,
        Err(StoreError::Conflict) => WriteOutcome::Conflict,
        Err(StoreError::Busy) => WriteOutcome::Busy,
        Err(_) => WriteOutcome::Failed,
    }
}

/// A condition for applying a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// The key has no value.
    Absent(Vec<u8>),
    /// The key has exactly this value.
    Value(Vec<u8>, Vec<u8>),
    /// The number under the key is less than this.
    Below(Vec<u8>, u64),
}

impl Expectation {
    /// Returns the key whose value is expected.
    pub(super) fn key(&self) -> &[u8] {
        match self {
            Self::Absent(key) | Self::Value(key, _) | Self::Below(key, _) => key,
        }
    }
}

/// A change. It is applied as a whole if every expectation is met, and otherwise not at all. Its parts are
/// applied in the order of its members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// The conditions.
    pub(crate) expect: Vec<Expectation>,
    /// Keys to remove; a missing key is not an error.
    pub(crate) delete: Vec<Vec<u8>>,
    /// Values to store.
    pub(crate) put: Vec<Pair>,
    /// Numbers to add to: keys and amounts. A missing number counts as 0, and a number that becomes 0 is
    /// removed. A result out of range is limited to the range.
    pub(crate) count: Vec<(Vec<u8>, i64)>,
    /// Values to append to a sequence: the key of the sequence and the value. The first value gets the
    /// number 1, and each later one the number after the last value, whoever wrote that. A value is stored
    /// under the key of the sequence followed by its number: 8 bytes, big-endian.
    pub(crate) append: Vec<Pair>,
    /// Values to append to a sequence, each with its [digest](chain).
    pub(crate) chain: Vec<Chained>,
}

/// A value to append to a sequence with digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chained {
    /// The key of the sequence.
    pub(crate) sequence: &'static [u8],
    /// The key of the [mark](Link::mark) of its last value.
    pub(crate) head: &'static [u8],
    /// The value: a JSON object with members, possibly with bytes before it.
    pub(crate) value: Vec<u8>,
}

/// A value of a sequence with digests, as the value after it sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// Its number.
    pub(crate) number: u64,
    /// Its digest.
    pub(crate) digest: [u8; 32],
}

/// What became of a change that was applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The new values of the numbers that it added to, in its order.
    pub(crate) numbers: Vec<i64>,
    /// The values that it appended to sequences with digests, in its order.
    pub(crate) links: Vec<Link>,
}

impl Change {
    /// Returns this change combined with `other`.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.expect.extend(other.expect);
        self.delete.extend(other.delete);
        self.put.extend(other.put);
        self.count.extend(other.count);
        self.append.extend(other.append);
        self.chain.extend(other.chain);
        self
    }
}

/// Stores keys and values.
pub(crate) trait Backend: Send + Sync {
    /// Returns the value of `key`.
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// Returns the first `limit` pairs of `range`, in the byte order of their keys.
    fn scan(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>>;

    /// Applies `change` and returns what became of it. When this returns, the change survives a power cut.
    ///
    /// Fails with [`StoreError::Conflict`] when an expectation is not met. A read after that returns the
    /// data that caused the conflict.
    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>>;

    /// Returns facts about the backend that are cheap to obtain.
    fn facts(&self) -> BackendFacts;

    /// Returns what keeps the changes that are made while everything is copied; `None` if it cannot, since other
    /// servers make changes too.
    fn journal(&self) -> Option<&Journal> {
        None
    }

    /// Returns whether other servers may use it too.
    fn is_shared(&self) -> bool {
        false
    }

    /// Signals when another server may have changed what [servers keep in memory](super::Store::watch).
    /// Returns `None` when the backend is not shared.
    fn watch(&self) -> Option<mpsc::Receiver<()>> {
        None
    }
}

/// Facts about a backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BackendFacts {
    /// Bytes on disk; `None` if the backend has no disk or does not report the size.
    pub(crate) disk_bytes: Option<u64>,
    /// Changes that are queued for writing.
    pub(crate) waiting: usize,
}

/// Returns the first `limit` pairs of `range` and the rest of the range, or `None` if there is no more.
pub(super) async fn page(
    backend: &dyn Backend,
    range: Range<Vec<u8>>,
    limit: usize,
) -> Result<(Vec<Pair>, Option<Range<Vec<u8>>>), StoreError> {
    let pairs = backend.scan(range.clone(), limit).await?;
    let left = match pairs.last() {
        Some((last, _)) if pairs.len() >= limit => Some(keys::behind(last)..range.end),
        _ => None,
    };
    Ok((pairs, left))
}

/// Returns the key of the value with this number in `sequence`. The last number is stored under the key of
/// the sequence itself.
pub(super) fn numbered(sequence: &[u8], number: u64) -> Vec<u8> {
    [sequence, &number.to_be_bytes()].concat()
}

/// Decodes the number that is stored under `key` as `value`.
pub(super) fn number(key: &[u8], value: Option<&[u8]>) -> Result<i64, StoreError> {
    let Some(bytes) = value else { return Ok(0) };
    match bytes.try_into() {
        Ok(bytes) => Ok(i64::from_be_bytes(bytes)),
        Err(_) => Err(StoreError::corrupt(key, "it is not a number")),
    }
}
