//! One sled tree, below an [embedded store](super::embedded).

mod inspect;
pub(in crate::store) mod log;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use sled::Batch;
pub(in crate::store) use sled::Db;

use crate::store::backend::embedded::{Embedded, Engine};
use crate::store::{StoreError, Values};

/// Keys and values in sled.
pub(in crate::store) type Sled = Embedded<Db>;

/// sled's log file, which sled locks.
const LOG: &str = "db";
/// The folder with values that are too long for the log.
const LONG_VALUES: &str = "blobs";
/// The file with sled's settings, which are all defaults here.
const SETTINGS: &str = "conf";
/// The prefix of the names of sled's snapshots, which record how much of the log was read at the last
/// start.
const SNAPSHOT: &str = "snap.";

impl Engine for Db {
    type Error = sled::Error;
    const NAME: &'static str = "sled";
    const HOME: &'static str = LOG;
    const PRIVATE: &'static [(&'static str, u32)] = &[(LOG, 0o600), (LONG_VALUES, 0o700)];

    fn owns(name: &str) -> bool {
        [LOG, LONG_VALUES, SETTINGS].contains(&name) || name.starts_with(SNAPSHOT)
    }

    fn lock_file(folder: &Path) -> io::Result<File> {
        File::options()
            .read(true)
            .write(true)
            .open(folder.join(LOG))
    }

    fn inspect_files(_: &Path) -> Result<(), StoreError> {
        Ok(())
    }

    fn open(folder: &Path, cache_bytes: u64) -> sled::Result<Self> {
        sled::Config::new()
            .path(folder)
            .cache_capacity(cache_bytes)
            // The writer flushes; a second, automatic flush would only add cost.
            .flush_every_ms(None)
            .open()
    }

    fn read(&self, key: &[u8]) -> sled::Result<Option<Vec<u8>>> {
        Ok(self.get(key)?.map(|value| value.to_vec()))
    }

    fn visit(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
        mut meet: impl FnMut(&[u8], &[u8]),
    ) -> sled::Result<()> {
        for pair in self.range(range).take(limit) {
            let (key, value) = pair?;
            meet(&key, &value);
        }
        Ok(())
    }

    fn write(&self, values: &Values) -> sled::Result<()> {
        self.load(values)?;
        self.sync()
    }

    fn load(&self, values: &Values) -> sled::Result<()> {
        let mut batch = Batch::default();
        for (key, value) in values {
            match value {
                Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                None => batch.remove(key.as_slice()),
            }
        }
        self.apply_batch(batch)
    }

    // `flush_async` of sled 0.34 hangs when several callers use it.
    fn sync(&self) -> sled::Result<()> {
        self.flush().map(drop)
    }

    fn disk_bytes(&self) -> sled::Result<u64> {
        self.size_on_disk()
    }

    fn told(error: &sled::Error, folder: &Path) -> StoreError {
        use std::io::ErrorKind::{InvalidData, UnexpectedEof};
        match error {
            sled::Error::Corruption { .. } => {
                StoreError::Damaged("checksum mismatch in its files".to_owned())
            }
            sled::Error::Unsupported(_) => StoreError::Damaged(
                "its settings file (conf) does not match the database".to_owned(),
            ),
            sled::Error::ReportableBug(_) => {
                StoreError::Damaged("sled found its files in an impossible state".to_owned())
            }
            sled::Error::Io(cause) if matches!(cause.kind(), UnexpectedEof | InvalidData) => {
                StoreError::Damaged("a file is truncated".to_owned())
            }
            other => told_otherwise(other.to_string(), folder),
        }
    }
}

fn told_otherwise(text: String, folder: &Path) -> StoreError {
    // sled 0.34 reports with this text that another process holds the folder's lock.
    if text.contains("could not acquire lock") {
        StoreError::Locked(folder.to_owned())
    } else {
        StoreError::Unavailable(text)
    }
}

#[cfg(test)]
mod tests;
