//! One keyspace of fjall, below an [embedded store](super::embedded).
//!
//! Its files are in a folder of their own below the folder of the store, because fjall creates files that are
//! as readable as the umask allows.

mod files;
mod inspect;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ::fjall::{
    Database, Error, JournalRecoveryError, Keyspace, KeyspaceCreateOptions, LsmError, PersistMode,
};

use crate::store::backend::embedded::{Embedded, Engine};
use crate::store::{StoreError, Values};

/// Keys and values in fjall.
pub(in crate::store) type FjallStore = Embedded<Fjall>;

/// The folder of fjall in the folder of the store.
const HOME: &str = "fjall";
/// The keyspace with all keys and values.
const KEYSPACE: &str = "registrar";
/// Bytes of the newest changes that are kept in memory before they are written to a table.
const MEMTABLE: u64 = 16 << 20;
/// Tables of the first level with which writes wait for the compaction. With 20 runs, fjall itself waits,
/// without a limit.
const UNSORTED: usize = 16;
/// Changes of memory that wait to be written to tables with which writes wait. With 4, fjall itself waits,
/// without a limit. One batch can add two.
const SEALED: usize = 2;
/// How long a write waits for that. fjall's threads may have ended, for example on a full disk.
const WAITING: Duration = Duration::from_secs(10);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// An open database.
pub(in crate::store) struct Fjall {
    // In the order in which they must be dropped.
    keyspace: Keyspace,
    database: Database,
}

impl Fjall {
    /// Waits until fjall accepts a batch without waiting itself.
    fn wait(&self) -> Result<(), Error> {
        let begun = Instant::now();
        while self.keyspace.sealed_memtable_count() >= SEALED
            || self.keyspace.l0_table_count() >= UNSORTED
        {
            if begun.elapsed() > WAITING {
                let reason = "fjall does not write its changes to tables";
                return Err(Error::Io(io::Error::other(reason)));
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Writes a batch, as durably as `mode` says.
    fn commit(&self, values: &Values, mode: PersistMode) -> Result<(), Error> {
        self.wait()?;
        let mut batch = self.database.batch().durability(Some(mode));
        for (key, value) in values {
            match value {
                Some(value) => batch.insert(&self.keyspace, key.as_slice(), value.as_slice()),
                None => batch.remove(&self.keyspace, key.as_slice()),
            }
        }
        batch.commit()
    }
}

impl Engine for Fjall {
    type Error = Error;
    const NAME: &'static str = "fjall";
    const HOME: &'static str = HOME;
    const PRIVATE: &'static [(&'static str, u32)] = &[(HOME, 0o700)];

    fn owns(name: &str) -> bool {
        name == HOME
    }

    fn lock_file(folder: &Path) -> io::Result<File> {
        files::lock_file(folder)
    }

    fn inspect_files(folder: &Path) -> Result<(), StoreError> {
        files::inspect(folder)
    }

    fn open(folder: &Path, cache_bytes: u64) -> Result<Self, Error> {
        files::create_home(folder)?;
        files::try_tables(folder)?;
        let database = Database::builder(folder.join(HOME))
            .cache_size(cache_bytes)
            .open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE);
        let keyspace = database.keyspace(KEYSPACE, options)?;
        Ok(Self { keyspace, database })
    }

    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.keyspace.get(key)?.map(|value| value.to_vec()))
    }

    fn visit(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
        mut meet: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Error> {
        for pair in self.keyspace.range(range).take(limit) {
            let (key, value) = pair.into_inner()?;
            meet(&key, &value);
        }
        Ok(())
    }

    fn write(&self, values: &Values) -> Result<(), Error> {
        self.commit(values, PersistMode::SyncAll)
    }

    fn load(&self, values: &Values) -> Result<(), Error> {
        self.commit(values, PersistMode::Buffer)
    }

    fn sync(&self) -> Result<(), Error> {
        self.database.persist(PersistMode::SyncAll)
    }

    fn disk_bytes(&self) -> Result<u64, Error> {
        self.database.disk_space()
    }

    fn told(error: &Error, folder: &Path) -> StoreError {
        let io = match error {
            Error::Locked => return StoreError::Locked(folder.to_owned()),
            Error::Poisoned => {
                let reason = "an earlier write failed";
                return StoreError::Unavailable(reason.to_owned());
            }
            Error::Io(io) | Error::Storage(LsmError::Io(io)) => io,
            Error::Storage(LsmError::ChecksumMismatch { .. })
            | Error::JournalRecovery(JournalRecoveryError::ChecksumMismatch) => {
                return StoreError::Damaged("checksum mismatch in its files".to_owned());
            }
            // The others are about what is in the files, and none of them quotes a record.
            other => {
                return StoreError::Damaged(format!("fjall cannot read its files ({other:?})"));
            }
        };
        match io.kind() {
            io::ErrorKind::NotFound => StoreError::Damaged("a file is missing".to_owned()),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                StoreError::Damaged("a file is truncated".to_owned())
            }
            _ => StoreError::Unavailable(io.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
