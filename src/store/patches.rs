//! The patches of the live configuration: one document, sealed, since a patched value can be a
//! shared secret.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::StoreError;
use super::backend::{Backend, Change, Expectation};
use crate::secret::{Sealed, SealingKey, Secret};

/// Its key.
const KEY: &[u8] = b"p/configuration";
/// What it is sealed for.
const OWNER: &str = "p/configuration";
/// The version that is written; see `record.rs`.
const VERSION: u8 = 1;

/// Bytes of the document at most.
pub const MOST_BYTES: usize = 1 << 20;

/// Why the document is not stored.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// Somebody else has changed it since it was read.
    #[error("the configuration was changed by somebody else; read it again")]
    Conflict,
    /// It would be too long.
    #[error("the patches of the configuration have more than {MOST_BYTES} bytes together")]
    TooLong,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The document, and which one it is.
#[derive(Clone, PartialEq)]
pub struct Patches {
    /// Counts the changes; 0: there was none.
    pub revision: u64,
    /// The document. It can hold secrets.
    pub document: Value,
}

#[derive(Serialize, Deserialize)]
struct Record {
    revision: u64,
    sealed: Sealed,
}

/// Where the patches of the live configuration are.
#[derive(Clone)]
pub struct ConfigurationPatches {
    backend: Arc<dyn Backend>,
    sealing_key: SealingKey,
}

impl ConfigurationPatches {
    pub(super) const fn new(backend: Arc<dyn Backend>, sealing_key: SealingKey) -> Self {
        Self { backend, sealing_key }
    }

    /// The document; an empty object when none was ever stored.
    ///
    /// # Errors
    /// When the store can not be read, or it is sealed with another key.
    pub async fn load(&self) -> Result<Patches, StoreError> {
        match self.backend.get(KEY).await? {
            Some(bytes) => self.read(&bytes),
            None => Ok(Patches { revision: 0, document: Map::new().into() }),
        }
    }

    /// Puts `document` in the place of the one that was read as `seen`, and gives its revision.
    ///
    /// # Errors
    /// [`PatchError::Conflict`] when `seen` is not the last revision any more.
    pub async fn replace(&self, seen: u64, document: &Value) -> Result<u64, PatchError> {
        let text = document.to_string();
        if text.len() > MOST_BYTES {
            return Err(PatchError::TooLong);
        }
        let stored = self.backend.get(KEY).await?;
        let last = stored.as_deref().map(|bytes| self.read(bytes)).transpose()?;
        if last.map_or(0, |last| last.revision) != seen {
            return Err(PatchError::Conflict);
        }
        let revision = seen.saturating_add(1);
        let put = vec![(KEY.to_vec(), self.write(revision, text)?)];
        let unchanged = match stored {
            Some(bytes) => Expectation::Value(KEY.to_vec(), bytes),
            None => Expectation::Absent(KEY.to_vec()),
        };
        match self.backend.apply(Change { expect: vec![unchanged], put, delete: Vec::new() }).await {
            Ok(()) => Ok(revision),
            Err(StoreError::Conflict) => Err(PatchError::Conflict),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the document, even one that can not be read.
    ///
    /// # Errors
    /// When the store can not be written.
    pub async fn clear(&self) -> Result<(), StoreError> {
        self.backend.apply(Change { delete: vec![KEY.to_vec()], ..Change::default() }).await
    }

    fn write(&self, revision: u64, text: String) -> Result<Vec<u8>, StoreError> {
        let sealed = self.sealing_key.seal(&Secret::new(text), OWNER).map_err(|error| corrupt(&error))?;
        let mut bytes = vec![VERSION];
        serde_json::to_writer(&mut bytes, &Record { revision, sealed }).map_err(|error| corrupt(&error))?;
        Ok(bytes)
    }

    fn read(&self, bytes: &[u8]) -> Result<Patches, StoreError> {
        let Some((&VERSION, json)) = bytes.split_first() else {
            return Err(corrupt(&"it is empty, or of a newer registrar than this one"));
        };
        let record: Record = serde_json::from_slice(json).map_err(|error| corrupt(&error))?;
        let text = self.sealing_key.open(&record.sealed, OWNER).map_err(|error| corrupt(&error))?;
        // What serde_json says of a mistake can hold a part of the value.
        let document = serde_json::from_str(text.expose()).map_err(|_| corrupt(&"it is not JSON"))?;
        Ok(Patches { revision: record.revision, document })
    }
}

fn corrupt(reason: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt { key: OWNER.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::store::memory::Memory;
    use crate::store::sled_backend::Sled;

    fn on(backend: &Arc<dyn Backend>, key: u8) -> ConfigurationPatches {
        ConfigurationPatches::new(Arc::clone(backend), SealingKey::from_bytes([key; 32]))
    }

    async fn contract(backend: Arc<dyn Backend>) {
        let patches = on(&backend, 7);
        let first = patches.load().await.unwrap();
        assert_eq!((first.revision, first.document), (0, json!({})));
        for revision in 0..3 {
            let documents: Vec<Value> =
                (0..20).map(|turn| json!({"revision": revision, "turn": turn})).collect();
            let attempts = documents.iter().map(|document| patches.replace(revision, document));
            let mut winner = None;
            for (document, outcome) in documents.iter().zip(join_all(attempts).await) {
                match outcome {
                    Ok(next) => assert_eq!((next, winner.replace(document)), (revision + 1, None)),
                    Err(error) => assert!(matches!(error, PatchError::Conflict), "{error}"),
                }
            }
            let now = patches.load().await.unwrap();
            assert_eq!((now.revision, Some(&now.document)), (revision + 1, winner));
        }
        let long = json!("x".repeat(MOST_BYTES));
        assert!(matches!(patches.replace(3, &long).await, Err(PatchError::TooLong)));
        patches.replace(3, &json!({"a": "in-clear"})).await.unwrap();
        let stored = backend.get(KEY).await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&stored).contains("in-clear"), "it is sealed");

        let other = on(&backend, 8);
        assert!(matches!(other.load().await.err(), Some(StoreError::Corrupt { .. })));
        other.clear().await.unwrap();
        assert_eq!(patches.load().await.unwrap().revision, 0);
        patches.clear().await.unwrap();
    }

    #[tokio::test]
    async fn memory_keeps_the_contract() {
        contract(Arc::new(Memory::default())).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sled_keeps_the_contract_and_the_document() {
        let folder = TempDir::new().unwrap();
        let open =
            || -> Arc<dyn Backend> { Arc::new(Sled::open(&folder.path().join("data"), 1 << 20).unwrap()) };
        contract(open()).await;
        on(&open(), 7).replace(0, &json!({"kept": true})).await.unwrap();
        assert_eq!(on(&open(), 7).load().await.unwrap().document, json!({"kept": true}));
    }
}
