//! The files of fjall.
//!
//! fjall 3.1 deletes the tables of a keyspace whose list of tables (`current`) is missing, and of every keyspace
//! when the keyspace that names the others is. It takes both for a creation that was interrupted. This module
//! looks before fjall does.
//!
//! fjall also opens the tables of a keyspace while it holds a lock that it needs to close the database. A panic
//! of the tables there ends the process. This module opens them first, where the panic can be caught.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use fjall::Error;
use lsm_tree::SequenceNumberCounter;

use super::HOME;
use crate::store::StoreError;
use crate::store::backend::embedded::mark;

/// The file that fjall locks. It has no contents.
const LOCK: &str = "lock";
/// The file that says that the database was created.
const VERSION: &str = "version";
/// The folder with the keyspaces.
const KEYSPACES: &str = "keyspaces";
/// The keyspace with the names of the others.
const NAMES: &str = "0";
/// The file of a keyspace that names its list of tables.
const CURRENT: &str = "current";
/// The folder of a keyspace with its tables.
const TABLES: &str = "tables";
/// What the names of journals end with.
const JOURNAL: &str = ".jnl";

/// Creates the folder of fjall in the folder of a store, accessible to its owner only, and the file that fjall
/// locks if somebody deleted it.
pub(super) fn create_home(folder: &Path) -> io::Result<()> {
    let home = folder.join(HOME);
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there is nothing to set"))]
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&home)?;
    lock_file(folder).map(drop)
}

/// Opens the file that is locked, or creates it if there is a store.
pub(super) fn lock_file(folder: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(HOME).join(LOCK))
}

/// Opens the tables of each keyspace other than that of the names, and closes them.
pub(super) fn try_tables(folder: &Path) -> Result<(), Error> {
    let lock = lock_file(folder)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::Locked),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    let keyspaces = folder.join(HOME).join(KEYSPACES);
    if !keyspaces.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(keyspaces)? {
        let entry = entry?;
        if entry.file_name() != NAMES && entry.path().join(CURRENT).exists() {
            let number = SequenceNumberCounter::default;
            lsm_tree::Config::new(entry.path(), number(), number()).open()?;
        }
    }
    Ok(())
}

/// Returns the names of the journals of the store in `folder`, from the newest on.
pub(super) fn journals(folder: &Path) -> Result<Vec<String>, StoreError> {
    let home = folder.join(HOME);
    let failed = |error: io::Error| StoreError::Unavailable(format!("{}: {error}", home.display()));
    let mut journals = Vec::new();
    for entry in fs::read_dir(&home).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let name = name.to_string_lossy();
        let number = name
            .strip_suffix(JOURNAL)
            .and_then(|number| number.parse::<u64>().ok());
        journals.extend(number.map(|number| (number, name.clone().into_owned())));
    }
    journals.sort_unstable_by(|one, other| other.cmp(one));
    Ok(journals.into_iter().map(|(_, name)| name).collect())
}

/// Checks that there is every file without which fjall would delete others or begin anew.
///
/// Files are missing without any damage only while a store is created, and that has ended once it has its mark.
pub(super) fn inspect(folder: &Path) -> Result<(), StoreError> {
    let home = folder.join(HOME);
    if !home.exists() {
        // As with sled, the mark tells whether there was a store.
        return Ok(());
    }
    let found = FjallFiles::read(&home)
        .map_err(|error| StoreError::Unavailable(format!("{}: {error}", home.display())))?;
    let is_created = folder.join(mark::NAME).exists();
    match found.missing(is_created) {
        Some(what) => Err(StoreError::Damaged(format!(
            "the file {HOME}/{what} is missing"
        ))),
        None => Ok(()),
    }
}

/// A part of a store that is there or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FjallPart {
    Version,
    Journal,
    /// The complete keyspace with the names.
    Names,
    /// A keyspace other than that, complete or not.
    Keyspace,
    /// A complete one.
    Records,
}

/// Which files there are.
#[derive(Default)]
struct FjallFiles {
    parts: Vec<FjallPart>,
    /// A keyspace with tables and without their list.
    unlisted: Option<String>,
}

impl FjallFiles {
    fn read(home: &Path) -> io::Result<Self> {
        let mut found = Self::default();
        found.add(FjallPart::Version, home.join(VERSION).exists());
        for entry in fs::read_dir(home)? {
            let is_journal = entry?.file_name().to_string_lossy().ends_with(JOURNAL);
            found.add(FjallPart::Journal, is_journal);
        }
        let keyspaces = home.join(KEYSPACES);
        if keyspaces.exists() {
            for entry in fs::read_dir(keyspaces)? {
                let entry = entry?;
                found.keyspace(&entry.path(), &entry.file_name().to_string_lossy());
            }
        }
        Ok(found)
    }

    fn add(&mut self, part: FjallPart, is_there: bool) {
        if is_there {
            self.parts.push(part);
        }
    }

    fn has(&self, part: FjallPart) -> bool {
        self.parts.contains(&part)
    }

    fn keyspace(&mut self, folder: &Path, name: &str) {
        let is_complete = folder.join(CURRENT).exists();
        if name == NAMES {
            self.add(FjallPart::Names, is_complete);
        } else {
            self.add(FjallPart::Keyspace, true);
            self.add(FjallPart::Records, is_complete);
        }
        let has_tables =
            fs::read_dir(folder.join(TABLES)).is_ok_and(|mut all| all.next().is_some());
        if has_tables && !is_complete {
            self.unlisted = Some(name.to_owned());
        }
    }

    /// Returns a file that must be there; `is_created` says whether the creation of the store has ended.
    fn missing(&self, is_created: bool) -> Option<String> {
        if let Some(keyspace) = &self.unlisted {
            return Some(format!("{KEYSPACES}/{keyspace}/{CURRENT}"));
        }
        // fjall creates the version, then the names, and then the keyspace with the records.
        if !self.has(FjallPart::Names) && (is_created || self.has(FjallPart::Keyspace)) {
            return Some(format!("{KEYSPACES}/{NAMES}/{CURRENT}"));
        }
        if !self.has(FjallPart::Version) && (is_created || self.has(FjallPart::Names)) {
            return Some(VERSION.to_owned());
        }
        let needed = [
            (FjallPart::Records, format!("{KEYSPACES}/1/{CURRENT}")),
            (FjallPart::Journal, format!("0{JOURNAL}")),
        ];
        let absent = needed.into_iter().find(|(part, _)| !self.has(*part));
        absent.filter(|_| is_created).map(|(_, what)| what)
    }
}
