//! The first administrator: a client that is made when the server starts for the first time, so
//! that there is somebody who may use the admin API. Its credentials are in a file that only the
//! owner of the server can read.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::client::{
    Approved, Client, ClientSecret, Provenance, RegistrationTokens, Requested, Rules, TrustLevel,
};
use crate::clock::Timestamp;
use crate::config::{Registration, Scope, Settings};
use crate::model::{ClientId, Violation};
use crate::random::{self, NoRandomness};
use crate::secret::{SealError, Secret, TokenDigest};
use crate::service::Service;
use crate::store::audit::{Action, Author};
use crate::store::{Store, StoreError, Stored};

/// What the administrator is called: the same everywhere, so that of several servers on one store
/// one makes it. No registered client has such a name.
pub const CLIENT_ID: &str = "administrator";

/// The name of the file in the folder of the store.
const FILE: &str = "admin-credentials.json";

/// Why there is no administrator.
#[derive(Debug, thiserror::Error)]
pub enum AdministratorError {
    /// The file can not be written.
    #[error("the credentials of the administrator can not be written to {}: {source}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No secret could be made.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The secret could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The scopes of `[admin.scopes]` make no client.
    #[error("the administrator can not have the scopes of [admin.scopes]: {0}")]
    Scopes(String),
    /// There is no place for its credentials.
    #[error(
        "there is no place for the credentials of the administrator; name a file in admin.credentialsFile"
    )]
    NoPlace,
    /// Somebody else has its name: giving that client the scopes would make it administrator.
    #[error(
        "the client `{CLIENT_ID}` in the store was not made by a registrar for its operator, so it does not \
         become the administrator; `registrar admin reset` puts the administrator in its place"
    )]
    Stranger,
}

/// Makes the administrator when there is none, and says where its credentials are then. One that
/// is there gets the scopes of `[admin.scopes]` and keeps its secret; one of this name that the
/// operator did not make gets nothing.
///
/// Without a place for the file, as with a store in memory, nobody is made.
///
/// # Errors
/// When the file or the store can not be written, or somebody else has the name.
pub async fn ensure(service: &Service) -> Result<Option<PathBuf>, AdministratorError> {
    let Ok(id) = ClientId::parse(CLIENT_ID) else { return Ok(None) };
    let metadata = metadata(&service.settings)?;
    if let Some(stored) = service.store.clients.find(&id).await? {
        follow(service, &stored, metadata).await?;
        return Ok(None);
    }
    let Some(file) = file(&service.settings) else { return Ok(None) };
    let secret = random::client_secret()?;
    let (now, revision) = (service.clock.now(), service.snapshot().revision.clone());
    let client = client(&service.store, id, metadata, &secret, (now, revision))?;
    // The file comes first: a client whose secret nobody has would be there for ever.
    write(&file, &secret).map_err(|source| AdministratorError::File { file: file.clone(), source })?;
    let event = Author::default().did(Action::ClientCreated, CLIENT_ID, now);
    let event = event.with("trust_level", TrustLevel::Operator.as_str()).change()?;
    match service.store.clients.insert(&client, event).await {
        Ok(()) => {
            tracing::info!(client_id = %client.id, file = %file.display(), "administrator made");
            Ok(Some(file))
        }
        // Another server on this store was faster; what this one wrote is of no use.
        Err(StoreError::Conflict) => {
            let removed = fs::remove_file(&file);
            removed.map_err(|source| AdministratorError::File { file, source })?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Gives the administrator a new secret, and says where its credentials are; the secret and the tokens of
/// before are good no more from the same moment on. Who else has its name is replaced, and where there is
/// none one is made. Servers that run on the store know at once.
///
/// # Errors
/// When there is no place for the file, it or the store cannot be written, or others change the
/// administrator at the same time. Then the secret of before stays good.
pub async fn reset(
    store: &Store,
    settings: &Settings,
    now: Timestamp,
) -> Result<PathBuf, AdministratorError> {
    let file = file(settings).ok_or(AdministratorError::NoPlace)?;
    let id = ClientId::parse(CLIENT_ID).map_err(|_| AdministratorError::Stranger)?;
    let seen = store.clients.find(&id).await?;
    let before = seen.as_ref().map(Stored::client);
    // A token is good while its client is of the same moment.
    let issued_at = before.map_or(now, |before| now.max(before.issued_at.plus(1)));
    let revision = before.map_or(0, |before| before.revision);
    let configuration = before.map(|before| before.provenance.configuration.clone()).unwrap_or_default();
    let secret = random::client_secret()?;
    let made = client(store, id, metadata(settings)?, &secret, (issued_at, configuration))?;
    let made = Client { revision: revision.saturating_add(1), ..made };
    let failed = |source| AdministratorError::File { file: file.clone(), source };
    // The store comes between: the file in place is right before and after.
    let beside = write_beside(&file, &secret).map_err(failed)?;
    let stored = if let Some(seen) = &seen {
        let event = Author::default().did(Action::ClientUpdated, CLIENT_ID, now);
        let event = event.with("revision", made.revision).with("changed", vec!["client_secret"]);
        store.clients.replace(seen, &made, event.change()?).await
    } else {
        let event = Author::default().did(Action::ClientCreated, CLIENT_ID, now);
        let event = event.with("trust_level", TrustLevel::Operator.as_str());
        store.clients.insert(&made, event.change()?).await
    };
    if stored.is_err() {
        // What went wrong is said; what is left of the file is of no use.
        drop(fs::remove_file(&beside));
    }
    stored?;
    put_in_place(&beside, &file).map_err(failed)?;
    Ok(file)
}

/// Where the credentials go: `admin.credentialsFile`, or the folder of the store.
pub fn file(settings: &Settings) -> Option<PathBuf> {
    let folder = settings.store.url.sled_folder().map(|folder| folder.join(FILE));
    settings.admin.credentials_file.clone().or(folder)
}

/// Valid by the rules for everybody, with the scopes of administrators instead of `[[scopes]]`.
fn metadata(settings: &Settings) -> Result<Approved, AdministratorError> {
    let names = settings.admin.scopes.all();
    let scope = |id: &&str| Scope {
        id: (*id).to_owned(),
        pattern: None,
        description: None,
        default: false,
        claims: Vec::new(),
    };
    let scopes: Vec<Scope> = names.iter().map(scope).collect();
    let rules = Rules {
        settings: &Registration::default(),
        scopes: &scopes,
        limits: &settings.limits,
        fetch: &settings.fetch,
        initial_access: None,
        registered: None,
        is_certified: false,
    };
    let members = json!({
        "client_name": "Registrar administrator",
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": names.join(" "),
    });
    let requested = Requested::read(members.as_object().cloned().unwrap_or_default(), &[]);
    let valid = rules.validate(requested).map_err(|violations| {
        let texts: Vec<String> = violations.iter().map(Violation::to_string).collect();
        AdministratorError::Scopes(texts.join("; "))
    })?;
    Ok(valid.approve())
}

/// The administrator, made at a moment under a configuration.
fn client(
    store: &Store,
    id: ClientId,
    metadata: Approved,
    secret: &Secret,
    (issued_at, configuration): (Timestamp, String),
) -> Result<Client, AdministratorError> {
    let sealed = store.sealing_key.seal(secret, id.as_str())?;
    Ok(Client {
        id,
        metadata,
        issued_at,
        expires_at: None,
        last_used_at: None,
        shared_as: None,
        secret: Some(ClientSecret { sealed, expires_at: None }),
        // A token that nobody gets: it is managed by its operator alone.
        tokens: RegistrationTokens { current: TokenDigest::of(random::token()?.expose()), previous: None },
        revision: 1,
        provenance: Provenance {
            trust_level: TrustLevel::Operator,
            address: None,
            initial_access_token: None,
            initial_access_policy: None,
            statement: None,
            certificate: None,
            attestation_digest: None,
            attestation_verifier: None,
            attestation_policy: None,
            scripts: Vec::new(),
            configuration,
        },
    })
}

/// Gives the administrator that is there the scopes of the configuration.
async fn follow(service: &Service, stored: &Stored, metadata: Approved) -> Result<(), AdministratorError> {
    let scope = |metadata: &Approved| metadata.metadata().text("scope").map(str::to_owned);
    let before = stored.client();
    if !before.is_operators() {
        return Err(AdministratorError::Stranger);
    }
    if scope(&before.metadata) == scope(&metadata) {
        return Ok(());
    }
    let client = Client { metadata, revision: before.revision.saturating_add(1), ..before.clone() };
    let event = Author::default().did(Action::ClientUpdated, CLIENT_ID, service.clock.now());
    let event = event.with("revision", client.revision).with("changed", vec!["scope"]).change()?;
    match service.store.clients.replace(stored, &client, event).await {
        // Another server on this store does the same at the same time.
        Ok(()) | Err(StoreError::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Writes the credentials beside their place and renames them, so that a power cut leaves no half.
fn write(file: &Path, secret: &Secret) -> std::io::Result<()> {
    put_in_place(&write_beside(file, secret)?, file)
}

/// Writes the credentials beside their place, and says where.
fn write_beside(file: &Path, secret: &Secret) -> std::io::Result<PathBuf> {
    fs::create_dir_all(folder(file))?;
    let beside = file.with_extension("json.new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // What a start that was cut off left: its mode is not to be relied on.
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
    fs::File::open(folder(file))?.sync_all()?;
    Ok(())
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
