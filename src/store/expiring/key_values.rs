//! Values that scripts store: JSON under a key, separate for each script, with an expiry.
//!
//! An integer is stored as a number that many requests can add to at once. Every other value is sealed,
//! since a script may well store the token of a verifier.
//!
//! Strangers often choose the keys, so a script that has reached its limit must not fail for everybody. A
//! value that was [set](ScriptValues::set) is evicted when space is needed, the earliest expiry first. A
//! counter is never evicted: a quota that a stranger could have forgotten would not be a quota.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ExpiringRecord, Found, Space};
use crate::base::{Sealed, SealingKeys, Timestamp};
use crate::store::{
    Backend, Change, Expectation, ExpiringKind, StoreError, expiring::removal, expiring::sweep,
    number, page, sealing, unless_lost, until_won,
};

/// The value of an index entry whose record may be evicted.
pub(in crate::store) const GIVES_WAY: &[u8] = b"\x01";

/// Expired values that are removed at a time.
const CLEARED: usize = 256;
/// Index entries that are read at a time.
const PAGE: usize = 500;
/// Divisor of the limit: this fraction of the values may be evicted at a time, since searching for them is
/// expensive.
const SHARE: u64 = 64;

/// How much one script may store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyValueLimits {
    /// Values at the same time.
    pub(crate) entries: u64,
    /// Bytes of a key.
    pub(crate) key_bytes: usize,
    /// Bytes of a value, as JSON.
    pub(crate) value_bytes: usize,
}

/// Why a value is not stored or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyValueError {
    /// The key is empty or too long.
    #[error("the key must have 1 to {0} bytes")]
    Key(usize),
    /// The value is too long.
    #[error("the value must not exceed {0} bytes as JSON")]
    Value(usize),
    /// The script has reached its limit of values, and none of them can be evicted.
    #[error(
        "the script has reached its limit of {0} stored values, and none of them can be evicted"
    )]
    Full(u64),
    /// The existing value cannot be added to.
    #[error("the value is not a 64-bit integer, so it cannot be incremented")]
    NotAnInteger,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a value is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::store) enum KeptValue {
    Sealed(Sealed),
    /// The integer is the number that belongs to the record.
    Integer,
}

/// The values of all scripts.
#[derive(Clone)]
pub(crate) struct KeyValues {
    space: Space<KeptValue>,
    sealing_keys: SealingKeys,
}

impl KeyValues {
    pub(in crate::store) fn new(backend: Arc<dyn Backend>, sealing_keys: SealingKeys) -> Self {
        Self {
            space: Space::new(backend, ExpiringKind::KeyValue),
            sealing_keys,
        }
    }

    /// Returns the values of the script with this name, within `limits`.
    pub(crate) fn of<'a>(&'a self, script: &'a str, limits: KeyValueLimits) -> ScriptValues<'a> {
        ScriptValues {
            store: self,
            script,
            limits,
        }
    }
}

/// The values of one script.
#[derive(Clone, Copy)]
pub(crate) struct ScriptValues<'a> {
    store: &'a KeyValues,
    script: &'a str,
    limits: KeyValueLimits,
}

impl ScriptValues<'_> {
    /// Returns the value under `key`, unless it has expired at `now`.
    ///
    /// # Errors
    /// When the key is invalid, or the store cannot be read.
    pub(crate) async fn get(
        &self,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Value>, KeyValueError> {
        let key = self.key(key)?;
        let Some(found) = self.store.space.find(&key, now).await? else {
            return Ok(None);
        };
        let value = match &found.entry.value {
            KeptValue::Sealed(sealed) => sealing::open(&self.store.sealing_keys, &key, sealed)?,
            KeptValue::Integer => {
                let place = own_number(&key);
                number(
                    &place,
                    self.store.space.backend.get(&place).await?.as_deref(),
                )?
                .into()
            }
        };
        Ok(Some(value))
    }

    /// Stores `value` under `key` until `until`, replacing any previous value. It may be evicted earlier if
    /// the script reaches its limit of values.
    ///
    /// # Errors
    /// When a limit is exceeded, or the store cannot be read or written.
    pub(crate) async fn set(
        &self,
        key: &str,
        value: &Value,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), KeyValueError> {
        let key = self.key(key)?;
        if value.to_string().len() > self.limits.value_bytes {
            return Err(KeyValueError::Value(self.limits.value_bytes));
        }
        let (kept, start) = match value.as_i64() {
            Some(integer) => (KeptValue::Integer, Some(integer)),
            None => (
                KeptValue::Sealed(sealing::seal(&self.store.sealing_keys, &key, value)?),
                None,
            ),
        };
        let entry = ExpiringRecord {
            key,
            value: kept,
            expires_at: until,
        };
        until_won(|| self.try_set(&entry, start, now)).await
    }

    async fn try_set(
        &self,
        entry: &ExpiringRecord<KeptValue>,
        start: Option<i64>,
        now: Timestamp,
    ) -> Result<Option<()>, KeyValueError> {
        let seen = self.store.space.find_any(&entry.key).await?;
        let mut change = self.storing(seen.as_ref(), entry, start, now).await?;
        let index = ExpiringKind::KeyValue.expiry(entry.expires_at, &entry.key);
        for (key, mark) in &mut change.put {
            if *key == index {
                *mark = GIVES_WAY.to_vec();
            }
        }
        Ok(unless_lost(self.store.space.backend.apply(change).await)?.map(drop))
    }

    /// Removes the value under `key`. Returns whether there was one.
    ///
    /// # Errors
    /// When the key is invalid, or the store cannot be written.
    pub(crate) async fn delete(&self, key: &str, now: Timestamp) -> Result<bool, KeyValueError> {
        let key = self.key(key)?;
        Ok(self.store.space.take(&key, now).await?.is_some())
    }

    /// Adds `by` to the integer under `key` and returns the sum, which stays within 64 bits. A missing
    /// value starts at 0 and expires at `until`. Later calls do not extend the expiry, so that the counter
    /// covers one span of time.
    ///
    /// Any number of callers may add at the same time: no addition is lost, and no caller waits for
    /// another. A counter is never evicted.
    ///
    /// # Errors
    /// When a limit is exceeded, the value has another type, or the store fails.
    pub(crate) async fn increment(
        &self,
        key: &str,
        by: i64,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<i64, KeyValueError> {
        let entry = ExpiringRecord {
            key: self.key(key)?,
            value: KeptValue::Integer,
            expires_at: until,
        };
        until_won(|| self.try_increment(&entry, by, now)).await
    }

    async fn try_increment(
        &self,
        entry: &ExpiringRecord<KeptValue>,
        by: i64,
        now: Timestamp,
    ) -> Result<Option<i64>, KeyValueError> {
        let space = &self.store.space;
        let seen = space.find_any(&entry.key).await?;
        let change = match &seen {
            Some(live) if live.is_live(now) => match live.entry.value {
                KeptValue::Sealed(_) => return Err(KeyValueError::NotAnInteger),
                KeptValue::Integer => {
                    let counted = Change {
                        expect: vec![space.unchanged(live)],
                        count: vec![(own_number(&entry.key), by)],
                        ..Change::default()
                    };
                    self.staying(live).await?.and(counted)
                }
            },
            over_or_absent => {
                self.storing(over_or_absent.as_ref(), entry, Some(by), now)
                    .await?
            }
        };
        // The script's number is the last of those that the change counts.
        Ok(unless_lost(space.backend.apply(change).await)?
            .and_then(|applied| applied.numbers.last().copied()))
    }

    /// Makes sure that there is a counter under `key`, and returns its value. A new one starts at 0 and expires at
    /// `until`. An existing counter is only read, so any number of callers may ask at the same time.
    ///
    /// # Errors
    /// As [`increment`](Self::increment).
    pub(crate) async fn counter(
        &self,
        key: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<i64, KeyValueError> {
        let entry = ExpiringRecord {
            key: self.key(key)?,
            value: KeptValue::Integer,
            expires_at: until,
        };
        until_won(|| self.try_counter(&entry, now)).await
    }

    async fn try_counter(
        &self,
        entry: &ExpiringRecord<KeptValue>,
        now: Timestamp,
    ) -> Result<Option<i64>, KeyValueError> {
        let space = &self.store.space;
        let seen = space.find_any(&entry.key).await?;
        let Some(live) = seen.as_ref().filter(|seen| seen.is_live(now)) else {
            let change = self.storing(seen.as_ref(), entry, Some(0), now).await?;
            return Ok(unless_lost(space.backend.apply(change).await)?.map(|_| 0));
        };
        let count = self.count(live).await?;
        let mut staying = self.staying(live).await?;
        if staying != Change::default() {
            staying.expect.push(space.unchanged(live));
            if unless_lost(space.backend.apply(staying).await)?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(count))
    }

    /// Returns the value of the counter that was read.
    async fn count(&self, live: &Found<KeptValue>) -> Result<i64, KeyValueError> {
        if !matches!(live.entry.value, KeptValue::Integer) {
            return Err(KeyValueError::NotAnInteger);
        }
        let place = own_number(&live.entry.key);
        let count = self.store.space.backend.get(&place).await?;
        Ok(number(&place, count.as_deref())?)
    }

    /// Returns the change that adds 1 to the counter under `key`, as long as it is below `most`, or when the counter
    /// expires if it is not. The change becomes a part of another change, so what fails is not counted, and of any
    /// number of concurrent changes only as many succeed as are left. Returns none if there is no counter.
    ///
    /// # Errors
    /// When the key is invalid, the value has another type, or the store cannot be read.
    pub(crate) async fn one_use(
        &self,
        key: &str,
        most: u64,
        now: Timestamp,
    ) -> Result<Option<Result<Change, Timestamp>>, KeyValueError> {
        let key = self.key(key)?;
        let space = &self.store.space;
        let Some(live) = space.find(&key, now).await? else {
            return Ok(None);
        };
        let count = self.count(&live).await?;
        let place = own_number(&key);
        if u64::try_from(count).unwrap_or_default() >= most {
            return Ok(Some(Err(live.entry.expires_at)));
        }
        Ok(Some(Ok(Change {
            expect: vec![
                space.unchanged(&live),
                Expectation::Below(place.clone(), most),
            ],
            count: vec![(place, 1)],
            ..Change::default()
        })))
    }

    /// Stores `entry`, with `start` when it is an integer. It replaces the record that was read, or is
    /// stored as a new record if there is space for it.
    async fn storing(
        &self,
        seen: Option<&Found<KeptValue>>,
        entry: &ExpiringRecord<KeptValue>,
        start: Option<i64>,
        now: Timestamp,
    ) -> Result<Change, KeyValueError> {
        let mut change = if let Some(seen) = seen {
            self.store.space.replacement(seen, entry)?
        } else {
            let room = self.room(&entry.key, now).await?;
            Change {
                expect: vec![room],
                ..Change::default()
            }
            .and(self.store.space.insertion(entry)?)
        };
        if let Some(start) = start {
            change.count.push((own_number(&entry.key), start));
        }
        Ok(change)
    }

    fn key(&self, key: &str) -> Result<Vec<u8>, KeyValueError> {
        if key.is_empty() || key.len() > self.limits.key_bytes {
            return Err(KeyValueError::Key(self.limits.key_bytes));
        }
        Ok([self.script.as_bytes(), b"\0", key.as_bytes()].concat())
    }
}

// Making space for one more value of a script that has reached its limit. A value that may be evicted is
// marked in its entry of the expiry index, which has no value otherwise. Counters and the values that an
// older registrar stored are not marked and are kept.
impl ScriptValues<'_> {
    /// Ensures that there is space for one more value next to that of `key`. If necessary, expired values
    /// are removed, and then the evictable values that expire first.
    async fn room(&self, key: &[u8], now: Timestamp) -> Result<Expectation, KeyValueError> {
        let count = ExpiringKind::KeyValue.group_count(key).unwrap_or_default();
        let (backend, most) = (&*self.store.space.backend, self.limits.entries);
        loop {
            let kept = number(&count, backend.get(&count).await?.as_deref())?;
            if kept.unsigned_abs() < most {
                return Ok(Expectation::Below(count, most));
            }
            if sweep::sweep(backend, ExpiringKind::KeyValue, now, CLEARED).await? == 0
                && !self.give_way(most).await?
            {
                return Err(KeyValueError::Full(most));
            }
        }
    }

    /// Removes some of this script's evictable values, the earliest expiry first. Returns whether there
    /// were any.
    async fn give_way(&self, most: u64) -> Result<bool, StoreError> {
        let backend = &*self.store.space.backend;
        let due = usize::try_from(most / SHARE).unwrap_or(usize::MAX).max(1);
        let own = [self.script.as_bytes(), b"\0"].concat();
        let mut left = Some(ExpiringKind::KeyValue.ended(Timestamp::from_unix(u64::MAX)));
        let mut met = 0;
        while let Some(range) = left {
            let (entries, rest) = page(backend, range, PAGE).await?;
            left = rest;
            for (entry, mark) in entries {
                if mark == GIVES_WAY
                    && let Some(key) = ExpiringKind::KeyValue.of_expiry(&entry)
                    && key.starts_with(&own)
                {
                    self.remove(key, &entry).await?;
                    met += 1;
                    if met >= due {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(met > 0)
    }

    /// Removes the value of `key`, unless it was changed since its `entry` in the index was read.
    async fn remove(&self, key: &[u8], entry: &[u8]) -> Result<(), StoreError> {
        let backend = &*self.store.space.backend;
        let Some(bytes) = backend.get(&ExpiringKind::KeyValue.record(key)).await? else {
            return Ok(());
        };
        let mut removal = removal(ExpiringKind::KeyValue, key, bytes, entry.to_vec());
        removal
            .expect
            .push(Expectation::Value(entry.to_vec(), GIVES_WAY.to_vec()));
        unless_lost(backend.apply(removal).await).map(drop)
    }

    /// Returns the change that protects `live`, which becomes a counter, from eviction.
    async fn staying(&self, live: &Found<KeptValue>) -> Result<Change, StoreError> {
        let index = ExpiringKind::KeyValue.expiry(live.entry.expires_at, &live.entry.key);
        let mark = self.store.space.backend.get(&index).await?;
        let mut change = Change::default();
        if mark.as_deref() == Some(GIVES_WAY) {
            change.put.push((index, Vec::new()));
        }
        Ok(change)
    }
}

fn own_number(key: &[u8]) -> Vec<u8> {
    ExpiringKind::KeyValue.own_number(key).unwrap_or_default()
}
