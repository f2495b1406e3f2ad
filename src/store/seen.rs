//! The time that the store last recorded, so that a start notices a clock that jumped or a server that was
//! off.

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::store::{Change, Store, StoreError, keys, record};

/// The recorded time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The moment that was certain.
    pub(crate) moment: Timestamp,
    /// Seconds for which the time of day had been ahead of `moment` without being accepted.
    pub(crate) waited: u64,
}

impl Store {
    /// Returns the time that the store last recorded; `None` if there is none yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn seen(&self) -> Result<Option<Seen>, StoreError> {
        match self.backend.get(keys::SEEN).await? {
            Some(bytes) => Ok(Some(record::decode(keys::SEEN, &bytes)?)),
            None => Ok(None),
        }
    }

    /// Records the time in the store.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn set_seen(&self, seen: Seen) -> Result<(), StoreError> {
        let put = vec![(keys::SEEN.to_vec(), record::encode(keys::SEEN, &seen)?)];
        self.backend
            .apply(Change {
                put,
                ..Change::default()
            })
            .await
            .map(drop)
    }
}
