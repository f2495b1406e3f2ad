//! The folder of a store: who may read it, and whether there is space on its disk.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::Engine;
use crate::store::StoreError;

/// Bytes of free disk space required before a readable database is closed.
const ROOM: usize = 16 << 20;
/// The file that is written to see whether there is space.
const ROOM_FILE: &str = "room.try";

/// Writes a test file and removes it.
pub(super) fn try_room(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(ROOM_FILE);
    let write = || {
        let mut file = fs::File::create(&path)?;
        file.write_all(&vec![0; ROOM])?;
        file.sync_all()
    };
    let written = write();
    let removed = fs::remove_file(&path);
    written.and(removed)
}

/// Makes the folder accessible to its owner only, whatever the umask of the process: the contents of a
/// store are private. An existing folder is changed only if everything in it belongs to the store.
pub(super) fn keep_private<E: Engine>(folder: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::Unavailable(format!("{}: {error}", folder.display()));
    match fs::read_dir(folder) {
        Ok(entries) => {
            if entries
                .flatten()
                .all(|entry| is_ours::<E>(&entry.file_name().to_string_lossy()))
            {
                hide(folder, 0o700);
            }
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(folder).map_err(failed)?;
            hide(folder, 0o700);
            Ok(())
        }
        // Opening the folder reports the cause.
        Err(_) => Ok(()),
    }
}

/// Returns whether a file or folder of this name in the store's folder belongs to the store.
fn is_ours<E: Engine>(name: &str) -> bool {
    let beginnings = ["registrar.", "admin-credentials.", "copy-", "damaged-"];
    E::owns(name)
        || [ROOM_FILE, "lost+found"].contains(&name)
        || beginnings
            .iter()
            .any(|beginning| name.starts_with(beginning))
}

/// Removes the permissions that `mode` does not have from a file or folder. A failure is logged.
#[cfg(unix)]
pub(super) fn hide(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(found) = fs::metadata(path) else {
        return;
    };
    let before = found.permissions().mode() & 0o777;
    if before & !mode == 0 {
        return;
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(before & mode)) {
        Ok(()) => {
            tracing::debug!(path = %path.display(), "restricted the permissions of the store to its owner");
        }
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "store readable by other users; run chmod go=");
        }
    }
}

/// Files have no modes on these systems.
#[cfg(not(unix))]
pub(super) const fn hide(_path: &Path, _mode: u32) {}
