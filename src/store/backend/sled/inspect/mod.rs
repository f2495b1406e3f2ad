//! Inspects a store that no server has open: can its records be read, and are they consistent?
//!
//! sled cannot open a database without writing to it: it finishes torn writes and clears what it does not
//! understand. It therefore works on a copy in the store's folder, and the original files stay untouched.
//! Only [`accept`] changes the store. What sled cannot read, or hangs on, is read directly from its log.

mod copy;
mod export;
mod judge;
mod rebuild;
mod source;
mod trial;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub(crate) use self::export::export;
use crate::store::{
    StoreError, Stored, backend::sled::Database, backend::sled::Met, backend::sled::Work,
    backend::sled::database, backend::sled::mark, backend::sled::tally, keys, sealing::key_file,
    sealing::key_proof,
};
use judge::Judge;
use source::StoreSource;

/// Bytes of memory for the pages of a copy.
const CACHE: u64 = 32 << 20;
/// Faults that are reported individually.
const TOLD: usize = 200;

/// The result of an inspection.
#[derive(Debug, Default)]
pub(crate) struct Inspection {
    /// Clients that can be read.
    pub(crate) clients: u64,
    /// Records that can be read, including the clients.
    pub(crate) records: u64,
    /// The first faults, as texts.
    pub(crate) faults: Vec<String>,
    /// The number of further faults.
    pub(crate) further: u64,
}

impl Inspection {
    /// Returns whether there are no faults.
    pub(crate) const fn is_fine(&self) -> bool {
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
pub(crate) fn is_absent(folder: &Path) -> bool {
    let log = folder.join(database::LOG).metadata();
    log.is_err_and(|error| [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()))
}

/// Reads every record of the store in `folder` and checks whether the key of its secrets is available: in
/// the file `key` or, if that is `None`, in the folder.
///
/// # Errors
/// When there is no store, a server has it open, nothing of it can be read, or `work` is ended.
pub(crate) fn check(
    folder: &Path,
    key: Option<&Path>,
    work: &Work,
) -> Result<Inspection, StoreError> {
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
        let file = key_file_of(folder, key);
        if let Err(error) = proof.and_then(|proof| check_key(proof, &file)) {
            found.fault(error.to_string());
        }
    }
    Ok(found)
}

/// The result of [`accept`].
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    /// The file of the key, when it is not the key that sealed the existing data.
    pub(crate) another_key: Option<PathBuf>,
    /// Where the previous files are, when the store was rebuilt from what could be read.
    pub(crate) aside: Option<PathBuf>,
    /// What could not be read then, as texts.
    pub(crate) lost: Vec<String>,
}

/// Lets the server in `folder` continue with the existing data: lost data stays lost and is no longer
/// reported as missing. If sled cannot read all of the store, its files are rebuilt from what can be read.
/// A lost key of the secrets is replaced by the one in the file `key` (`None`: in the folder), which is
/// created if necessary. The next start counts the records anew.
///
/// # Errors
/// When there is no store, a server has it open, nothing of it can be read, or the key cannot be created.
pub(crate) fn accept(
    folder: &Path,
    key: Option<&Path>,
    work: &Work,
) -> Result<Accepted, StoreError> {
    let mut accepted = Accepted::default();
    let source = StoreSource::open(folder, work, &mut Inspection::default())?;
    if source.is_log() {
        accepted.aside = Some(rebuild::rebuild(&source, folder, work, &mut accepted.lost)?);
    }
    drop(source);
    let database = Database::open(folder, CACHE)?;
    let file = key_file_of(folder, key);
    let is_another = forget_past(&database, &file)?;
    drop(database);
    remove(&folder.join(mark::NAME))?;
    // An existing key that cannot be used is not replaced, but reported, as at the start.
    key_file::load_or_make(&file, false)?;
    accepted.another_key = is_another.then_some(file);
    Ok(accepted)
}

/// Returns the file with the key of the secrets: the file `named`, or the default file in the folder.
fn key_file_of(folder: &Path, named: Option<&Path>) -> PathBuf {
    match named {
        Some(file) => file.to_owned(),
        None => folder.join(key_file::DEFAULT_NAME),
    }
}

/// Checks that the key in `file` exists and opens the `proof` of the store's key, as a start does. After it
/// was accepted, a store has no proof until it is started.
fn check_key(proof: Option<Vec<u8>>, file: &Path) -> Result<(), StoreError> {
    let found = key_file::load_or_make(file, true)?;
    let Some(proof) = proof else { return Ok(()) };
    key_proof::proven(&found, &proof, file).map(drop)
}

/// Reads the client that is stored under `key`. A record that was pieced together from parts of different
/// records may belong to another client.
fn read_client(key: &[u8], value: &[u8]) -> Result<Stored, StoreError> {
    let stored = Stored::read((key.to_vec(), value.to_vec()))?;
    if keys::client(&stored.client().id) == key {
        Ok(stored)
    } else {
        Err(StoreError::corrupt(key, "it belongs to another client"))
    }
}

/// Removes what the store knows of its past: its tally, and the proof of its key. Returns whether the key in
/// `file` was not the key of the proof.
fn forget_past(database: &Database, file: &Path) -> Result<bool, StoreError> {
    let proof = database.get(keys::KEY_PROOF)?;
    let is_another = check_key(proof, file).is_err();
    database.with(|db| {
        db.remove(tally::KEY)?;
        db.remove(keys::KEY_PROOF)?;
        db.remove(keys::ROTATION)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StoreSettings;
    use crate::store::Store;

    fn check(folder: &Path, key: Option<&Path>) -> Result<Inspection, StoreError> {
        super::check(folder, key, &Work::default())
    }

    /// Returns the file of a replaced key.
    fn accept(folder: &Path, key: Option<&Path>) -> Result<Option<PathBuf>, StoreError> {
        super::accept(folder, key, &Work::default()).map(|accepted| accepted.another_key)
    }

    /// Opens the store, as a start does.
    async fn open(folder: &Path) -> Result<Store, StoreError> {
        let url = format!("sled:{}", folder.display()).into();
        Store::open(&StoreSettings {
            url,
            ..StoreSettings::default()
        })
        .await
    }

    #[tokio::test]
    async fn a_missing_or_wrong_key_is_a_fault_until_it_is_accepted() {
        let parent = tempfile::TempDir::new().unwrap();
        let folder = parent.path().join("data");
        let file = folder.join(key_file::DEFAULT_NAME);
        drop(open(&folder).await.unwrap());
        assert!(check(&folder, None).unwrap().is_fine());
        assert_eq!(accept(&folder, None).unwrap(), None, "nothing was lost");
        drop(open(&folder).await.unwrap());

        std::fs::remove_file(&file).unwrap();
        let found = check(&folder, None).unwrap();
        assert!(
            found.faults.len() == 1 && found.faults[0].contains("it is missing"),
            "{found:?}"
        );
        assert!(
            found.faults[0].contains("registrar store accept"),
            "{found:?}"
        );
        let error = open(&folder).await.err().unwrap().to_string();
        assert!(error.contains("registrar store accept"), "{error}");
        assert_eq!(accept(&folder, None).unwrap(), Some(file.clone()));
        assert!(check(&folder, None).unwrap().is_fine());
        drop(open(&folder).await.unwrap());

        std::fs::remove_file(&file).unwrap();
        key_file::load_or_make(&file, false).unwrap();
        let found = check(&folder, None).unwrap();
        assert!(
            found.faults.len() == 1 && found.faults[0].contains("not the key of this store"),
            "{found:?}"
        );
        assert_eq!(accept(&folder, None).unwrap(), Some(file));
        drop(open(&folder).await.unwrap());
        assert!(check(&folder, None).unwrap().is_fine());
    }

    #[tokio::test]
    async fn the_key_is_where_the_configuration_says() {
        let parent = tempfile::TempDir::new().unwrap();
        let folder = parent.path().join("data");
        drop(open(&folder).await.unwrap());
        let elsewhere = parent.path().join("elsewhere.key");
        std::fs::rename(folder.join(key_file::DEFAULT_NAME), &elsewhere).unwrap();
        assert!(check(&folder, Some(&elsewhere)).unwrap().is_fine());
        assert!(!check(&folder, None).unwrap().is_fine());
    }
}
