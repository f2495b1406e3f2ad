//! Restores a backup into an empty folder.
//!
//! A file in the folder marks a restore that is not finished, so that no server starts on a part of a store, whatever
//! interrupted the restore.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::BackupFault;
use super::entries::{Backup, Contents};
use crate::config::StoreSettings;
use crate::store::sealing::{key_file, key_file::KeyFile, key_proof};
use crate::store::{Backend, Change, StoreError, Values, key_file_of, open_in};

/// The file that marks an unfinished restore.
const MARK: &str = "registrar.restoring";
/// What may be in a folder that counts as empty: the root of a file system has it.
const NOTHING: &str = "lost+found";
/// The maximum number of entries that are written at a time.
const ENTRIES: usize = 1_000;
/// The number of bytes from which the entries are written.
const BYTES: usize = 4 << 20;

/// Why a backup was not restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// There is something in the folder.
    #[error("{} is not empty; name an empty or a new folder with --data", .0.display())]
    Occupied(PathBuf),
    /// The folder cannot be read or written.
    #[error("{}: {error}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The backup cannot be used. It was checked before, so it has changed since then.
    #[error("the backup {0}")]
    Backup(#[from] BackupFault),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was restored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restored {
    /// How many entries were applied.
    pub(crate) contents: Contents,
    /// Whether the key of the secrets is there.
    pub(crate) has_key: bool,
}

/// Fails if a restore into `folder` was not finished.
pub(in crate::store) fn refuse_unfinished(folder: &Path) -> Result<(), StoreError> {
    if folder.join(MARK).exists() {
        return Err(StoreError::Unrestored(folder.to_owned()));
    }
    Ok(())
}

/// Writes everything in `backup` to a new store in `folder`. The key of its secrets is the one in the file `key`, or
/// else the one in the backup, if there is one. If the restore fails, the folder is empty again.
///
/// # Errors
/// When the folder is not empty or cannot be written, or the key is not the key of the store.
pub(crate) async fn restore<R: Read>(
    settings: &StoreSettings,
    folder: &Path,
    backup: Backup<R>,
    key: Option<&Path>,
) -> Result<Restored, RestoreError> {
    let failed = |error| unusable(folder, error);
    refuse_occupied(folder)?;
    let key = match key {
        Some(file) => Some(key_file::load_or_make(file, true)?),
        None => backup.manifest().key()?,
    };
    let is_new = !folder.exists();
    begin(folder).map_err(failed)?;
    match write(settings, folder, backup, key).await {
        Ok(restored) => {
            end(folder).map_err(failed)?;
            Ok(restored)
        }
        Err(error) => {
            clear(folder, is_new).map_err(failed)?;
            Err(error)
        }
    }
}

fn unusable(folder: &Path, error: std::io::Error) -> RestoreError {
    RestoreError::Folder {
        folder: folder.to_owned(),
        error,
    }
}

/// Fails if there is something in `folder`. An unfinished restore is named first, in whatever order the names come.
fn refuse_occupied(folder: &Path) -> Result<(), RestoreError> {
    refuse_unfinished(folder)?;
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(folder, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| unusable(folder, error))?;
        if entry.file_name() != NOTHING {
            return Err(RestoreError::Occupied(folder.to_owned()));
        }
    }
    Ok(())
}

/// Marks the restore as unfinished, before anything else is in the folder.
fn begin(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    File::create(folder.join(MARK))?.sync_all()?;
    sync(folder)
}

/// Removes the mark, when everything else is on the disk.
fn end(folder: &Path) -> std::io::Result<()> {
    sync(folder)?;
    fs::remove_file(folder.join(MARK))?;
    sync(folder)
}

/// Makes the names in `folder` survive a power cut.
#[cfg(unix)]
fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Folders cannot be opened on these systems.
#[cfg(not(unix))]
const fn sync(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Removes everything in `folder`, the mark last, and the folder itself if it `is_new`.
fn clear(folder: &Path, is_new: bool) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, name) = match entry {
            Ok(entry) => (entry.path(), entry.file_name()),
            Err(error) => return Err(error),
        };
        if name == MARK || name == NOTHING {
            continue;
        }
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    fs::remove_file(folder.join(MARK))?;
    if is_new {
        fs::remove_dir(folder)
    } else {
        Ok(())
    }
}

async fn write<R: Read>(
    settings: &StoreSettings,
    folder: &Path,
    mut backup: Backup<R>,
    key: Option<KeyFile>,
) -> Result<Restored, RestoreError> {
    let backend = open_in(folder, settings)?;
    let (mut values, mut bytes) = (Values::new(), 0);
    while let Some((key, value)) = backup.advance()? {
        bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        values.insert(key, value);
        if values.len() >= ENTRIES || bytes >= BYTES {
            apply(&*backend, std::mem::take(&mut values)).await?;
            bytes = 0;
        }
    }
    apply(&*backend, values).await?;
    if let Some(key) = &key {
        let file = key_file_of(folder, settings);
        key_proof::check(&*backend, key, &file).await?;
        key_file::put_back(&file, key)?;
    }
    Ok(Restored {
        contents: backup.contents(),
        has_key: key.is_some(),
    })
}

async fn apply(backend: &dyn Backend, values: Values) -> Result<(), StoreError> {
    let mut change = Change::default();
    for (key, value) in values {
        match value {
            Some(value) => change.put.push((key, value)),
            None => change.delete.push(key),
        }
    }
    backend.apply(change).await.map(drop)
}
