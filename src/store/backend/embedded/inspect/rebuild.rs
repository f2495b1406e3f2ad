//! Rebuilds the files of a store from what could be read: the database cannot open the old files, or reads only
//! a part of them, and no server could continue with that.
//!
//! Everything derived from the records is computed again: the indexes of the clients, the expiry index and
//! the counters. Lost records are thus not counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::{Engine, Work};
use super::{CACHE, Inspect, Met, StoreSource, copy::Copy, read_client};
use crate::client::Client;
use crate::store::backend::embedded::database::Database;
use crate::store::{
    ExpiringKind, StoreError, Values, clients::index::entered, keys, number, record,
};

/// Pairs that are written at a time.
const BATCH: usize = 500;

/// Replaces the store in `folder` with one that contains everything `source` can read. Returns where the
/// old files are, and adds what is lost to `lost`.
pub(super) fn rebuild<E: Inspect>(
    source: &StoreSource<E>,
    folder: &Path,
    work: &Work,
    lost: &mut Vec<String>,
) -> Result<PathBuf, StoreError> {
    let new = Copy::empty(folder)?;
    let mut writer = StoreRebuilder::new(Database::<E>::open(new.folder(), CACHE)?);
    let mut outcome = Ok(());
    source.all(work, |met| match met {
        Met::Pair(key, value) if outcome.is_ok() => outcome = writer.take(key, value, lost),
        Met::Pair(..) => {}
        Met::Lost(what) => lost.push(what),
    })?;
    outcome?;
    writer.end()?;
    let failed = |error| StoreError::Unavailable(format!("{}: {error}", folder.display()));
    E::replace(new.folder(), folder).map_err(failed)
}

/// Writes a store, record by record.
struct StoreRebuilder<E: Engine> {
    database: Database<E>,
    batch: Values,
    /// Numbers that are derived from the records.
    counts: BTreeMap<Vec<u8>, i64>,
    /// The number of the last event of the audit log, and of the event log.
    last_numbers: BTreeMap<&'static [u8], i64>,
}

impl<E: Engine> StoreRebuilder<E> {
    const fn new(database: Database<E>) -> Self {
        Self {
            database,
            batch: Values::new(),
            counts: BTreeMap::new(),
            last_numbers: BTreeMap::new(),
        }
    }

    fn take(&mut self, key: &[u8], value: &[u8], lost: &mut Vec<String>) -> Result<(), StoreError> {
        if keys::follows_from_records(key) {
            return Ok(());
        }
        if key.starts_with(keys::CLIENTS) {
            match read_client(key, value) {
                Ok(stored) => self.client(stored.client())?,
                Err(error) => {
                    lost.push(error.to_string());
                    return Ok(());
                }
            }
        }
        for sequence in [keys::AUDIT, keys::EVENTS] {
            let Some(event) = key.strip_prefix(sequence) else {
                continue;
            };
            let bytes = if event.is_empty() { value } else { event };
            let newest = number(key, Some(bytes))?;
            let known = self.last_numbers.entry(sequence).or_default();
            *known = newest.max(*known);
            if event.is_empty() {
                return Ok(());
            }
        }
        self.expiring(key, value)?;
        self.put(key, value)
    }

    /// Adds the index entries of a record that expires, and counts it.
    fn expiring(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        for kind in ExpiringKind::ALL {
            let (Some(own), Ok(end)) = (kind.of_record(key), record::expiry(key, value)) else {
                continue;
            };
            self.count(kind.group_count(own).map(|count| (count, 1)));
            self.count(kind.share_count(own).map(|count| (count, 1)));
            // The original index entry is written later, with its own value.
            self.put(&kind.expiry(end, own), &[])?;
        }
        Ok(())
    }

    /// Adds the index entries of a client and counts it.
    fn client(&mut self, client: &Client) -> Result<(), StoreError> {
        let indexes = entered(client);
        self.count(indexes.count);
        for (key, value) in indexes.put {
            self.put(&key, &value)?;
        }
        Ok(())
    }

    fn count(&mut self, counts: impl IntoIterator<Item = (Vec<u8>, i64)>) {
        for (key, by) in counts {
            let count = self.counts.entry(key).or_default();
            *count = count.saturating_add(by);
        }
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.batch.insert(key.to_vec(), Some(value.to_vec()));
        if self.batch.len() >= BATCH {
            self.write()
        } else {
            Ok(())
        }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let batch = std::mem::take(&mut self.batch);
        self.database.with(|db| db.load(&batch))
    }

    fn end(mut self) -> Result<(), StoreError> {
        for (sequence, last) in std::mem::take(&mut self.last_numbers) {
            self.count([(sequence.to_vec(), last)]);
        }
        for (key, count) in std::mem::take(&mut self.counts) {
            if count != 0 {
                self.put(&key, &count.to_be_bytes())?;
            }
        }
        self.write()?;
        self.database.with(E::sync)
    }
}
