//! Makes space for one more value of a script that has reached its limit.
//!
//! A value that may be evicted is marked in its entry of the expiry index, which has no value otherwise.
//! Counters and the values that an older registrar stored are not marked and are kept.

use super::{KeptValue, KeyValueError, ScriptValues};
use crate::base::Timestamp;
use crate::store::StoreError;
use crate::store::backend::{Change, Expectation, number, page};
use crate::store::expiring::sweep;
use crate::store::expiring::{self, Found};
use crate::store::keys::ExpiringKind;
use crate::store::retry::unless_lost;

/// The value of an index entry whose record may be evicted.
pub(in crate::store) const GIVES_WAY: &[u8] = b"\x01";

/// Expired values that are removed at a time.
const CLEARED: usize = 256;
/// Index entries that are read at a time.
const PAGE: usize = 500;
/// Divisor of the limit: this fraction of the values may be evicted at a time, since searching for them is
/// expensive.
const SHARE: u64 = 64;

impl ScriptValues<'_> {
    /// Ensures that there is space for one more value next to that of `key`. If necessary, expired values
    /// are removed, and then the evictable values that expire first.
    pub(super) async fn room(
        &self,
        key: &[u8],
        now: Timestamp,
    ) -> Result<Expectation, KeyValueError> {
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
        let (mut left, mut met) = (
            Some(ExpiringKind::KeyValue.ended(Timestamp::from_unix(u64::MAX))),
            0,
        );
        while let Some(range) = left.filter(|_| met < due) {
            let (entries, rest) = page(backend, range, PAGE).await?;
            left = rest;
            for (entry, mark) in entries {
                let key = ExpiringKind::KeyValue
                    .of_expiry(&entry)
                    .filter(|key| key.starts_with(&own));
                if let Some(key) = key.filter(|_| mark == GIVES_WAY && met < due) {
                    self.remove(key, &entry).await?;
                    met += 1;
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
        let mut removal = expiring::removal(ExpiringKind::KeyValue, key, bytes, entry.to_vec());
        removal
            .expect
            .push(Expectation::Value(entry.to_vec(), GIVES_WAY.to_vec()));
        unless_lost(backend.apply(removal).await).map(drop)
    }

    /// Returns the change that protects `live`, which becomes a counter, from eviction.
    pub(super) async fn staying(&self, live: &Found<KeptValue>) -> Result<Change, StoreError> {
        let index = ExpiringKind::KeyValue.expiry(live.entry.expires_at, &live.entry.key);
        let is_marked = self
            .store
            .space
            .backend
            .get(&index)
            .await?
            .is_some_and(|mark| mark == GIVES_WAY);
        let put = if is_marked {
            vec![(index, Vec::new())]
        } else {
            Vec::new()
        };
        Ok(Change {
            put,
            ..Change::default()
        })
    }
}
