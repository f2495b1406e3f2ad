//! Stores clients and everything else that must survive a restart.
//!
//! [`Backend`] is the interface to a database: an ordered key-value space with atomic conditional batches.
//! The stored data, its keys and its formats are the same for every implementation, so all of them pass one
//! contract. The store enforces no rules: it stores what it is given.

pub(crate) mod audit;
pub(crate) mod backend;
pub(crate) mod backup;
pub(crate) mod client_documents;
pub(crate) mod clients;
#[cfg(test)]
mod contract;
mod error;
pub(crate) mod events;
pub(crate) mod expiring;
mod keys;
pub(crate) mod outage;
pub(crate) mod patches;
mod record;
pub(crate) mod recorded;
mod retry;
pub(crate) mod script_versions;
mod sealing;
pub(crate) mod seen;
pub(crate) mod transfer;
pub(crate) mod upstream_calls;
pub(crate) mod waiting;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use crate::store::clients::filter::ClientFilter;
pub(crate) use crate::store::clients::index::Indexed;
pub(crate) use crate::store::clients::levels::ByLevel;
pub(crate) use crate::store::clients::listing::Page;
pub(crate) use crate::store::clients::uses::Uses;
pub(crate) use crate::store::expiring::candidates::WaitingDocument;
pub(crate) use crate::store::expiring::initial_access_tokens::{
    InitialAccess, InitialAccessToken, InitialAccessTokens,
};
pub(crate) use crate::store::expiring::key_values::{
    KeyValueError, KeyValueLimits, KeyValues, ScriptValues,
};
pub(crate) use crate::store::expiring::nonces::Nonces;
pub(crate) use crate::store::expiring::pending::{
    FoundRequest, PendingError, PendingKind, PendingRequest, PendingRequests, PendingState,
};
pub(crate) use crate::store::expiring::sessions::{FoundSession, Session, SessionHolder, Sessions};
pub(crate) use crate::store::expiring::single_use::{SingleUse, UsedOnce};
pub(crate) use crate::store::expiring::tokens::{AccessToken, Tokens};
pub(crate) use audit::{
    Action, AuditEvent, AuditFilter, AuditListener, AuditLog, AuditQueue, AuditWriter, Author,
    LogCheck, Logged, Verification,
};
pub(crate) use backend::postgres::DatabaseState;
pub(crate) use backend::{Applied, Backend, Chained, Change, Expectation, Link, Pair};
pub(crate) use client_documents::{Denial, DocumentRecords, FetchState};
pub(crate) use clients::{Clients, MOST_ADMINISTRATORS, Stored};
pub(crate) use error::StoreError;
pub(crate) use events::{
    Along, Cause, ConsumerState, Consumers, DeletedClient, Event, EventLog, EventType, Lease,
    LoggedEvent, Order, Parked, PendingSubject, Reason, Trim, Turn, WaitingEvent,
};
pub(crate) use patches::ConfigurationPatches;
pub(crate) use recorded::{NumberedRequest, RecordedRequest, RecordedRequests};
pub(crate) use script_versions::{
    Pin, ScriptFiles, ScriptVersion, ScriptVersions, VersionError, VersionSource,
};
pub(crate) use sealing::anew::Pass;
pub(crate) use sealing::key_file::{KeysInUse, begin_rotation, end_rotation};
pub(crate) use sealing::observed::ObservedRotation;
pub(crate) use sealing::rotation::{KeyRotation, KeyRotations, RotationStage, RotationStep};
pub(crate) use transfer::{ClientLine, Existing, ImportError, MOST_IMPORTED};
pub(crate) use upstream_calls::{
    BeginError, StoredUpstreamCall, UpstreamAim, UpstreamCall, UpstreamCalls,
};
pub(crate) use waiting::{PendingType, WaitingItem, WaitingItems};

// What the parts of the store use of one another.
use backend::journal::Journal;
use backend::overlay::Overlay;
use backend::pending::{Pending, Values};
use backend::{BackendFacts, number, numbered, page};
use expiring::key_values::GIVES_WAY;
use keys::ExpiringKind;
use retry::{unless_lost, until_won};
use sealing::{in_force::in_force, key_file, key_proof};

use tokio::sync::mpsc;

use crate::base::{SealingKey, SealingKeys, Timestamp, random};
use crate::config::EmbeddedDatabase;
use crate::config::StoreSettings;

/// The store of one server.
#[derive(Clone)]
pub(crate) struct Store {
    /// The registered clients.
    pub(crate) clients: Clients,
    /// What is stored about client documents beside their clients.
    pub(crate) client_documents: DocumentRecords,
    /// When the clients were last used.
    pub(crate) uses: Uses,
    /// The access tokens.
    pub(crate) tokens: Tokens,
    /// The sessions of administrators in the console.
    pub(crate) sessions: Sessions,
    /// The initial access tokens.
    pub(crate) initial_access_tokens: InitialAccessTokens,
    /// The outstanding nonces.
    pub(crate) nonces: Nonces,
    /// The registrations and updates that wait for approval.
    pub(crate) pending: PendingRequests,
    /// Everything that waits for an administrator: these, and client documents.
    pub(crate) waiting: WaitingItems,
    /// The calls of the upstream server that are not finished.
    pub(crate) upstream_calls: UpstreamCalls,
    /// Identifiers that may be used only once.
    pub(crate) single_use: SingleUse,
    /// The values of scripts.
    pub(crate) key_values: KeyValues,
    /// The patches of the live configuration.
    pub(crate) patches: ConfigurationPatches,
    /// The last requests, to be judged by other scripts.
    pub(crate) recorded: RecordedRequests,
    /// The sets of scripts that were in force.
    pub(crate) script_versions: ScriptVersions,
    /// Who changed what.
    pub(crate) audit: AuditLog,
    /// What happened to clients.
    pub(crate) events: EventLog,
    /// How far the consumers of the event log have come.
    pub(crate) consumers: Consumers,
    /// The keys that seal what must not be readable at rest.
    pub(crate) sealing_keys: SealingKeys,
    /// Replaces these keys.
    pub(crate) key_rotations: KeyRotations,
    backend: Arc<dyn Backend>,
}

/// Whether what was used up counts in an [overlay](Store::overlay).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PastUses {
    /// What was used once cannot be used again.
    Count,
    /// Everything may be used again, for a request that was served before.
    Forget,
}

/// Figures about the store that are cheap to obtain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreStatistics {
    /// Clients of each trust level, including expired clients that are not swept yet.
    pub(crate) clients: ByLevel,
    /// Bytes on disk; `None` if the backend has no disk or does not report the size.
    pub(crate) disk_bytes: Option<u64>,
    /// Changes that are queued for writing.
    pub(crate) waiting: usize,
}

impl Store {
    /// Opens the store that `store.url` names.
    ///
    /// # Errors
    /// When the URL is not the URL of a store, another process has the store open, its file is damaged, or
    /// the key of its secrets is missing or readable by other users.
    pub(crate) async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let url = &settings.url;
        let (backend, sealing_keys, key_file) = match url.folder() {
            Some(folder) => embedded(folder, settings).await?,
            None if url.is_postgres() => postgres(settings).await?,
            None if url.is_memory() => memory()?,
            None => return Err(StoreError::Url(url.to_string())),
        };
        let mut store = Self::on(backend, sealing_keys);
        store.key_rotations.follow_file(key_file);
        store.clients.count_levels().await?;
        Ok(store)
    }

    /// Returns the file with the keys that seal the secrets of the store; none for a store in memory.
    pub(crate) fn key_file(settings: &StoreSettings) -> Option<PathBuf> {
        match settings.url.folder() {
            Some(folder) => Some(key_file_of(folder, settings)),
            None => settings.key_file.clone(),
        }
    }

    /// Looks at the database that `store.url` names, without changing it. Returns `None` for another store.
    ///
    /// # Errors
    /// When the settings are invalid, the database does not answer in time, or it has no place for the tables.
    pub(crate) async fn examine_database(
        settings: &StoreSettings,
    ) -> Result<Option<DatabaseState>, StoreError> {
        if !settings.url.is_postgres() {
            return Ok(None);
        }
        let state = crate::store::backend::postgres::examine(settings).await?;
        Ok(Some(state))
    }

    /// Checks the settings of the store as far as possible without opening it.
    ///
    /// # Errors
    /// The setting with which every start would fail.
    pub(crate) fn check_settings(settings: &StoreSettings) -> Result<(), StoreError> {
        if settings.url.is_postgres() {
            return crate::store::backend::postgres::check(settings);
        }
        match settings
            .url
            .folder()
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

    fn on(backend: Arc<dyn Backend>, sealing_keys: SealingKeys) -> Self {
        Self::above(in_force(backend, &sealing_keys), sealing_keys)
    }

    fn above(backend: Arc<dyn Backend>, sealing_keys: SealingKeys) -> Self {
        let listener = Arc::default();
        let (backend, appended) = events::announcing(backend, &listener);
        let shared = || Arc::clone(&backend);
        let (key_values, patches, recorded, key_rotations) = sealed(&backend, &sealing_keys);
        let (tokens, sessions, initial_access_tokens) = issued(&backend);
        Self {
            clients: Clients::new(shared()),
            client_documents: DocumentRecords::new(&backend),
            uses: Uses::new(Clients::new(shared())),
            tokens,
            sessions,
            initial_access_tokens,
            nonces: Nonces::new(&backend),
            pending: PendingRequests::new(shared()),
            waiting: WaitingItems::new(&backend),
            upstream_calls: UpstreamCalls::new(&backend),
            single_use: SingleUse::new(shared()),
            key_values,
            patches,
            recorded,
            script_versions: ScriptVersions::new(&backend),
            audit: AuditLog::new(shared(), listener),
            events: EventLog::new(shared(), appended),
            consumers: Consumers::new(shared()),
            key_rotations,
            sealing_keys,
            backend,
        }
    }

    /// Returns a store that shows this one, and keeps what is written to it in memory until it is dropped. Nothing
    /// of that reaches this store.
    pub(crate) fn overlay(&self, past: PastUses) -> Self {
        let hidden = match past {
            PastUses::Count => Vec::new(),
            PastUses::Forget => {
                let uses = ExpiringKind::InitialAccess.own_number(b"");
                uses.into_iter()
                    .chain([ExpiringKind::SingleUse.record(b"")])
                    .collect()
            }
        };
        let overlay = Overlay::on(Arc::clone(&self.backend), hidden);
        Self::on(Arc::new(overlay), self.sealing_keys.clone())
    }

    /// Returns everything that is stored, for tests that compare stores.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn everything(&self) -> Result<Vec<Pair>, StoreError> {
        let all = Vec::new()..vec![u8::MAX];
        self.backend.scan(all, usize::MAX).await
    }

    /// Checks whether the store accepts writes. Concurrent calls share one flush.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
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
    pub(crate) fn watch(&self) -> Option<mpsc::Receiver<()>> {
        self.backend.watch()
    }

    /// Returns whether other servers may use this store too. Their uses of clients are unknown here until
    /// they are written.
    pub(crate) fn is_shared(&self) -> bool {
        self.backend.is_shared()
    }

    /// Returns figures about the store that are cheap to obtain.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn statistics(&self) -> Result<StoreStatistics, StoreError> {
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
    pub(crate) async fn sweep(&self, at: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut met = 0;
        for kind in keys::ExpiringKind::ALL {
            met += crate::store::expiring::sweep::sweep(&*self.backend, kind, at, limit).await?;
        }
        Ok(met)
    }
}

/// Returns the parts of a store whose records are found by a secret that was issued.
fn issued(backend: &Arc<dyn Backend>) -> (Tokens, Sessions, InitialAccessTokens) {
    let shared = || Arc::clone(backend);
    (
        Tokens::new(shared()),
        Sessions::new(shared()),
        InitialAccessTokens::new(shared()),
    )
}

/// Returns the parts of a store whose records are sealed.
fn sealed(
    backend: &Arc<dyn Backend>,
    key: &SealingKeys,
) -> (
    KeyValues,
    ConfigurationPatches,
    RecordedRequests,
    KeyRotations,
) {
    let shared = || Arc::clone(backend);
    (
        KeyValues::new(shared(), key.clone()),
        ConfigurationPatches::new(shared(), key.clone()),
        RecordedRequests::new(shared(), key.clone()),
        KeyRotations::new(shared(), key.clone()),
    )
}

/// A backend, the keys that seal its secrets, and their file.
type Opened = (Arc<dyn Backend>, SealingKeys, Option<PathBuf>);

fn memory() -> Result<Opened, StoreError> {
    let key = random::bytes().map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok((
        Arc::new(crate::store::backend::memory::Memory::default()),
        SealingKey::from_bytes(key).into(),
        None,
    ))
}

async fn embedded(folder: &Path, settings: &StoreSettings) -> Result<Opened, StoreError> {
    backup::refuse_unfinished(folder)?;
    let backend = open_in(folder, settings)?;
    // The key is created before anything is stored, so a store with any contents has had one.
    let is_used = !backend.scan(Vec::new()..vec![u8::MAX], 1).await?.is_empty();
    let file = key_file_of(folder, settings);
    let found = key_file::load_or_make(&file, is_used)?;
    let proven = key_proof::check(&*backend, &found, &file).await?;
    Ok((backend, found.proven_by(&proven), Some(file)))
}

/// Opens the embedded store in `folder`, creating it if necessary.
fn open_in(folder: &Path, settings: &StoreSettings) -> Result<Arc<dyn Backend>, StoreError> {
    let named = settings.url.embedded().map(|(database, _)| database);
    let (database, cache) = (
        named.unwrap_or(EmbeddedDatabase::Sled),
        settings.cache_bytes,
    );
    backend::offline::check_database(database, folder)?;
    Ok(match database {
        EmbeddedDatabase::Sled => Arc::new(backend::sled::Sled::open(folder, cache)?),
        EmbeddedDatabase::Fjall => Arc::new(backend::fjall::FjallStore::open(folder, cache)?),
    })
}

/// Returns the key file of the embedded store in `folder`.
fn key_file_of(folder: &Path, settings: &StoreSettings) -> PathBuf {
    let own = || folder.join(key_file::DEFAULT_NAME);
    settings.key_file.clone().unwrap_or_else(own)
}

async fn postgres(settings: &StoreSettings) -> Result<Opened, StoreError> {
    let file = settings.key_file.as_deref().ok_or_else(|| StoreError::Setting {
        key: "store.keyFile",
        reason: "is required with PostgreSQL; set it to a file that all servers on the database share"
            .to_owned(),
    })?;
    let backend: Arc<dyn Backend> =
        Arc::new(crate::store::backend::postgres::Postgres::open(settings).await?);
    let found = key_file::load_or_make(file, key_proof::is_there(&*backend).await?)?;
    let proven = key_proof::check(&*backend, &found, file).await?;
    Ok((backend, found.proven_by(&proven), Some(file.to_owned())))
}
