//! Where clients live.
//!
//! [`Backend`] is the seam: an ordered key-value space with atomic conditional batches. What is
//! kept in it, under which keys and in which form, is the same for every implementation, so all
//! of them pass one contract. Knows no rules: what it is given is stored.

pub mod backend;
mod clients;
#[cfg(test)]
mod contract;
mod error;
mod key_file;
mod keys;
mod memory;
pub mod patches;
mod record;
mod sled_backend;

use std::path::Path;
use std::sync::Arc;

pub use backend::{Backend, Change, Expectation};
pub use clients::{Clients, Stored};
pub use error::StoreError;
pub use patches::ConfigurationPatches;

use crate::config::StoreSettings;
use crate::random;
use crate::secret::SealingKey;

/// The store of one server.
#[derive(Clone)]
pub struct Store {
    /// The registered clients.
    pub clients: Clients,
    /// The patches of the live configuration.
    pub patches: ConfigurationPatches,
    /// The key that seals their secrets.
    pub sealing_key: SealingKey,
    backend: Arc<dyn Backend>,
}

impl Store {
    /// Opens the store that `store.url` names.
    ///
    /// # Errors
    /// When the URL names no store, another process has it open, its file is damaged, or the key
    /// of its secrets is missing or readable by others.
    pub async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let (backend, sealing_key) = match settings.url.split_once(':') {
            Some(("memory", "")) => memory()?,
            Some(("sled", folder)) if !folder.is_empty() => sled(Path::new(folder), settings).await?,
            _ => return Err(StoreError::Url(settings.url.clone())),
        };
        let patches = ConfigurationPatches::new(Arc::clone(&backend), sealing_key.clone());
        Ok(Self { clients: Clients::new(Arc::clone(&backend)), patches, sealing_key, backend })
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// When it does not, or takes no writes.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.backend.check().await
    }
}

fn memory() -> Result<(Arc<dyn Backend>, SealingKey), StoreError> {
    let key = random::bytes().map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok((Arc::new(memory::Memory::default()), SealingKey::from_bytes(key)))
}

async fn sled(folder: &Path, settings: &StoreSettings) -> Result<(Arc<dyn Backend>, SealingKey), StoreError> {
    let backend: Arc<dyn Backend> = Arc::new(sled_backend::Sled::open(folder, settings.cache_bytes)?);
    let has_clients = !backend.scan(keys::CLIENTS.to_vec()..keys::CLIENTS_END.to_vec(), 1).await?.is_empty();
    let file = settings.key_file.clone().unwrap_or_else(|| folder.join(key_file::DEFAULT_NAME));
    let sealing_key = key_file::load_or_make(&file, has_clients)?;
    Ok((backend, sealing_key))
}
