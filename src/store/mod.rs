//! Stores clients and everything else that must survive a restart.
//!
//! [`Backend`] is the interface to a database: an ordered key-value space with atomic conditional batches.
//! The stored data, its keys and its formats are the same for every implementation, so all of them pass one
//! contract. The store enforces no rules: it stores what it is given.

pub mod audit;
pub mod backend;
pub mod clients;
#[cfg(test)]
mod contract;
mod error;
pub mod events;
pub mod expiring;
mod keys;
pub mod outage;
pub mod patches;
mod record;
mod retry;
mod sealing;
pub mod seen;
pub mod transfer;

use std::path::Path;
use std::sync::Arc;

pub use crate::store::clients::index::Indexed;
pub use crate::store::clients::levels::ByLevel;
pub use crate::store::clients::listing::{ClientFilter, FilterFault, Page};
pub use crate::store::clients::uses::Uses;
pub use crate::store::expiring::initial_access_tokens::{
    InitialAccess, InitialAccessToken, InitialAccessTokens,
};
pub use crate::store::expiring::key_values::{
    KeyValueError, KeyValueLimits, KeyValues, ScriptValues,
};
pub use crate::store::expiring::nonces::Nonces;
pub use crate::store::expiring::single_use::{SingleUse, UsedOnce};
pub use crate::store::expiring::tokens::{AccessToken, Tokens};
pub use audit::{Action, AuditEvent, AuditLog, AuditQueue, AuditWriter, Author, Logged};
pub use backend::{Backend, Change, Expectation, Pair};
pub use clients::{Clients, Stored};
pub use error::StoreError;
pub use events::{
    Along, Cause, ConsumerState, Consumers, DeletedClient, Event, EventLog, EventType, Lease,
    LoggedEvent, Order, Parked, Reason, Trim, Turn, WaitingEvent,
};
pub use patches::ConfigurationPatches;
pub use transfer::{ClientLine, Existing, ImportError, Imported, MOST_IMPORTED};

// What the parts of the store use of one another.
use backend::pending::{Pending, Values};
use backend::{Facts, number, numbered, page};
use expiring::key_values::GIVES_WAY;
use keys::ExpiringKind;
use retry::{unless_lost, until_won};

use tokio::sync::mpsc;

use crate::base::{SealingKey, Timestamp, random};
use crate::config::StoreSettings;

/// The store of one server.
#[derive(Clone)]
pub struct Store {
    /// The registered clients.
    pub clients: Clients,
    /// When the clients were last used.
    pub uses: Uses,
    /// The access tokens.
    pub tokens: Tokens,
    /// The initial access tokens.
    pub initial_access_tokens: InitialAccessTokens,
    /// The outstanding nonces.
    pub nonces: Nonces,
    /// Identifiers that may be used only once.
    pub single_use: SingleUse,
    /// The values of scripts.
    pub key_values: KeyValues,
    /// The patches of the live configuration.
    pub patches: ConfigurationPatches,
    /// Who changed what.
    pub audit: AuditLog,
    /// What happened to clients.
    pub events: EventLog,
    /// How far the consumers of the event log have come.
    pub consumers: Consumers,
    /// The key that seals what must not be readable at rest.
    pub sealing_key: SealingKey,
    backend: Arc<dyn Backend>,
}

/// Figures about the store that are cheap to obtain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreStatistics {
    /// Clients of each trust level, including expired clients that are not swept yet.
    pub clients: ByLevel,
    /// Bytes on disk; `None` if the backend has no disk or does not report the size.
    pub disk_bytes: Option<u64>,
    /// Changes that are queued for writing.
    pub waiting: usize,
}

impl Store {
    /// Opens the store that `store.url` names.
    ///
    /// # Errors
    /// When the URL is not the URL of a store, another process has the store open, its file is damaged, or
    /// the key of its secrets is missing or readable by other users.
    pub async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let url = &settings.url;
        let (backend, sealing_key) = match url.sled_folder() {
            Some(folder) => sled(folder, settings).await?,
            None if url.is_postgres() => postgres(settings).await?,
            None if url.is_memory() => memory()?,
            None => return Err(StoreError::Url(url.to_string())),
        };
        let store = Self::on(backend, sealing_key);
        store.clients.count_levels().await?;
        Ok(store)
    }

    /// Checks the settings of the store as far as possible without opening it.
    ///
    /// # Errors
    /// The setting with which every start would fail.
    pub fn check_settings(settings: &StoreSettings) -> Result<(), StoreError> {
        if settings.url.is_postgres() {
            return crate::store::backend::postgres::check(settings);
        }
        match settings
            .url
            .sled_folder()
            .filter(|folder| folder.exists() && !folder.is_dir())
        {
            Some(file) => {
                let reason = format!("{} is not a folder", file.display());
                Err(StoreError::Setting {
                    key: "store.url",
                    reason,
                })
            }
            None => Ok(()),
        }
    }

    fn on(backend: Arc<dyn Backend>, sealing_key: SealingKey) -> Self {
        let (announcing, appended) = events::Announcing::new(backend);
        let backend: Arc<dyn Backend> = Arc::new(announcing);
        let shared = || Arc::clone(&backend);
        Self {
            clients: Clients::new(shared()),
            uses: Uses::new(Clients::new(shared())),
            tokens: Tokens::new(shared()),
            initial_access_tokens: InitialAccessTokens::new(shared()),
            nonces: Nonces::new(shared()),
            single_use: SingleUse::new(shared()),
            key_values: KeyValues::new(shared(), sealing_key.clone()),
            patches: ConfigurationPatches::new(shared(), sealing_key.clone()),
            audit: AuditLog::new(shared()),
            events: EventLog::new(shared(), appended),
            consumers: Consumers::new(shared()),
            sealing_key,
            backend,
        }
    }

    /// Checks whether the store accepts writes. Concurrent calls share one flush.
    ///
    /// # Errors
    /// When it does not.
    pub async fn check(&self) -> Result<(), StoreError> {
        let put = vec![(keys::HEARTBEAT.to_vec(), Vec::new())];
        self.backend
            .apply(Change {
                put,
                ..Change::default()
            })
            .await
            .map(drop)
    }

    /// Signals when the [patches](Self::patches) may have changed, whoever changed them, and once at the
    /// beginning. Returns `None` when no other server uses this store.
    pub fn watch(&self) -> Option<mpsc::Receiver<()>> {
        self.backend.watch()
    }

    /// Returns whether other servers may use this store too. Their uses of clients are unknown here until
    /// they are written.
    pub fn is_shared(&self) -> bool {
        self.backend.is_shared()
    }

    /// Returns figures about the store that are cheap to obtain.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn statistics(&self) -> Result<StoreStatistics, StoreError> {
        let facts = self.backend.facts();
        let clients = self.clients.by_level().await?;
        Ok(StoreStatistics {
            clients,
            disk_bytes: facts.disk_bytes,
            waiting: facts.waiting,
        })
    }

    /// Removes records that have expired at `at`, except clients: at most `limit` of each type. Returns how
    /// many index entries it visited: 0 when there is nothing more to do.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn sweep(&self, at: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut met = 0;
        for kind in keys::ExpiringKind::ALL {
            met += crate::store::expiring::sweep::sweep(&*self.backend, kind, at, limit).await?;
        }
        Ok(met)
    }
}

fn memory() -> Result<(Arc<dyn Backend>, SealingKey), StoreError> {
    let key = random::bytes().map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok((
        Arc::new(crate::store::backend::memory::Memory::default()),
        SealingKey::from_bytes(key),
    ))
}

async fn sled(
    folder: &Path,
    settings: &StoreSettings,
) -> Result<(Arc<dyn Backend>, SealingKey), StoreError> {
    let backend: Arc<dyn Backend> = Arc::new(crate::store::backend::sled::Sled::open(
        folder,
        settings.cache_bytes,
    )?);
    // The key is created before anything is stored, so a store with any contents has had one.
    let is_used = !backend.scan(Vec::new()..vec![u8::MAX], 1).await?.is_empty();
    let file = settings
        .key_file
        .clone()
        .unwrap_or_else(|| folder.join(crate::store::sealing::key_file::DEFAULT_NAME));
    let sealing_key = crate::store::sealing::key_file::load_or_make(&file, is_used)?;
    crate::store::sealing::key_proof::check(&*backend, &sealing_key, &file).await?;
    Ok((backend, sealing_key))
}

async fn postgres(settings: &StoreSettings) -> Result<(Arc<dyn Backend>, SealingKey), StoreError> {
    let file = settings.key_file.as_deref().ok_or_else(|| StoreError::Setting {
        key: "store.keyFile",
        reason: "is required with PostgreSQL; set it to a file that all servers on the database share"
            .to_owned(),
    })?;
    let backend: Arc<dyn Backend> =
        Arc::new(crate::store::backend::postgres::Postgres::open(settings).await?);
    let sealing_key = crate::store::sealing::key_file::load_or_make(
        file,
        crate::store::sealing::key_proof::is_there(&*backend).await?,
    )?;
    crate::store::sealing::key_proof::check(&*backend, &sealing_key, file).await?;
    Ok((backend, sealing_key))
}
