//! What scripts keep: JSON under a key, for each script its own, until it ends.
//!
//! An integer is a number that many can add to at once; every other value is sealed, since a
//! script may well keep the token of a verifier.
//!
//! Keys are often chosen by strangers, so a script that keeps as much as it may is no reason to fail
//! everybody: what it [set](ScriptValues::set) and what ends first gives way. What it counts does not: a quota that
//! a stranger could have forgotten would be none.

mod making_room;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use self::making_room::GIVES_WAY;
use super::backend::{Backend, Change, number};
use super::expiring::{Entry, Found, Space};
use super::keys::Kind;
use super::race::{unless_lost, until_won};
use super::{StoreError, sealing};
use crate::clock::Timestamp;
use crate::secret::{Sealed, SealingKey};

/// How much one script may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyValueLimits {
    /// Values at the same time.
    pub entries: u64,
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Bytes of a value, as JSON.
    pub value_bytes: usize,
}

/// Why a value is not kept or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyValueError {
    /// The key is empty or too long.
    #[error("a key has 1 to {0} bytes")]
    Key(usize),
    /// The value is too long.
    #[error("a value has at most {0} bytes as JSON")]
    Value(usize),
    /// The script keeps as much as it may, and nothing of it gives way.
    #[error("the script keeps {0} values already, which is as many as it may, and none of them may give way")]
    Full(u64),
    /// What is there can not be added to.
    #[error("the value is not an integer of 64 bits, so it can not be added to")]
    NotAnInteger,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a value is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    Sealed(Sealed),
    /// The integer is the number that belongs to the record.
    Integer,
}

/// What all scripts keep.
#[derive(Clone)]
pub struct KeyValues {
    space: Space<Kept>,
    sealing_key: SealingKey,
}

impl KeyValues {
    pub(super) fn new(backend: Arc<dyn Backend>, sealing_key: SealingKey) -> Self {
        Self { space: Space::new(backend, Kind::KeyValue), sealing_key }
    }

    /// What the script of this name keeps, within `limits`.
    pub fn of<'a>(&'a self, script: &'a str, limits: KeyValueLimits) -> ScriptValues<'a> {
        ScriptValues { store: self, script, limits }
    }
}

/// What one script keeps.
#[derive(Clone, Copy)]
pub struct ScriptValues<'a> {
    store: &'a KeyValues,
    script: &'a str,
    limits: KeyValueLimits,
}

impl ScriptValues<'_> {
    /// The value under `key`, unless it has ended at `now`.
    ///
    /// # Errors
    /// When the key can not be one, or the store can not be read.
    pub async fn get(&self, key: &str, now: Timestamp) -> Result<Option<Value>, KeyValueError> {
        let key = self.key(key)?;
        let Some(found) = self.store.space.find(&key, now).await? else { return Ok(None) };
        let value = match &found.entry.value {
            Kept::Sealed(sealed) => sealing::open(&self.store.sealing_key, &key, sealed)?,
            Kept::Integer => {
                let place = own_number(&key);
                number(&place, self.store.space.backend.get(&place).await?.as_deref())?.into()
            }
        };
        Ok(Some(value))
    }

    /// Keeps `value` under `key` until `until`, in the place of what was there. It may give way to others
    /// before that, when the script keeps as much as it may.
    ///
    /// # Errors
    /// When a limit is passed, or the store can not be read or written.
    pub async fn set(
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
            Some(integer) => (Kept::Integer, Some(integer)),
            None => (Kept::Sealed(sealing::seal(&self.store.sealing_key, &key, value)?), None),
        };
        let entry = Entry { key, value: kept, expires_at: until };
        until_won(|| self.try_set(&entry, start, now)).await
    }

    async fn try_set(
        &self,
        entry: &Entry<Kept>,
        start: Option<i64>,
        now: Timestamp,
    ) -> Result<Option<()>, KeyValueError> {
        let seen = self.store.space.find_any(&entry.key).await?;
        let mut change = self.storing(seen.as_ref(), entry, start, now).await?;
        let index = Kind::KeyValue.expiry(entry.expires_at, &entry.key);
        for (_, mark) in change.put.iter_mut().filter(|(key, _)| *key == index) {
            *mark = GIVES_WAY.to_vec();
        }
        Ok(unless_lost(self.store.space.backend.apply(change).await)?.map(drop))
    }

    /// Removes what is under `key`; whether there was something.
    ///
    /// # Errors
    /// When the key can not be one, or the store can not be written.
    pub async fn delete(&self, key: &str, now: Timestamp) -> Result<bool, KeyValueError> {
        let key = self.key(key)?;
        Ok(self.store.space.take(&key, now).await?.is_some())
    }

    /// Adds `by` to the integer under `key` and gives the sum, which stays within 64 bits. When
    /// nothing is there, it begins at 0 and ends at `until`; its end does not move later, so
    /// that what is counted is what happens within one span of time.
    ///
    /// Any number may add at the same time; none is lost, and none waits for another. What is counted
    /// never gives way.
    ///
    /// # Errors
    /// When a limit is passed, another kind of value is there, or the store fails.
    pub async fn increment(
        &self,
        key: &str,
        by: i64,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<i64, KeyValueError> {
        let entry = Entry { key: self.key(key)?, value: Kept::Integer, expires_at: until };
        until_won(|| self.try_increment(&entry, by, now)).await
    }

    async fn try_increment(
        &self,
        entry: &Entry<Kept>,
        by: i64,
        now: Timestamp,
    ) -> Result<Option<i64>, KeyValueError> {
        let space = &self.store.space;
        let seen = space.find_any(&entry.key).await?;
        let change = match &seen {
            Some(live) if live.is_live(now) => match live.entry.value {
                Kept::Sealed(_) => return Err(KeyValueError::NotAnInteger),
                Kept::Integer => {
                    let counted = Change {
                        expect: vec![space.unchanged(live)],
                        count: vec![(own_number(&entry.key), by)],
                        ..Change::default()
                    };
                    self.staying(live).await?.and(counted)
                }
            },
            over_or_absent => self.storing(over_or_absent.as_ref(), entry, Some(by), now).await?,
        };
        // The script's number is the last of those that the change counts.
        Ok(unless_lost(space.backend.apply(change).await)?.and_then(|numbers| numbers.last().copied()))
    }

    /// That `entry` is stored, with `start` when it is an integer: in the place of what was
    /// seen, or as a new one, for which there must be room.
    async fn storing(
        &self,
        seen: Option<&Found<Kept>>,
        entry: &Entry<Kept>,
        start: Option<i64>,
        now: Timestamp,
    ) -> Result<Change, KeyValueError> {
        let mut change = if let Some(seen) = seen {
            self.store.space.replacement(seen, entry)?
        } else {
            let room = self.room(&entry.key, now).await?;
            Change { expect: vec![room], ..Change::default() }.and(self.store.space.insertion(entry)?)
        };
        change.count.extend(start.map(|start| (own_number(&entry.key), start)));
        Ok(change)
    }

    fn key(&self, key: &str) -> Result<Vec<u8>, KeyValueError> {
        if key.is_empty() || key.len() > self.limits.key_bytes {
            return Err(KeyValueError::Key(self.limits.key_bytes));
        }
        Ok([self.script.as_bytes(), b"\0", key.as_bytes()].concat())
    }
}

fn own_number(key: &[u8]) -> Vec<u8> {
    Kind::KeyValue.own_number(key).unwrap_or_default()
}
