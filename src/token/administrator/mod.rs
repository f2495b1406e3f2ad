//! The first administrator: a client that is created when the server starts for the first time, so that
//! somebody can use the admin API. Its credentials are in a file that only the owner of the server can read.

pub(crate) mod record;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::base::{
    ClientId, NoRandomness, SealError, Secret, Timestamp, Violation, folder_of, random,
};
use crate::client::{Approved, Client, ClientSecret, Metadata, TrustLevel};
use crate::config::Settings;
use crate::service::Service;
use crate::store::{Action, Along, Author, Reason, Store, StoreError, Stored};
use record::{AdministratorChange, AdministratorDraft, Issue};

/// The identifier of the administrator. It is the same everywhere, so that of several servers on one store
/// only one creates the client. No registered client has such an identifier.
pub(crate) const CLIENT_ID: &str = "administrator";

/// The name of the credentials file in the folder of the store.
const FILE: &str = "admin-credentials.json";

/// The errors of the administrator client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdministratorError {
    /// The file cannot be written.
    #[error("cannot write the credentials of the administrator to {}: {source}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No secret could be created.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The secret could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The scopes of `[admin.scopes]` are not valid for a client.
    #[error("the scopes of [admin.scopes] are invalid for the administrator: {0}")]
    Scopes(String),
    /// There is no location for its credentials.
    #[error(
        "there is no location for the administrator's credentials; name a file in admin.credentialsFile"
    )]
    NoPlace,
    /// Another client has its identifier. Granting that client the scopes would make it an administrator.
    #[error(
        "the client `{CLIENT_ID}` in the store was not created by registrar for its operator, so it does \
         not become the administrator; `registrar admin reset` replaces it with the administrator"
    )]
    Stranger,
}

impl AdministratorError {
    /// Returns the conversion of an error of the operating system about `file`.
    fn of_file(file: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File {
            file: file.to_owned(),
            source,
        }
    }
}

impl From<Vec<Violation>> for AdministratorError {
    fn from(violations: Vec<Violation>) -> Self {
        let texts: Vec<String> = violations.iter().map(Violation::to_string).collect();
        Self::Scopes(texts.join("; "))
    }
}

/// Creates the administrator if there is none, and returns the path of its credentials. An existing
/// administrator gets the scopes of `[admin.scopes]` and keeps its secret, and so does every other administrator that
/// was given all of them; one that cannot get them is named in the log. A client of this name that the
/// operator did not create is left alone.
///
/// No administrator is created without a location for the file, as with a store in memory.
///
/// # Errors
/// When the file or the store cannot be written, or another client has the identifier.
pub(crate) async fn ensure(service: &Service) -> Result<Option<PathBuf>, AdministratorError> {
    for other in service.store.clients.administrators().await? {
        let data = other.client().administrator.as_ref();
        if other.client().id.as_str() != CLIENT_ID && data.is_some_and(|data| data.has_all_scopes) {
            follow_or_report(service, &other).await?;
        }
    }
    if let Some(stored) = service.store.clients.find(&identifier()?).await? {
        follow(service, &stored).await?;
        return Ok(None);
    }
    let metadata = metadata(&service.settings, false)?;
    let Some(file) = file(&service.settings) else {
        return Ok(None);
    };
    create(service, metadata, file).await
}

/// Creates the administrator, and returns the path of its credentials; none if another server was faster.
async fn create(
    service: &Service,
    metadata: Approved,
    file: PathBuf,
) -> Result<Option<PathBuf>, AdministratorError> {
    let (secret, now) = (random::client_secret()?, service.clock.now());
    let issue = Issue::first(now, service.snapshot().revision.clone());
    let client = client(&service.store, metadata, &secret, issue)?;
    // The file is written first: otherwise a failure could leave a client whose secret nobody knows.
    write(&file, &secret).map_err(AdministratorError::of_file(&file))?;
    match insert(&service.store, &client, now).await {
        Ok(()) => {}
        // Another server on this store was faster, so the file of this one is useless.
        Err(StoreError::Conflict) => {
            fs::remove_file(&file).map_err(AdministratorError::of_file(&file))?;
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    }
    tracing::info!(client_id = %client.id, file = %file.display(), "administrator created");
    Ok(Some(file))
}

/// Stores a new administrator.
async fn insert(store: &Store, client: &Client, now: Timestamp) -> Result<(), StoreError> {
    let event = Author::default().did(Action::ClientCreated, CLIENT_ID, now);
    let event = event.with("trust_level", TrustLevel::Operator.as_str());
    let along = Along::audited(&event, Reason::Administrator);
    store.clients.insert(client, along).await
}

/// Stores the next revision of the administrator, in which the member `changed` is another.
async fn replace(
    store: &Store,
    seen: &Stored,
    client: &Client,
    changed: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let event = Author::default().did(Action::ClientUpdated, CLIENT_ID, now);
    let event = event
        .with("revision", client.revision)
        .with("changed", vec![changed]);
    let along = Along::audited(&event, Reason::Administrator);
    store.clients.replace(seen, client, along).await
}

/// Gives the administrator a new secret, and returns the path of its credentials. From that moment on, the
/// previous secrets and tokens are invalid, and a disabled administrator is enabled. Another client with its identifier is replaced, and an
/// administrator is created if there is none. Servers that use the store notice at once.
///
/// # Errors
/// When there is no location for the file, the file or the store cannot be written, or another process
/// changes the administrator at the same time. In each case, the previous secret stays valid.
pub(crate) async fn reset(
    store: &Store,
    settings: &Settings,
    now: Timestamp,
) -> Result<PathBuf, AdministratorError> {
    let file = file(settings).ok_or(AdministratorError::NoPlace)?;
    let seen = store.clients.find(&identifier()?).await?;
    let secret = random::client_secret()?;
    let issue = Issue::after(seen.as_ref().map(Stored::client), now);
    let client = client(store, metadata(settings, false)?, &secret, issue)?;
    // The store is written between the two steps, so that the file in place is correct before and after.
    let beside = write_beside(&file, &secret).map_err(AdministratorError::of_file(&file))?;
    let stored = match &seen {
        Some(seen) => replace(store, seen, &client, "client_secret", now).await,
        None => insert(store, &client, now).await,
    };
    if let Err(error) = stored {
        // The remaining file is useless. What matters is why the store was not written.
        drop(fs::remove_file(&beside));
        return Err(error.into());
    }
    put_in_place(&beside, &file).map_err(AdministratorError::of_file(&file))?;
    Ok(file)
}

/// Returns the identifier of the administrator.
fn identifier() -> Result<ClientId, AdministratorError> {
    ClientId::parse(CLIENT_ID).map_err(|_| AdministratorError::Stranger)
}

/// Returns the path of the credentials: `admin.credentialsFile`, or a file in the folder of the store.
pub(crate) fn file(settings: &Settings) -> Option<PathBuf> {
    match &settings.admin.credentials_file {
        Some(file) => Some(file.clone()),
        None => Some(settings.store.url.folder()?.join(FILE)),
    }
}

/// Returns the metadata of the first administrator, with every scope of `[admin.scopes]`.
fn metadata(settings: &Settings, is_disabled: bool) -> Result<Approved, AdministratorError> {
    let draft = AdministratorDraft {
        name: "Registrar administrator",
        scopes: &settings.admin.scopes.all(),
        keys: None,
        is_disabled,
    };
    Ok(draft.metadata(settings)?)
}

/// Builds the first administrator.
fn client(
    store: &Store,
    metadata: Approved,
    secret: &Secret,
    issue: Issue,
) -> Result<Client, AdministratorError> {
    let sealed = store.sealing_keys.seal(secret, CLIENT_ID)?;
    let secret = ClientSecret {
        sealed,
        expires_at: None,
    };
    Ok(record::client(
        identifier()?,
        metadata,
        Some(secret),
        None,
        issue,
    )?)
}

/// Gives an administrator beside the first one the scopes of the configuration. One that cannot get them does not keep
/// the server from starting: everybody depends on the server, and nobody else on this administrator.
async fn follow_or_report(service: &Service, stored: &Stored) -> Result<(), AdministratorError> {
    match follow(service, stored).await {
        Err(AdministratorError::Store(error)) => Err(error.into()),
        Err(error) => {
            tracing::error!(
                client_id = %stored.client().id,
                "this administrator does not get the scopes of [admin.scopes]: {error}"
            );
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Gives an existing administrator the scopes of the configuration.
async fn follow(service: &Service, stored: &Stored) -> Result<(), AdministratorError> {
    let before = stored.client();
    if !before.is_operators() {
        return Err(AdministratorError::Stranger);
    }
    let scopes = service.settings.admin.scopes.all().join(" ");
    if before.metadata.metadata().text("scope") == Some(scopes.as_str()) {
        return Ok(());
    }
    let all = AdministratorChange {
        scopes: Some(&service.settings.admin.scopes.all()),
        ..AdministratorChange::default()
    };
    let client = Client {
        metadata: all.of(&before.metadata, &service.settings)?,
        revision: before.revision.saturating_add(1),
        ..before.clone()
    };
    let now = service.clock.now();
    match replace(&service.store, stored, &client, "scope", now).await {
        // Another server on this store makes the same change at the same time.
        Ok(()) | Err(StoreError::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Returns the keys that an administrator authenticates with, by value or by reference.
pub(crate) fn registered_keys(metadata: &Metadata) -> Option<(&'static str, Value)> {
    let named = |name: &'static str| Some((name, metadata.get(name)?.clone()));
    named("jwks").or_else(|| named("jwks_uri"))
}

/// Writes the credentials to a temporary file and renames it, so that a power failure leaves no incomplete
/// file.
fn write(file: &Path, secret: &Secret) -> std::io::Result<()> {
    put_in_place(&write_beside(file, secret)?, file)
}

/// Writes the credentials to a temporary file, and returns its path.
fn write_beside(file: &Path, secret: &Secret) -> std::io::Result<PathBuf> {
    fs::create_dir_all(folder_of(file))?;
    let beside = file.with_extension("json.new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // An interrupted startup may have left this file; its mode cannot be trusted.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut new = options.open(&beside)?;
    let credentials: Map<String, Value> = Map::from_iter([
        ("client_id".to_owned(), CLIENT_ID.into()),
        ("client_secret".to_owned(), secret.expose().into()),
    ]);
    serde_json::to_writer_pretty(&mut new, &credentials)?;
    new.write_all(b"\n")?;
    new.sync_all()?;
    Ok(beside)
}

fn put_in_place(beside: &Path, file: &Path) -> std::io::Result<()> {
    fs::rename(beside, file)?;
    #[cfg(unix)]
    fs::File::open(folder_of(file))?.sync_all()?;
    Ok(())
}
