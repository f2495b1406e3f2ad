//! What time the store saw last, so that a start notices a clock that jumped, or a server that was off.

use serde::{Deserialize, Serialize};

use super::backend::Change;
use super::{Store, StoreError, keys, record};
use crate::clock::Timestamp;

/// What time it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The moment that was certain.
    pub moment: Timestamp,
    /// Seconds for which the time of day had been ahead of it without being believed.
    pub waited: u64,
}

impl Store {
    /// What time the store saw last; none: it was not told yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn seen(&self) -> Result<Option<Seen>, StoreError> {
        let stored = self.backend.get(keys::SEEN).await?;
        stored.map(|bytes| record::decode(keys::SEEN, &bytes)).transpose()
    }

    /// Tells the store what time it is.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn set_seen(&self, seen: Seen) -> Result<(), StoreError> {
        let put = vec![(keys::SEEN.to_vec(), record::encode(keys::SEEN, &seen)?)];
        self.backend.apply(Change { put, ..Change::default() }).await.map(drop)
    }
}
