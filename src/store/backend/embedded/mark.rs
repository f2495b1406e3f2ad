//! A small file beside the database that records how many batches were acknowledged. When the tail of the
//! database's log is lost, sled and fjall mistake it for an unfinished write and continue without it; this
//! file reveals the loss.
//!
//! It is written after the flush of each batch and before its answers. A killed process leaves it exact. It
//! is flushed only once a second, so it may lag behind after a power cut. It then misses losses from that
//! last second, but never reports a loss that did not happen.
//!
//! It is created beside its final path and moved there, so that a full disk or a kill leaves no partial
//! file.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::base::sha256_hex;
use crate::store::StoreError;

/// Its name in the folder of the store.
pub(in crate::store) const NAME: &str = "registrar.mark";
/// Its name until it is complete.
const NEW: &str = "registrar.mark.new";
/// What it begins with, before its version.
const HEAD: &str = "registrar mark ";
/// The version that is written.
const VERSION: u64 = 1;
/// Interval between two flushes.
const LAG: Duration = Duration::from_secs(1);
/// Maximum number of bytes that are read.
const LONGEST: u64 = 256;

/// The file.
pub(in crate::store) struct Mark {
    file: File,
    flushed: Instant,
}

impl Mark {
    /// Reads the count from the file in `folder`. Returns `None` when there is no file or an empty one. An
    /// older registrar that created the file in place could be stopped there and leave it empty.
    pub(in crate::store) fn read(folder: &Path) -> Result<Option<u64>, StoreError> {
        let path = folder.join(NAME);
        let text = match read_beginning(&path) {
            Ok(text) if text.is_empty() => return Ok(None),
            Ok(text) => String::from_utf8(text).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unavailable(&path, &error)),
        };
        let path = path.display();
        match (version(&text), parse(&text)) {
            (Some(version), _) if version != VERSION => Err(StoreError::Version {
                what: path.to_string(),
                version,
                known: VERSION,
            }),
            (_, Some(batches)) => Ok(Some(batches)),
            (_, None) => {
                let damage = format!("{path} was altered after it was written");
                Err(StoreError::Damaged(damage))
            }
        }
    }

    /// Opens or creates the file and writes `batches` to it.
    pub(in crate::store) fn open(folder: &Path, batches: u64) -> Result<Self, StoreError> {
        match create(folder, batches) {
            Ok(file) => Ok(Self {
                file,
                flushed: Instant::now(),
            }),
            Err(error) => Err(unavailable(&folder.join(NAME), &error)),
        }
    }

    /// Writes `batches`. The line is as long as the previous one, so the write succeeds on a full disk.
    pub(in crate::store) fn set(&mut self, batches: u64) -> std::io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(line(batches).as_bytes())?;
        if self.flushed.elapsed() >= LAG {
            self.file.sync_data()?;
            self.flushed = Instant::now();
        }
        Ok(())
    }
}

fn read_beginning(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// Opens the file in `folder` and writes `batches` to it, or creates it beside its final path.
fn create(folder: &Path, batches: u64) -> std::io::Result<File> {
    let path = folder.join(NAME);
    let is_there = fs::metadata(&path).is_ok_and(|file| file.len() > 0);
    let place = if is_there {
        path.clone()
    } else {
        folder.join(NEW)
    };
    let mut file = fs::OpenOptions::new()
        .create(true)
        .truncate(!is_there)
        .write(true)
        .open(&place)?;
    file.write_all(line(batches).as_bytes())?;
    file.sync_all()?;
    if !is_there {
        fs::rename(&place, &path)?;
    }
    // The name of the file must survive a power cut too.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(file)
}

fn unavailable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}

fn line(batches: u64) -> String {
    let text = format!("{HEAD}{VERSION} {batches:020}");
    let digest = sha256_hex(text.as_bytes());
    [&text, " ", &digest, "\n"].concat()
}

fn parse(text: &str) -> Option<u64> {
    let batches = text
        .strip_prefix(HEAD)?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()?;
    (line(batches) == text).then_some(batches)
}

/// The version in the file, whatever follows it.
fn version(text: &str) -> Option<u64> {
    text.strip_prefix(HEAD)?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_returns_the_last_value() {
        let folder = tempfile::TempDir::new().unwrap();
        assert_eq!(Mark::read(folder.path()).unwrap(), None);
        let mut mark = Mark::open(folder.path(), 5).unwrap();
        assert_eq!(Mark::read(folder.path()).unwrap(), Some(5));
        mark.set(u64::MAX).unwrap();
        mark.set(70).unwrap();
        assert_eq!(Mark::read(folder.path()).unwrap(), Some(70));
    }

    #[test]
    fn a_damaged_mark_has_no_value() {
        let folder = tempfile::TempDir::new().unwrap();
        drop(Mark::open(folder.path(), 5).unwrap());
        let path = folder.path().join(NAME);
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            fs::write(&path, changed).unwrap();
            let error = Mark::read(folder.path()).unwrap_err();
            // The version is one byte of the file, and a file of another version is not interpreted
            // further.
            let is_version = place == HEAD.len();
            let is_right = if is_version {
                matches!(
                    error,
                    StoreError::Version {
                        version: 0,
                        known: VERSION,
                        ..
                    }
                )
            } else {
                matches!(error, StoreError::Damaged(_))
            };
            assert!(is_right, "byte {place}: {error}");
        }
        fs::write(&path, &whole[..1]).unwrap();
        assert!(Mark::read(folder.path()).is_err());
    }

    #[test]
    fn a_mark_of_another_version_is_not_damaged() {
        let folder = tempfile::TempDir::new().unwrap();
        for text in [
            "registrar mark 2 whatever it says\n",
            "registrar mark 2",
            "registrar mark 17 00",
        ] {
            fs::write(folder.path().join(NAME), text).unwrap();
            let error = Mark::read(folder.path()).unwrap_err().to_string();
            assert!(
                error.contains("has version") && !error.contains("damaged"),
                "{error}"
            );
            assert!(
                error.contains(NAME) && error.contains("reads version 1"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_mark_that_could_not_be_written_is_missing() {
        let folder = tempfile::TempDir::new().unwrap();
        fs::write(folder.path().join(NAME), "").unwrap();
        fs::write(folder.path().join(NEW), "registrar").unwrap();
        assert_eq!(Mark::read(folder.path()).unwrap(), None);
        let mut mark = Mark::open(folder.path(), 5).unwrap();
        assert_eq!(Mark::read(folder.path()).unwrap(), Some(5));
        mark.set(6).unwrap();
        assert_eq!(Mark::read(folder.path()).unwrap(), Some(6));
        assert!(!folder.path().join(NEW).exists());
    }
}
