//! The number of clients of each trust level, which changes together with the clients.

use super::Stored;
use crate::client::{Client, TrustLevel};
use crate::store::{Change, Clients, Expectation, StoreError, keys, number, page, unless_lost};

/// Clients that are read at a time when they are counted.
const PAGE: usize = 500;

/// The number of clients of each trust level, the least trusted first.
pub(crate) type ByLevel = [(TrustLevel, u64); TrustLevel::ALL.len()];

/// No clients.
pub(in crate::store) fn none() -> ByLevel {
    TrustLevel::ALL.map(|level| (level, 0))
}

/// Counts one more client.
pub(in crate::store) fn count(counts: &mut ByLevel, client: &Client) {
    let level = client.provenance.trust_level;
    counts
        .iter_mut()
        .filter(|(one, _)| *one == level)
        .for_each(|(_, count)| *count += 1);
}

impl Clients {
    /// Returns the number of clients of each trust level, including expired clients that are not swept yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn by_level(&self) -> Result<ByLevel, StoreError> {
        let numbers = self
            .0
            .scan(keys::under(keys::LEVELS), TrustLevel::ALL.len())
            .await?;
        let mut levels = none();
        for (level, count) in &mut levels {
            let key = keys::level_count(level.as_str());
            let value = numbers
                .iter()
                .find(|(one, _)| *one == key)
                .map(|(_, value)| value.as_slice());
            // A client is counted together with its record, and only counted clients are subtracted.
            *count = number(&key, value)?.max(0).unsigned_abs();
        }
        Ok(levels)
    }

    /// Counts the clients that were stored before there were counters by level. This is done once in the
    /// lifetime of a store, before it is used. An older server that runs beside this one does not count
    /// clients by level.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(in crate::store) async fn count_levels(&self) -> Result<(), StoreError> {
        if self.0.get(keys::LEVELS_COUNTED).await?.is_some() {
            return Ok(());
        }
        let mut put = Vec::new();
        for (level, count) in self.counted().await? {
            if count > 0 {
                let key = keys::level_count(level.as_str());
                put.push((key, count.to_be_bytes().to_vec()));
            }
        }
        let change = Change {
            expect: vec![Expectation::Absent(keys::LEVELS_COUNTED.to_vec())],
            put,
            count: vec![(keys::LEVELS_COUNTED.to_vec(), 1)],
            ..Change::default()
        };
        // Another server that starts at the same time may have counted them.
        unless_lost(self.0.apply(change).await).map(drop)
    }
    /// Counts all clients. A client that cannot be read has no level.
    async fn counted(&self) -> Result<ByLevel, StoreError> {
        let mut counts = none();
        let mut left = Some(keys::under(keys::CLIENTS));
        while let Some(range) = left {
            let (pairs, rest) = page(&*self.0, range, PAGE).await?;
            left = rest;
            for pair in pairs {
                if let Ok(stored) = Stored::read(pair) {
                    count(&mut counts, stored.client());
                }
            }
        }
        Ok(counts)
    }
}
