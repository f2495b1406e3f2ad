//! Copies a store into another database, record by record. Both stores are without a server.
//!
//! The new store is built beside its final place and moved there once it is complete, so that an interrupted
//! conversion leaves no store that a server could start with.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::super::{Content, Mark, Tally, Work, integrity, tally};
use super::copy::Copy;
use super::source::all_of;
use super::{CACHE, Inspect, Inspection, Met, StoreSource, key_file};
use crate::store::backend::embedded::database::Database;
use crate::store::{StoreError, Values};

/// Pairs that are written at a time.
const BATCH: usize = 500;
/// What the names of the files with credentials of administrators begin with.
const CREDENTIALS: &str = "admin-credentials.";

/// The result of a conversion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Converted {
    /// The records in the new store.
    pub(crate) records: u64,
    /// Whether the file of the key was copied too.
    pub(crate) has_key: bool,
}

/// Copies the store in the folder `from` to the folder `to`, which must be empty or missing, with the files of the
/// secrets that the folder has. The store in `from` stays as it is.
///
/// # Errors
/// When there is no store in `from`, a server has it open, not all of it can be read, `to` contains anything, or the
/// new store does not have exactly the same records.
pub(in crate::store) fn convert<From: Inspect, To: Inspect>(
    from: &Path,
    to: &Path,
    work: &Work,
) -> Result<Converted, StoreError> {
    let mut found = Inspection::default();
    // Checked first, so that nothing is created where there is nothing to copy.
    drop(super::super::database::lock::<From>(from)?);
    prepare(to).map_err(|error| failed(to, &error))?;
    let source = StoreSource::<From>::open(from, work, &mut found)?;
    let tally = whole(&source, from, &found)?;
    let new = Copy::empty(to)?;
    let content = fill::<From, To>(&source, new.folder(), tally.batches, work)?;
    check_copy::<To>(new.folder(), content, work)?;
    let has_key = copy_secrets(from, to)?;
    To::install(new.folder(), to).map_err(|error| failed(to, &error))?;
    drop(Mark::open(to, tally.batches)?);
    Ok(Converted {
        records: content.pairs(),
        has_key,
    })
}

/// Copies the file of the key and those with credentials of administrators, with their modes. Returns whether there
/// is a key.
fn copy_secrets(from: &Path, to: &Path) -> Result<bool, StoreError> {
    let mut has_key = false;
    for entry in fs::read_dir(from).map_err(|error| failed(from, &error))? {
        let entry = entry.map_err(|error| failed(from, &error))?;
        let name = entry.file_name();
        let is_key = name == key_file::DEFAULT_NAME;
        if is_key || name.to_string_lossy().starts_with(CREDENTIALS) {
            fs::copy(entry.path(), to.join(&name)).map_err(|error| failed(from, &error))?;
            has_key |= is_key;
        }
    }
    Ok(has_key)
}

/// Creates the folder, or checks that it is empty.
fn prepare(folder: &Path) -> io::Result<()> {
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                if entry?.file_name() != "lost+found" {
                    let reason = "it is not empty; name another folder, or remove what is in it";
                    return Err(io::Error::other(reason));
                }
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => fs::create_dir_all(folder)?,
        Err(error) => return Err(error),
    }
    super::super::folder::hide(folder, 0o700);
    Ok(())
}

/// Returns the tally of the store, all of which must be readable. A store of an older registrar, which kept none,
/// gets one.
fn whole<E: Inspect>(
    source: &StoreSource<E>,
    folder: &Path,
    found: &Inspection,
) -> Result<Tally, StoreError> {
    if let Some(fault) = found.faults.first() {
        return Err(StoreError::Damaged(fault.clone()));
    }
    let mut content = source.empty_content();
    source.all(&Work::default(), |met| {
        if let Met::Pair(key, value) = met {
            content = content.with(key, value);
        }
    })?;
    let tally = source.tally()?;
    integrity::check_whole(tally, content, folder)?;
    Ok(tally.unwrap_or_else(|| Tally::of(1, content)))
}

/// Writes everything to a new database in `folder`. Returns what was read.
fn fill<From: Inspect, To: Inspect>(
    source: &StoreSource<From>,
    folder: &Path,
    batches: u64,
    work: &Work,
) -> Result<Content, StoreError> {
    let database = Database::<To>::open(folder, CACHE)?;
    let mut content = source.empty_content();
    let mut batch = Values::new();
    let mut outcome = Ok(());
    source.all(work, |met| {
        let Met::Pair(key, value) = met else { return };
        content = content.with(key, value);
        batch.insert(key.to_vec(), Some(value.to_vec()));
        if batch.len() >= BATCH && outcome.is_ok() {
            let full = std::mem::take(&mut batch);
            outcome = database.with(|db| db.load(&full));
        }
    })?;
    outcome?;
    let tally = Tally::of(batches, content);
    batch.insert(tally::KEY.to_vec(), Some(tally.encode()));
    database.write(&batch)?;
    Ok(content)
}

/// Reads the new store and checks that it has exactly this `content`.
fn check_copy<E: Inspect>(folder: &Path, due: Content, work: &Work) -> Result<(), StoreError> {
    let database = Database::<E>::open(folder, CACHE)?;
    let mut content = Content::empty(due.digest());
    all_of(&database, work, |met| {
        if let Met::Pair(key, value) = met {
            content = content.with(key, value);
        }
    })?;
    match content.differs(due) {
        Some(difference) => {
            let reason = format!("the new store is not the same as the old one: {difference}");
            Err(StoreError::Unavailable(reason))
        }
        None => Ok(()),
    }
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}
