//! A database that can be reopened while it is in use.
//!
//! After one failed write, for example on a full disk, sled 0.34 and fjall 3.1 reject all writes until they
//! are reopened, though they still read. Everything that was flushed before is there after reopening
//! (tested). The database is therefore closed and reopened in place, so that the server need not be restarted
//! once there is space again.

use std::fs::{self, TryLockError};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use super::Engine;
use super::folder::{hide, keep_private, try_room};
use super::guard::guarded;
use crate::store::{Pair, StoreError, Values};

/// How long the threads of the database may take to release the files.
const CLOSING: Duration = Duration::from_secs(10);
/// Pause between two attempts to open files that are still locked.
const PAUSE: Duration = Duration::from_millis(10);

/// A database that can be reopened.
pub(in crate::store) struct Database<E: Engine> {
    folder: PathBuf,
    cache_bytes: u64,
    /// `None` while the database is closed.
    open: RwLock<Option<E>>,
}

impl<E: Engine> Database<E> {
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
        work: impl FnOnce(&E) -> Result<T, E::Error>,
    ) -> Result<T, StoreError> {
        // Reopening may take a while, so callers do not wait for it.
        if let Ok(open) = self.open.try_read()
            && let Some(db) = open.as_ref()
        {
            return guarded::<E, T>(&self.folder, || work(db));
        }
        let reason = "the database is being reopened";
        Err(StoreError::Unavailable(reason.to_owned()))
    }

    /// Returns the value of `key`.
    pub(in crate::store) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|db| db.read(key))
    }

    /// Returns the first `limit` pairs of `range`, in the order of their keys.
    pub(in crate::store) fn scan(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let mut pairs = Vec::new();
        self.visit(range, limit, |key, value| {
            pairs.push((key.to_vec(), value.to_vec()));
        })?;
        Ok(pairs)
    }

    /// Visits the first `limit` pairs of `range`, in the order of their keys.
    pub(in crate::store) fn visit(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
        meet: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), StoreError> {
        if range.start >= range.end {
            return Ok(());
        }
        self.with(|db| db.visit(range, limit, meet))
    }

    /// Writes `values` as one batch. When this returns, they survive a power cut.
    pub(in crate::store) fn write(&self, values: &Values) -> Result<(), StoreError> {
        self.with(|db| db.write(values))
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

impl<E: Engine> Drop for Database<E> {
    /// Closes the database, so that the folder is free when this returns.
    fn drop(&mut self) {
        let place = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(db) = place.take() {
            close(&self.folder, Some(db));
        }
    }
}

#[cfg(test)]
impl<E: Engine> Database<E> {
    /// Closes the database, as happens while it is being reopened.
    pub(in crate::store) fn close(&self) {
        drop(self.open.write().unwrap().take());
    }
}

/// Closes a database and waits until its threads have released its files.
fn close<E: Engine>(folder: &Path, db: Option<E>) {
    // Closing writes, which can fail like any other write.
    let _ = guarded::<E, ()>(folder, || {
        drop(db);
        Ok(())
    });
    let begun = Instant::now();
    while begun.elapsed() < CLOSING && matches!(lock::<E>(folder), Err(StoreError::Locked(_))) {
        thread::sleep(PAUSE);
    }
}

/// Locks the store in `folder`, so that it cannot be opened elsewhere while the returned file is kept.
/// Fails if there is no store or if it is already open.
pub(in crate::store) fn lock<E: Engine>(folder: &Path) -> Result<fs::File, StoreError> {
    let failed = |error: &std::io::Error| {
        StoreError::Unavailable(format!(
            "there is no store in {}: {error}",
            folder.display()
        ))
    };
    let file = E::lock_file(folder).map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(&error)),
    }
}

fn open<E: Engine>(folder: &Path, cache_bytes: u64) -> Result<E, StoreError> {
    keep_private::<E>(folder)?;
    E::inspect_files(folder)?;
    let opened = guarded::<E, E>(folder, || E::open(folder, cache_bytes));
    for (name, mode) in E::PRIVATE {
        hide(&folder.join(name), *mode);
    }
    opened
}
