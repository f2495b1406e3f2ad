//! Looks at a store that nobody has open: what is in it can be read, and is as it must be?
//!
//! sled cannot open a database without writing to it: it ends what was torn, and clears what it
//! does not understand. So it works on a copy in the folder, and what is still in the files stays
//! there; only [`accept`] changes the store. What sled cannot read, or never comes back from, is read
//! from its log without it.

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
use self::source::Source;
use super::sled_database::{self, Database};
use super::sled_log::Met;
use super::work::Work;
use super::{StoreError, key_file, keys, mark, tally};

/// Bytes of memory for the pages of a copy.
const CACHE: u64 = 32 << 20;
/// Faults that are told one by one.
const TOLD: usize = 200;

/// What was found.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Clients that can be read.
    pub clients: u64,
    /// Records that can be read, those of the clients among them.
    pub records: u64,
    /// What is wrong, in words: the first of it.
    pub faults: Vec<String>,
    /// How much more is wrong.
    pub further: u64,
}

impl Inspection {
    /// Whether nothing is wrong.
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

/// Whether there is no store in `folder`.
pub fn is_absent(folder: &Path) -> bool {
    let log = folder.join(sled_database::LOG).metadata();
    log.is_err_and(|error| [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()))
}

/// Reads every record of the store in `folder`, and looks whether the key of its secrets is there: in
/// the file `key`; none: in the folder.
///
/// # Errors
/// When there is no store, a server has it open, nothing of it can be read, or `work` is ended.
pub fn check(folder: &Path, key: Option<&Path>, work: &Work) -> Result<Inspection, StoreError> {
    let mut found = Inspection::default();
    let source = Source::open(folder, work, &mut found)?;
    let mut judge = Judge::new(&source, folder);
    source.all(work, |met| match met {
        Met::Pair(key, value) => judge.see(&mut found, key, value),
        Met::Lost(what) => found.fault(what),
    })?;
    judge.end(&mut found);
    // The first start makes it before it stores anything.
    if found.records > 0 {
        let proof = source.get(keys::KEY_PROOF);
        if let Err(error) = proof.and_then(|proof| key::check(proof, &key::place(folder, key))) {
            found.fault(error.to_string());
        }
    }
    Ok(found)
}

/// What came of [`accept`].
#[derive(Debug, Default)]
pub struct Accepted {
    /// The file of the key, when it is not the one that sealed what is there.
    pub another_key: Option<PathBuf>,
    /// Where the files of before are, when the store was made anew of what could be read.
    pub aside: Option<PathBuf>,
    /// What could not be read then, in words.
    pub lost: Vec<String>,
}

/// Lets the server in `folder` go on with what is there: what is lost stays lost, and is not
/// missed any more. Where sled cannot read all of it, its files are made anew of what can be read. A key
/// of the secrets that is lost is followed by another: by the one in the file `key` (none: in the folder),
/// which is made when it is not there. The next start counts anew.
///
/// # Errors
/// When there is no store, a server has it open, nothing of it can be read, or the key cannot be made.
pub fn accept(folder: &Path, key: Option<&Path>, work: &Work) -> Result<Accepted, StoreError> {
    let mut accepted = Accepted::default();
    let source = Source::open(folder, work, &mut Inspection::default())?;
    if source.is_log() {
        accepted.aside = Some(rebuild::rebuild(&source, folder, work, &mut accepted.lost)?);
    }
    drop(source);
    let database = Database::open(folder, CACHE)?;
    let file = key::place(folder, key);
    let proof = database.with(|db| Ok(db.get(keys::KEY_PROOF)?.map(|value| value.to_vec())))?;
    let is_another = key::check(proof, &file).is_err();
    database.with(|db| {
        db.remove(tally::KEY)?;
        db.remove(keys::KEY_PROOF)?;
        db.flush()
    })?;
    drop(database);
    let path = folder.join(mark::NAME);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(StoreError::Unavailable(format!("{}: {error}", path.display())));
        }
        _ => {}
    }
    // A key that is there and can not be used is not replaced: that is told, as it is at the start.
    key_file::load_or_make(&file, false)?;
    accepted.another_key = is_another.then_some(file);
    Ok(accepted)
}
