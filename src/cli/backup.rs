//! `registrar store backup`, `verify` and `restore`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::beside::{Beside, refuse_existing};
use crate::cli::offline::{OfflineArguments, give_back};
use crate::cli::store::embedded_folder;
use crate::cli::{
    Call, CommandFailure, Needs, Progress, Remote, RemoteArguments, counted, moment, read_object,
};
use crate::service;
use crate::store::backup::{self, Backup, Contents, Manifest, OpenedBackup};

/// The scope for a backup.
const BACKUP: Needs = |scopes| &scopes.store_backup;

#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// The file to create; it must not exist.
    file: PathBuf,
    /// A JSON file with the public key, a JWK, to encrypt the backup to. Only then does the backup contain
    /// registrar.key.
    #[arg(long, value_name = "FILE")]
    recipient: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(super) struct BackupVerifyArguments {
    /// The backup.
    file: PathBuf,
    /// A JSON file with the private key, a JWK, that the backup is encrypted to. Without it, only the form and the
    /// digest of an encrypted backup are checked.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArguments {
    /// The backup.
    file: PathBuf,
    /// A JSON file with the private key, a JWK, that the backup is encrypted to.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// A copy of registrar.key, for a backup that does not contain it.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    store: OfflineArguments,
}

/// Writes a backup of the store of a running server.
pub(super) async fn create(arguments: &BackupArguments) -> Result<(), CommandFailure> {
    let file = &arguments.file;
    refuse_existing(Some(file))?;
    let wanted = match &arguments.recipient {
        Some(path) => json!({"recipient": recipient(path)?}),
        None => json!({}),
    };
    let remote = arguments.remote.connect(&[BACKUP]).await?;
    let beside = Beside::new(file)?;
    let bytes = download(&remote, &wanted, &mut &beside.open).await?;
    let checked = check(&beside.path, None, true).map_err(|fault| format!("the backup {fault}"))?;
    refuse_existing(Some(file))?;
    beside.keep(file)?;
    let size = counted(bytes, "byte");
    match checked {
        Checked::Form => note!(
            "registrar: {}: {size}, encrypted; only the private key of the recipient opens it",
            file.display()
        ),
        Checked::Contents { contents, .. } => note!(
            "registrar: {}: {size}, {}. It does not contain registrar.key: keep a copy of that file too, since nobody \
             can read the secrets of clients without it",
            file.display(),
            shown(contents)
        ),
    }
    Ok(())
}

/// Returns the public key in `file`. It is checked here too, so that no private key is sent.
fn recipient(file: &Path) -> Result<Map<String, Value>, String> {
    let jwk = read_object(file)?;
    match service::backup::envelope(&jwk) {
        Ok(_) => Ok(jwk),
        Err(error) => Err(format!("{} {error}", file.display())),
    }
}

/// Copies the backup and returns the number of its bytes.
async fn download(
    remote: &Remote,
    wanted: &Value,
    out: &mut impl Write,
) -> Result<u64, CommandFailure> {
    let call = Call {
        method: "POST",
        path: "/admin/v1/store/backup",
        body: Some(("application/json", wanted.to_string().into_bytes())),
        ..Call::default()
    };
    let mut arriving = remote.open(call).await?;
    let (mut bytes, mut progress) = (0, Progress::new("bytes"));
    loop {
        match arriving.next().await {
            Ok(Some(chunk)) => {
                out.write_all(&chunk)?;
                let more = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                bytes += more;
                progress.add(more);
            }
            Ok(None) => break,
            Err(error) => {
                let message = format!(
                    "the backup is truncated: {error}; the log of the server has the cause"
                );
                return Err(CommandFailure::Failed(message));
            }
        }
    }
    out.flush()?;
    Ok(bytes)
}

/// What was checked of a backup.
enum Checked {
    /// Its form and its digest. It is encrypted.
    Form,
    /// Everything in it.
    Contents {
        manifest: Manifest,
        contents: Contents,
    },
}

/// Reads the whole backup in `file`. Without the key of an encrypted one, only its form is checked. If the key of the secrets
/// in it is to be used, that is checked too.
fn check(file: &Path, identity: Option<&Path>, uses_key: bool) -> Result<Checked, String> {
    let opened = open(file)?;
    if opened.encrypted_key().is_some() && identity.is_none() {
        opened.check_form().map_err(|fault| fault.to_string())?;
        return Ok(Checked::Form);
    }
    let backup = read(opened, identity)?;
    let manifest = backup.manifest().clone();
    let contents = backup.check(uses_key).map_err(|fault| fault.to_string())?;
    Ok(Checked::Contents { manifest, contents })
}

fn open(file: &Path) -> Result<OpenedBackup<File>, String> {
    let input = File::open(file).map_err(|error| format!("cannot be read: {error}"))?;
    OpenedBackup::new(input).map_err(|fault| fault.to_string())
}

/// Decrypts the backup, if it is encrypted, with the private key in `identity`.
fn read(opened: OpenedBackup<File>, identity: Option<&Path>) -> Result<Backup<File>, String> {
    let key = match (opened.encrypted_key(), identity) {
        (Some(encrypted), Some(path)) => {
            let jwk = read_object(path)?;
            let key = service::backup::key_of(encrypted, &jwk);
            Some(key.map_err(|error| format!("is encrypted, but {} {error}", path.display()))?)
        }
        _ => None,
    };
    Backup::read(opened, key).map_err(|fault| fault.to_string())
}

/// Says whether a backup is complete and unaltered.
pub(super) fn verify(arguments: &BackupVerifyArguments) -> Result<(), CommandFailure> {
    let file = arguments.file.display();
    match check(&arguments.file, arguments.identity.as_deref(), true) {
        Ok(Checked::Form) => say!(
            "{file}: its form and its digest are right. It is encrypted: name its private key with --identity to check \
             its contents"
        ),
        Ok(Checked::Contents { manifest, contents }) => {
            let key = if manifest.has_key() {
                "with"
            } else {
                "without"
            };
            let at = moment::shown(Some(&json!(manifest.created_at)));
            let (of, records) = (&manifest.issuer, shown(contents));
            say!("{file}: fine, {records}, {key} registrar.key, of {of} at {at}");
        }
        Err(fault) => return Err(CommandFailure::Failed(format!("{file} {fault}"))),
    }
    Ok(())
}

fn shown(contents: Contents) -> String {
    let removed = match contents.removed {
        0 => String::new(),
        removed => format!(" ({removed} of them removed)"),
    };
    let records = contents.stored.saturating_add(contents.removed);
    format!("{}{removed}", counted(records, "record"))
}

/// Opens the backup in `file` after a check of all of it, so that nothing of a damaged one is written.
fn checked(file: &Path, identity: Option<&Path>, uses_key: bool) -> Result<Backup<File>, String> {
    match check(file, identity, uses_key)? {
        Checked::Form => Err(backup::BackupFault::Encrypted.to_string()),
        Checked::Contents { .. } => read(open(file)?, identity),
    }
}

/// Writes the records of a backup to a new store.
pub(super) fn restore(arguments: &RestoreArguments) -> Result<(), String> {
    let settings = arguments.store.settings_of_any()?.store;
    let folder = embedded_folder(&settings)?;
    let (file, identity) = (&arguments.file, arguments.identity.as_deref());
    let key = arguments.key.as_deref();
    let backup = checked(file, identity, key.is_none());
    let backup = backup.map_err(|fault| format!("{} {fault}", file.display()))?;
    let restoring = backup::restore(&settings, &folder, backup, key);
    let restored = super::runtime()?.block_on(restoring);
    let restored = restored.map_err(|error| error.to_string())?;
    give_back(&folder);
    say!(
        "{}: {} restored",
        folder.display(),
        shown(restored.contents)
    );
    if !restored.has_key {
        note!(
            "registrar: the backup does not contain registrar.key. Copy that file to {} before the server starts; with \
             store.keyFile, to that path",
            folder.join("registrar.key").display()
        );
    }
    Ok(())
}
