//! A copy of the files of a store, in the store's own folder: a user who may inspect the store can write
//! there, and perhaps nowhere else. The copy is removed when it is no longer needed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::base::random;
use crate::store::{
    StoreError, backend::sled::Database, backend::sled::LOG, backend::sled::LONG_VALUES,
    backend::sled::Work, backend::sled::mark,
};

/// The prefix of the names of sled's snapshots, which record how much of the log was read at the last
/// start.
const SNAPSHOT: &str = "snap.";
/// The file with sled's settings, which are all defaults here.
const SETTINGS: &str = "conf";
/// Bytes that are copied at a time.
const PIECE: u64 = 8 << 20;

/// The copy.
pub(super) struct Copy(PathBuf);

impl Copy {
    /// Copies the store in `folder`, which must not be open elsewhere in the meantime.
    pub(super) fn make(folder: &Path, work: &Work) -> Result<Self, StoreError> {
        let failed = |error: io::Error| {
            StoreError::Unavailable(format!("cannot copy {}: {error}", folder.display()))
        };
        let copy = Self::empty(folder)?;
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let text = name.to_string_lossy();
            let place = copy.0.join(&name);
            if text == LONG_VALUES {
                copy_all(&entry.path(), &place, work, failed)?;
            } else if [LOG, SETTINGS, mark::NAME].contains(&text.as_ref())
                || text.starts_with(SNAPSHOT)
            {
                copy_file(&entry.path(), &place, work, failed)?;
            }
        }
        Ok(copy)
    }

    /// Creates an empty folder in `folder`, for the files of a store.
    pub(super) fn empty(folder: &Path) -> Result<Self, StoreError> {
        let place = inside(folder, "copy")?;
        let made = create(&place);
        made.map_err(|error| StoreError::Unavailable(format!("{}: {error}", place.display())))?;
        // From here on, dropping the value removes the folder.
        Ok(Self(place))
    }

    /// The folder of the copy.
    pub(super) fn folder(&self) -> &Path {
        &self.0
    }
}

/// Opens the copy in `folder`. If sled cannot open it, this removes files that sled can recreate from its
/// log and reports them in `faults`.
pub(super) fn open(folder: &Path, faults: &mut Vec<String>) -> Result<Database, StoreError> {
    let mut outcome = Database::open(folder, super::CACHE);
    let helpers = [
        (
            SNAPSHOT,
            "its snapshot (snap.*) cannot be read; it was rebuilt from the log",
        ),
        (
            SETTINGS,
            "its settings (conf) cannot be read; they were reset to the defaults",
        ),
    ];
    for (name, told) in helpers {
        let Err(error) = &outcome else { break };
        // sled may not be able to tell what is wrong with a file, so this is attempted after any failure.
        if matches!(error, StoreError::Locked(_)) || !remove(folder, name) {
            continue;
        }
        faults.push(told.to_owned());
        outcome = Database::open(folder, super::CACHE);
    }
    outcome
}

/// Removes the files whose names begin with `name`. Returns whether there was one.
fn remove(folder: &Path, name: &str) -> bool {
    let mut is_removed = false;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(name) {
            is_removed |= fs::remove_file(entry.path()).is_ok();
        }
    }
    is_removed
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "removing a copy of the store failed");
        }
    }
}

/// Returns whether a file or folder of this name belongs to sled's log, next to it.
pub(super) fn is_beside_log(name: &str) -> bool {
    [SETTINGS, LONG_VALUES].contains(&name) || name.starts_with(SNAPSHOT)
}

/// Returns a name in `folder` that is not in use.
pub(super) fn inside(folder: &Path, kind: &str) -> Result<PathBuf, StoreError> {
    let suffix = random::text(12).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(folder.join(format!("{kind}-{suffix}")))
}

/// Creates a folder accessible to its owner only: the contents of a store are private.
pub(super) fn create(folder: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there is nothing to set"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Copies the files of a folder.
fn copy_all(
    from: &Path,
    to: &Path,
    work: &Work,
    failed: impl Fn(io::Error) -> StoreError,
) -> Result<(), StoreError> {
    match fs::create_dir(to) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    for entry in fs::read_dir(from).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        copy_file(&entry.path(), &to.join(entry.file_name()), work, &failed)?;
    }
    Ok(())
}

/// Copies a file piece by piece, so that the work can be ended in between.
fn copy_file(
    from: &Path,
    to: &Path,
    work: &Work,
    failed: impl Fn(io::Error) -> StoreError,
) -> Result<(), StoreError> {
    let (mut from, mut to) = (
        File::open(from).map_err(&failed)?,
        File::create_new(to).map_err(&failed)?,
    );
    loop {
        let copied = io::copy(&mut from.by_ref().take(PIECE), &mut to).map_err(&failed)?;
        work.step(copied)?;
        if copied == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_readable_by_its_owner_only_and_removes_nothing_else() {
        let parent = tempfile::TempDir::new().unwrap();
        let folder = parent.path().join("data");
        drop(Database::open(&folder, 1 << 20).unwrap());
        let other = folder.join("copy-of-mine");
        fs::create_dir(&other).unwrap();
        let copy = Copy::make(&folder, &Work::default()).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(copy.folder()).unwrap().permissions().mode() & 0o777,
                0o700
            );
        }
        let place = copy.folder().to_owned();
        assert!(place.starts_with(&folder) && place.join(LOG).exists());
        drop(copy);
        assert!(!place.exists() && other.exists() && folder.exists());
    }
}
