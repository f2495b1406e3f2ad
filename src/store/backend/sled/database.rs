//! A sled database that can be reopened while it is in use.
//!
//! After one failed write, for example on a full disk, sled 0.34 rejects all writes until it is reopened,
//! though it still reads. Everything that was flushed before is there after reopening (tested). The
//! database is therefore closed and reopened in place, so that the server need not be restarted once there
//! is space again.

use std::fs::{self, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use sled::Db;

use super::guard::guarded;
use crate::store::StoreError;

/// sled's log file, which sled locks.
pub(in crate::store) const LOG: &str = "db";
/// The folder with values that are too long for the log.
pub(in crate::store) const LONG_VALUES: &str = "blobs";
/// Bytes of free disk space required before a readable database is closed.
const ROOM: usize = 16 << 20;
/// How long sled's threads may take to release the files.
const CLOSING: Duration = Duration::from_secs(10);
/// Pause between two attempts to open files that are still locked.
const PAUSE: Duration = Duration::from_millis(10);

/// A database that can be reopened.
pub(in crate::store) struct Database {
    folder: PathBuf,
    cache_bytes: u64,
    /// `None` while the database is closed.
    open: RwLock<Option<Db>>,
}

impl Database {
    /// Opens the database in `folder`, creating it if necessary.
    pub(in crate::store) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let open = RwLock::new(Some(open(folder, cache_bytes)?));
        Ok(Self {
            folder: folder.to_owned(),
            cache_bytes,
            open,
        })
    }

    /// Returns the result of `work` on the open database. `work` must be short: the database is not closed
    /// until it is done.
    pub(in crate::store) fn with<T>(
        &self,
        work: impl FnOnce(&Db) -> sled::Result<T>,
    ) -> Result<T, StoreError> {
        // Reopening may take a while, so callers do not wait for it.
        if let Ok(open) = self.open.try_read()
            && let Some(db) = open.as_ref()
        {
            return guarded(|| work(db));
        }
        let reason = "the database is being reopened";
        Err(StoreError::Unavailable(reason.to_owned()))
    }

    /// Returns the value of `key`.
    pub(in crate::store) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|db| Ok(db.get(key)?.map(|value| value.to_vec())))
    }

    /// Closes the database and reopens it if there is space to write. Only the writer calls this method, so
    /// no write is in progress.
    pub(in crate::store) fn reopen(&self) -> Result<(), StoreError> {
        let mut place = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if place.is_some() {
            try_room(&self.folder).map_err(|error| {
                StoreError::Unavailable(format!("no space left to write: {error}"))
            })?;
        }
        close(&self.folder, place.take());
        *place = Some(open(&self.folder, self.cache_bytes)?);
        Ok(())
    }
}

impl Drop for Database {
    /// Closes the database, so that the folder is free when this returns.
    fn drop(&mut self) {
        let place = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(db) = place.take() {
            close(&self.folder, Some(db));
        }
    }
}

#[cfg(test)]
impl Database {
    /// Closes the database, as happens while it is being reopened.
    pub(in crate::store) fn close(&self) {
        drop(self.open.write().unwrap().take());
    }
}

/// Closes a database and waits until sled's threads have released its files.
fn close(folder: &Path, db: Option<Db>) {
    // Closing writes, which can fail like any other write.
    let _ = guarded(|| {
        drop(db);
        Ok(())
    });
    let begun = Instant::now();
    while begun.elapsed() < CLOSING && matches!(lock(folder), Err(StoreError::Locked(_))) {
        thread::sleep(PAUSE);
    }
}

/// Locks the store in `folder`, so that it cannot be opened elsewhere while the returned file is kept.
/// Fails if there is no store or if it is already open.
pub(in crate::store) fn lock(folder: &Path) -> Result<fs::File, StoreError> {
    let failed = |error: &std::io::Error| {
        StoreError::Unavailable(format!(
            "there is no store in {}: {error}",
            folder.display()
        ))
    };
    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(folder.join(LOG));
    let file = file.map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(&error)),
    }
}

/// Writes a test file and removes it.
fn try_room(folder: &Path) -> std::io::Result<()> {
    let path = folder.join("room.try");
    let write = || {
        let mut file = fs::File::create(&path)?;
        file.write_all(&vec![0; ROOM])?;
        file.sync_all()
    };
    let written = write();
    let removed = fs::remove_file(&path);
    written.and(removed)
}

fn open(folder: &Path, cache_bytes: u64) -> Result<Db, StoreError> {
    keep_private(folder)?;
    let settings = sled::Config::new()
        .path(folder)
        .cache_capacity(cache_bytes)
        // The writer flushes; a second, automatic flush would only add cost.
        .flush_every_ms(None);
    let opened = match guarded(|| settings.open()) {
        // sled 0.34 reports with this text that another process holds the folder's lock.
        Err(StoreError::Unavailable(text)) if text.contains("could not acquire lock") => {
            Err(StoreError::Locked(folder.to_owned()))
        }
        opened => opened,
    };
    hide(&folder.join(LOG), 0o600);
    hide(&folder.join(LONG_VALUES), 0o700);
    opened
}

/// Makes the folder accessible to its owner only, whatever the umask of the process: the contents of a
/// store are private. An existing folder is changed only if everything in it belongs to the store.
fn keep_private(folder: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::Unavailable(format!("{}: {error}", folder.display()));
    match fs::read_dir(folder) {
        Ok(entries) => {
            if entries
                .flatten()
                .all(|entry| is_ours(&entry.file_name().to_string_lossy()))
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
fn is_ours(name: &str) -> bool {
    let beginnings = [
        "snap.",
        "registrar.",
        "admin-credentials.",
        "copy-",
        "damaged-",
    ];
    [LOG, LONG_VALUES, "conf", "room.try", "lost+found"].contains(&name)
        || beginnings
            .iter()
            .any(|beginning| name.starts_with(beginning))
}

/// Removes the permissions that `mode` does not have from a file or folder. A failure is logged.
#[cfg(unix)]
fn hide(path: &Path, mode: u32) {
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
const fn hide(_path: &Path, _mode: u32) {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_store_is_readable_by_its_owner_only_whatever_the_umask() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::TempDir::new().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let give = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let open = |folder: &Path| drop(Database::open(folder, 1 << 20).unwrap());
        let (new, empty, foreign) = (
            parent.path().join("a/new"),
            parent.path().join("b"),
            parent.path().join("c"),
        );
        for folder in [&empty, &foreign] {
            fs::create_dir(folder).unwrap();
            give(folder, 0o755);
        }
        fs::write(foreign.join("something"), "else").unwrap();
        for _ in 0..2 {
            for folder in [&new, &empty, &foreign] {
                open(folder);
                assert_eq!(mode(&folder.join(LOG)), 0o600, "{}", folder.display());
                assert_eq!(
                    mode(&folder.join(LONG_VALUES)),
                    0o700,
                    "{}",
                    folder.display()
                );
            }
            // A folder with other files in it does not belong to the store.
            assert_eq!(
                (mode(&new), mode(&empty), mode(&foreign)),
                (0o700, 0o700, 0o755)
            );
            // As an older registrar left it.
            give(&new, 0o755);
            give(&new.join(LOG), 0o644);
        }
    }

    #[test]
    fn a_database_can_be_reopened_while_it_is_read() {
        let folder = tempfile::TempDir::new().unwrap();
        let database = Database::open(&folder.path().join("data"), 1 << 20).unwrap();
        let done = AtomicBool::new(false);
        let read = || {
            let (mut found, mut closed) = (0, 0);
            // A reader may be scheduled only after all reopening: it can always find one value.
            while !done.load(Ordering::SeqCst) || found == 0 {
                match database.with(|db| db.get("k")) {
                    Ok(value) => found += usize::from(value.unwrap() == "v"),
                    Err(StoreError::Unavailable(_)) => closed += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            (found, closed)
        };
        let store = |key: &str| {
            database
                .with(|db| db.insert(key, "v").and_then(|_| db.flush()))
                .unwrap()
        };
        store("k");
        thread::scope(|scope| {
            let readers = [scope.spawn(read), scope.spawn(read)];
            for turn in 0..5 {
                database.reopen().unwrap();
                store(&turn.to_string());
            }
            done.store(true, Ordering::SeqCst);
            for reader in readers {
                let (found, _) = reader.join().unwrap();
                assert!(found > 0);
            }
        });
        assert_eq!(database.with(|db| Ok(db.len())).unwrap(), 6);
        assert!(!folder.path().join("data/room.try").exists());
    }
}
