//! A copy of the files of a store, in the store's own folder: a user who may inspect the store can write
//! there, and perhaps nowhere else. The copy is removed when it is no longer needed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::super::{Engine, Work, mark};
use crate::base::random;
use crate::store::StoreError;

/// Bytes that are copied at a time.
const PIECE: u64 = 8 << 20;

/// The copy.
pub(super) struct Copy {
    folder: PathBuf,
    bytes: u64,
}

impl Copy {
    /// Copies the store in `folder`, which must not be open elsewhere in the meantime.
    pub(super) fn make<E: Engine>(folder: &Path, work: &Work) -> Result<Self, StoreError> {
        let failed = |error: io::Error| {
            StoreError::Unavailable(format!("cannot copy {}: {error}", folder.display()))
        };
        let mut copy = Self::empty(folder)?;
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let text = name.to_string_lossy();
            if E::owns(&text) || text == mark::NAME {
                copy.bytes += copy_any(&entry.path(), &copy.folder.join(&name), work, &failed)?;
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
        Ok(Self {
            folder: place,
            bytes: 0,
        })
    }

    /// The folder of the copy.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bytes that were copied.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "removing a copy of the store failed");
        }
    }
}

/// Returns a name in `folder` that is not in use.
fn inside(folder: &Path, kind: &str) -> Result<PathBuf, StoreError> {
    let suffix = random::text(12).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(folder.join(format!("{kind}-{suffix}")))
}

/// Creates a folder accessible to its owner only: the contents of a store are private.
fn create(folder: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there is nothing to set"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Creates a folder in `folder` for the files of a damaged store.
pub(in crate::store) fn aside(folder: &Path) -> io::Result<PathBuf> {
    let aside = inside(folder, "damaged").map_err(io::Error::other)?;
    create(&aside)?;
    Ok(aside)
}

/// Writes the names in a folder to the disk, if the file system can do that.
#[cfg(unix)]
pub(in crate::store) fn sync(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        Err(error) if error.kind() != ErrorKind::Unsupported => Err(error),
        _ => Ok(()),
    }
}

/// Does nothing: on these systems, a folder cannot be opened.
#[cfg(not(unix))]
pub(in crate::store) const fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Copies a file, or a folder with everything in it. Returns the number of bytes.
fn copy_any(
    from: &Path,
    to: &Path,
    work: &Work,
    failed: &impl Fn(io::Error) -> StoreError,
) -> Result<u64, StoreError> {
    if !from.is_dir() {
        return copy_file(from, to, work, failed);
    }
    fs::create_dir(to).map_err(failed)?;
    let mut bytes = 0;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        bytes += copy_any(&entry.path(), &to.join(entry.file_name()), work, failed)?;
    }
    Ok(bytes)
}

/// Copies a file piece by piece, so that the work can be ended in between. Returns the number of bytes.
fn copy_file(
    from: &Path,
    to: &Path,
    work: &Work,
    failed: &impl Fn(io::Error) -> StoreError,
) -> Result<u64, StoreError> {
    let (mut from, mut to) = (
        File::open(from).map_err(failed)?,
        File::create_new(to).map_err(failed)?,
    );
    let mut bytes = 0;
    loop {
        let copied = io::copy(&mut from.by_ref().take(PIECE), &mut to).map_err(failed)?;
        work.step(copied)?;
        if copied == 0 {
            return Ok(bytes);
        }
        bytes += copied;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::backend::embedded::database::Database;
    use crate::store::backend::sled::Db;

    #[test]
    fn a_copy_is_readable_by_its_owner_only_and_removes_nothing_else() {
        let parent = tempfile::TempDir::new().unwrap();
        let folder = parent.path().join("data");
        drop(Database::<Db>::open(&folder, 1 << 20).unwrap());
        let other = folder.join("copy-of-mine");
        fs::create_dir(&other).unwrap();
        let copy = Copy::make::<Db>(&folder, &Work::default()).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(copy.folder()).unwrap().permissions().mode() & 0o777,
                0o700
            );
        }
        let place = copy.folder().to_owned();
        assert!(place.starts_with(&folder) && place.join(Db::HOME).exists());
        drop(copy);
        assert!(!place.exists() && other.exists() && folder.exists());
    }
}
