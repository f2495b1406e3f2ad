//! Records that expire. Each has an entry in the expiry index of its type, so that a sweep visits only
//! expired records. Until the sweep removes it, an expired record is treated as absent.

pub(crate) mod candidates;
pub(crate) mod initial_access_tokens;
pub(crate) mod key_values;
pub(crate) mod nonces;
pub(crate) mod pending;
pub(crate) mod sessions;
pub(crate) mod single_use;
pub(in crate::store) mod sweep;
pub(crate) mod tokens;

use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::{Secret, Timestamp, hex, sha256};
use crate::store::{
    Backend, Change, Expectation, ExpiringKind, StoreError, keys, number, record, unless_lost,
    until_won,
};

/// Characters of an identifier: half of the digest of a secret, in hex.
const ID_LENGTH: usize = 32;

/// One origin may have this fraction of the records of a type,
const SHARE: u64 = 10;
/// but always this many.
const SMALLEST_SHARE: u64 = 10;

/// Returns the key of a record that is found by a secret: the digest of the secret, in hex.
pub(super) fn key_of_secret(secret: &Secret) -> String {
    hex(&sha256(secret.expose().as_bytes()))
}

/// Returns the identifier that is shown for the record under this key, from which the secret cannot be derived.
pub(super) fn short_id(key: &str) -> String {
    key.chars().take(ID_LENGTH).collect()
}

/// A record that expires.
#[derive(Debug, Clone)]
pub(super) struct ExpiringRecord<T> {
    /// Its key among the records of its type.
    pub(super) key: Vec<u8>,
    /// Its value.
    pub(super) value: T,
    /// The moment from which the record is treated as absent.
    pub(super) expires_at: Timestamp,
}

/// A record as it was read, with the bytes that must be unchanged when it is changed.
#[derive(Debug, Clone)]
pub(super) struct Found<T> {
    pub(super) entry: ExpiringRecord<T>,
    bytes: Vec<u8>,
}

impl<T> Found<T> {
    /// Returns whether the record has not expired at `now`.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        now < self.entry.expires_at
    }
}

/// The records of one type.
#[derive(Clone)]
pub(super) struct Space<T> {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) kind: ExpiringKind,
    holds: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Space<T> {
    /// Returns the records of `kind`.
    pub(super) fn new(backend: Arc<dyn Backend>, kind: ExpiringKind) -> Self {
        Self {
            backend,
            kind,
            holds: PhantomData,
        }
    }

    /// Returns the record under `key` if it has not expired at `now`.
    pub(super) async fn find(
        &self,
        key: &[u8],
        now: Timestamp,
    ) -> Result<Option<Found<T>>, StoreError> {
        Ok(self.find_any(key).await?.filter(|found| found.is_live(now)))
    }

    /// Returns the record under `key`, whether it has expired or not.
    pub(super) async fn find_any(&self, key: &[u8]) -> Result<Option<Found<T>>, StoreError> {
        let stored = self.kind.record(key);
        match self.backend.get(&stored).await? {
            Some(bytes) => Ok(Some(self.read(&stored, bytes)?)),
            None => Ok(None),
        }
    }

    /// Returns the record whose key begins with `id`, the [identifier](short_id) of a secret.
    pub(super) async fn find_by_short_id(&self, id: &str) -> Result<Option<Found<T>>, StoreError> {
        let is_id = id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id {
            return Ok(None);
        }
        self.find_under(id.as_bytes()).await
    }

    /// Returns the first record whose key begins with `prefix`.
    pub(super) async fn find_under(&self, prefix: &[u8]) -> Result<Option<Found<T>>, StoreError> {
        let range = keys::under(&self.kind.record(prefix));
        match self.backend.scan(range, 1).await?.pop() {
            Some((stored, bytes)) => Ok(Some(self.read(&stored, bytes)?)),
            None => Ok(None),
        }
    }

    /// Returns at most `limit` records in the order of their keys, whether they have expired or not, starting after
    /// those whose key begins with `after`.
    pub(super) async fn page(
        &self,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Found<T>>, StoreError> {
        let mut range = keys::under(&self.kind.record(b""));
        if let Some(after) = after {
            range.start = keys::under(&self.kind.record(after)).end;
        }
        let pairs = self.backend.scan(range, limit).await?;
        let read = |(stored, bytes): (Vec<u8>, Vec<u8>)| self.read(&stored, bytes);
        pairs.into_iter().map(read).collect()
    }

    /// Decodes the record that is stored as `bytes`.
    pub(super) fn read(&self, stored: &[u8], bytes: Vec<u8>) -> Result<Found<T>, StoreError> {
        let (value, expires_at) = record::decode_until(stored, &bytes)?;
        let key = self.kind.of_record(stored).unwrap_or_default().to_vec();
        Ok(Found {
            entry: ExpiringRecord {
                key,
                value,
                expires_at,
            },
            bytes,
        })
    }

    /// Stores `entry`, unless there is an unexpired record under its key at `now`. Returns whether it was
    /// stored. Of any number of concurrent calls, one stores its entry.
    pub(super) async fn insert_new(
        &self,
        entry: &ExpiringRecord<T>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        until_won(|| self.try_insert(entry, now)).await
    }

    async fn try_insert(
        &self,
        entry: &ExpiringRecord<T>,
        now: Timestamp,
    ) -> Result<Option<bool>, StoreError> {
        let change = match self.find_any(&entry.key).await? {
            Some(found) if found.is_live(now) => return Ok(Some(false)),
            Some(over) => self.replacement(&over, entry)?,
            None => self.insertion(entry)?,
        };
        let stored = self.backend.apply(change).await;
        Ok(unless_lost(stored)?.map(|_| true))
    }

    /// Removes and returns the record under `key` if it has not expired at `now`. Of any number of
    /// concurrent calls, one gets it.
    pub(super) async fn take(&self, key: &[u8], now: Timestamp) -> Result<Option<T>, StoreError> {
        until_won(|| self.try_take(key, now)).await
    }

    async fn try_take(&self, key: &[u8], now: Timestamp) -> Result<Option<Option<T>>, StoreError> {
        let Some(found) = self.find(key, now).await? else {
            return Ok(Some(None));
        };
        let removed = self.backend.apply(self.removal(&found)).await;
        Ok(unless_lost(removed)?.map(|_| Some(found.entry.value)))
    }

    /// Returns the change that stores `entry`, expecting that its key is absent.
    pub(super) fn insertion(&self, entry: &ExpiringRecord<T>) -> Result<Change, StoreError> {
        let mut change = self.writing(entry)?;
        change
            .expect
            .push(Expectation::Absent(self.kind.record(&entry.key)));
        change.count.extend(counts(self.kind, &entry.key, 1));
        Ok(change)
    }

    /// Returns the change that stores `entry`, expecting that its key is absent. Returns none if `most` records of the
    /// type are stored, or if the origin of the entry has its share of them.
    pub(super) async fn insertion_below(
        &self,
        entry: &ExpiringRecord<T>,
        most: u64,
    ) -> Result<Option<Change>, StoreError> {
        let mut change = self.insertion(entry)?;
        let share = (most / SHARE).max(SMALLEST_SHARE);
        let bounds = [
            (self.kind.group_count(&entry.key), most),
            (self.kind.share_count(&entry.key), share),
        ];
        for (count, most) in bounds {
            let Some(count) = count else { continue };
            let stored = number(&count, self.backend.get(&count).await?.as_deref())?;
            if stored.unsigned_abs() >= most {
                return Ok(None);
            }
            change.expect.push(Expectation::Below(count, most));
        }
        Ok(Some(change))
    }

    /// Returns the change that replaces `seen` with `entry`, which has the same key.
    pub(super) fn replacement(
        &self,
        seen: &Found<T>,
        entry: &ExpiringRecord<T>,
    ) -> Result<Change, StoreError> {
        let mut change = self.writing(entry)?;
        change.expect.push(self.unchanged(seen));
        change
            .delete
            .push(self.kind.expiry(seen.entry.expires_at, &seen.entry.key));
        change.delete.extend(self.kind.own_number(&seen.entry.key));
        Ok(change)
    }

    /// Returns the change that removes `seen`.
    pub(super) fn removal(&self, seen: &Found<T>) -> Change {
        let index = self.kind.expiry(seen.entry.expires_at, &seen.entry.key);
        removal(self.kind, &seen.entry.key, seen.bytes.clone(), index)
    }

    /// Expects that the record is still as it was read.
    pub(super) fn unchanged(&self, seen: &Found<T>) -> Expectation {
        Expectation::Value(self.kind.record(&seen.entry.key), seen.bytes.clone())
    }

    fn writing(&self, entry: &ExpiringRecord<T>) -> Result<Change, StoreError> {
        let stored = self.kind.record(&entry.key);
        let record = record::encode_until(&stored, &entry.value, entry.expires_at)?;
        let index = (self.kind.expiry(entry.expires_at, &entry.key), Vec::new());
        Ok(Change {
            put: vec![(stored, record), index],
            ..Change::default()
        })
    }
}

/// Returns the change that removes the record of `kind` stored under `key` as `bytes`, with its index entry
/// and the number that belongs to it.
pub(super) fn removal(kind: ExpiringKind, key: &[u8], bytes: Vec<u8>, index: Vec<u8>) -> Change {
    let stored = kind.record(key);
    let mut removal = Change {
        expect: vec![Expectation::Value(stored.clone(), bytes)],
        delete: vec![stored, index],
        ..Change::default()
    };
    removal.delete.extend(kind.own_number(key));
    removal.count.extend(counts(kind, key, -1));
    removal
}

/// Returns the numbers that count the record under `key`, each with `by`.
fn counts(kind: ExpiringKind, key: &[u8], by: i64) -> impl Iterator<Item = (Vec<u8>, i64)> {
    let counts = [kind.group_count(key), kind.share_count(key)];
    counts.into_iter().flatten().map(move |count| (count, by))
}
