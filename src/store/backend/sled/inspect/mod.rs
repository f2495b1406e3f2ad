//! Inspects a store that no server has open: can its records be read, and are they consistent?
//!
//! sled cannot open a database without writing to it: it finishes torn writes and clears what it does not
//! understand. It therefore works on a copy in the store's folder, and the original files stay untouched.
//! Only [`accept`] changes the store. What sled cannot read, or hangs on, is read directly from its log.

mod copy;
mod export;
mod judge;
mod key;
mod rebuild;
mod source;
mod trial;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub use self::export::{ExportError, export};
use self::judge::Judge;
use self::source::StoreSource;
use super::database::{self, Database};
use super::log::Met;
use super::work::Work;
use super::{mark, tally};
use crate::store::sealing::key_file;
use crate::store::{StoreError, keys};

/// Bytes of memory for the pages of a copy.
const CACHE: u64 = 32 << 20;
/// Faults that are reported individually.
const TOLD: usize = 200;

/// The result of an inspection.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Clients that can be read.
    pub clients: u64,
    /// Records that can be read, including the clients.
    pub records: u64,
    /// The first faults, as texts.
    pub faults: Vec<String>,
    /// The number of further faults.
    pub further: u64,
}

impl Inspection {
    /// Returns whether there are no faults.
    pub const fn is_fine(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, text: String) {
        if self.faults.len() < TOLD {
            self.faults.push(text);
        } else {
            self.further += 1;
        }
    }
}

/// Returns whether there is no store in `folder`.
pub fn is_absent(folder: &Path) -> bool {
    let log = folder.join(database::LOG).metadata();
    log.is_err_and(|error| [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()))
}

/// Reads every record of the store in `folder` and checks whether the key of its secrets is available: in
/// the file `key` or, if that is `None`, in the folder.
///
/// # Errors
/// When there is no store, a server has it open, nothing of it can be read, or `work` is ended.
pub fn check(folder: &Path, key: Option<&Path>, work: &Work) -> Result<Inspection, StoreError> {
    let mut found = Inspection::default();
    let source = StoreSource::open(folder, work, &mut found)?;
    let mut judge = Judge::new(&source, folder);
    source.all(work, |met| match met {
        Met::Pair(key, value) => judge.see(&mut found, key, value),
        Met::Lost(what) => found.fault(what),
    })?;
    judge.end(&mut found);
    // The first start creates the key before it stores anything.
    if found.records > 0 {
        let proof = source.get(keys::KEY_PROOF);
        if let Err(error) = proof.and_then(|proof| key::check(proof, &key::place(folder, key))) {
            found.fault(error.to_string());
        }
    }
    Ok(found)
}

/// The result of [`accept`].
#[derive(Debug, Default)]
pub struct Accepted {
    /// The file of the key, when it is not the key that sealed the existing data.
    pub another_key: Option<PathBuf>,
    /// Where the previous files are, when the store was rebuilt from what could be read.
    pub aside: Option<PathBuf>,
    /// What could not be read then, as texts.
    pub lost: Vec<String>,
}

/// Lets the server in `folder` continue with the existing data: lost data stays lost and is no longer
/// reported as missing. If sled cannot read all of the store, its files are rebuilt from what can be read.
/// A lost key of the secrets is replaced by the one in the file `key` (`None`: in the folder), which is
/// created if necessary. The next start counts the records anew.
///
/// # Errors
/// When there is no store, a server has it open, nothing of it can be read, or the key cannot be created.
pub fn accept(folder: &Path, key: Option<&Path>, work: &Work) -> Result<Accepted, StoreError> {
    let mut accepted = Accepted::default();
    let source = StoreSource::open(folder, work, &mut Inspection::default())?;
    if source.is_log() {
        accepted.aside = Some(rebuild::rebuild(&source, folder, work, &mut accepted.lost)?);
    }
    drop(source);
    let database = Database::open(folder, CACHE)?;
    let file = key::place(folder, key);
    let is_another = forget_past(&database, &file)?;
    drop(database);
    remove(&folder.join(mark::NAME))?;
    // An existing key that cannot be used is not replaced, but reported, as at the start.
    key_file::load_or_make(&file, false)?;
    accepted.another_key = is_another.then_some(file);
    Ok(accepted)
}

/// Removes what the store knows of its past: its tally, and the proof of its key. Returns whether the key in
/// `file` was not the key of the proof.
fn forget_past(database: &Database, file: &Path) -> Result<bool, StoreError> {
    let proof = database.with(|db| Ok(db.get(keys::KEY_PROOF)?.map(|value| value.to_vec())))?;
    let is_another = key::check(proof, file).is_err();
    database.with(|db| {
        db.remove(tally::KEY)?;
        db.remove(keys::KEY_PROOF)?;
        db.flush()
    })?;
    Ok(is_another)
}

/// Removes a file that may be missing.
fn remove(file: &Path) -> Result<(), StoreError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            let reason = format!("{}: {error}", file.display());
            Err(StoreError::Unavailable(reason))
        }
        _ => Ok(()),
    }
}
