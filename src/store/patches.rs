//! The patches of the live configuration (RFC 6902): one document, which is sealed, since a patched value
//! can be a shared secret.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{Sealed, SealingKeys};
use crate::store::{Backend, Change, Expectation, StoreError, keys, record, sealing};

/// Maximum number of bytes of the document.
pub(crate) const MOST_BYTES: usize = 1 << 20;

/// Why the document is not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorePatchError {
    /// Somebody else has changed the document since it was read.
    #[error("the configuration was changed concurrently; read it again, then retry")]
    Conflict,
    /// The document would be too long.
    #[error("the configuration patches exceed {MOST_BYTES} bytes in total")]
    TooLong,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The document and its revision.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Patches {
    /// Counts the changes; 0 when there was none.
    pub(crate) revision: u64,
    /// The document.
    pub(crate) document: Value,
}

/// How the patches are stored.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct PatchesRecord {
    revision: u64,
    /// The document, sealed.
    pub(in crate::store) sealed: Sealed,
}

/// Stores the patches of the live configuration.
#[derive(Clone)]
pub(crate) struct ConfigurationPatches {
    backend: Arc<dyn Backend>,
    sealing_keys: SealingKeys,
}

impl ConfigurationPatches {
    pub(super) const fn new(backend: Arc<dyn Backend>, sealing_keys: SealingKeys) -> Self {
        Self {
            backend,
            sealing_keys,
        }
    }

    /// Returns the document, or an empty object when none was ever stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn load(&self) -> Result<Patches, StoreError> {
        match self.backend.get(keys::PATCHES).await? {
            Some(bytes) => self.read(&bytes),
            None => Ok(Patches {
                revision: 0,
                document: Value::Object(serde_json::Map::new()),
            }),
        }
    }

    /// Replaces the document whose revision was read as `seen` with `document`, together with `also`.
    /// Returns the new revision.
    ///
    /// # Errors
    /// [`StorePatchError::Conflict`] when `seen` is no longer the current revision.
    pub(crate) async fn replace(
        &self,
        seen: u64,
        document: &Value,
        also: Change,
    ) -> Result<u64, StorePatchError> {
        if document.to_string().len() > MOST_BYTES {
            return Err(StorePatchError::TooLong);
        }
        let unchanged = self.expect_revision(seen).await?;
        let revision = seen.saturating_add(1);
        let record = self.encode(revision, document)?;
        let change = Change {
            expect: vec![unchanged],
            put: vec![(keys::PATCHES.to_vec(), record)],
            ..Change::default()
        };
        match self.backend.apply(change.and(also)).await {
            Ok(_) => Ok(revision),
            Err(StoreError::Conflict) => Err(StorePatchError::Conflict),
            Err(error) => Err(error.into()),
        }
    }

    /// Checks that `seen` is the current revision. Returns the expectation that the document stays as it is.
    async fn expect_revision(&self, seen: u64) -> Result<Expectation, StorePatchError> {
        let key = keys::PATCHES.to_vec();
        let (current, unchanged) = match self.backend.get(keys::PATCHES).await? {
            Some(bytes) => (self.read(&bytes)?.revision, Expectation::Value(key, bytes)),
            None => (0, Expectation::Absent(key)),
        };
        if current == seen {
            Ok(unchanged)
        } else {
            Err(StorePatchError::Conflict)
        }
    }

    /// Removes every patch, even if their record cannot be read.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn clear(&self) -> Result<(), StoreError> {
        let change = Change {
            delete: vec![keys::PATCHES.to_vec()],
            ..Change::default()
        };
        self.backend.apply(change).await.map(drop)
    }

    fn encode(&self, revision: u64, document: &Value) -> Result<Vec<u8>, StoreError> {
        let sealed = sealing::seal(&self.sealing_keys, keys::PATCHES, document)?;
        record::encode(keys::PATCHES, &PatchesRecord { revision, sealed })
    }

    fn read(&self, bytes: &[u8]) -> Result<Patches, StoreError> {
        let record: PatchesRecord = record::decode(keys::PATCHES, bytes)?;
        let document = sealing::open(&self.sealing_keys, keys::PATCHES, &record.sealed)?;
        Ok(Patches {
            revision: record.revision,
            document,
        })
    }
}
