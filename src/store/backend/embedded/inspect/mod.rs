//! Inspects a store that no server has open: can its records be read, and are they consistent?
//!
//! Neither sled nor fjall can open a database without writing to it: they finish torn writes and clear what
//! they do not understand. They therefore work on a copy in the store's folder, and the original files stay
//! untouched. Only [`accept`] changes the store. What the database cannot read, or hangs on, is read
//! around the damage, as far as [that is possible](Salvage).

mod convert;
mod copy;
mod export;
mod judge;
mod rebuild;
mod source;
mod trial;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

pub(crate) use self::convert::Converted;
pub(in crate::store) use self::convert::convert;
pub(in crate::store) use self::copy::{aside, sync};
pub(crate) use self::export::StoreExportError;
pub(in crate::store) use self::export::export;
use super::database::Database;
use super::{Engine, Work, mark, tally};
use crate::store::{StoreError, Stored, Values, keys, sealing::key_file, sealing::key_proof};
use judge::Judge;
use source::StoreSource;

/// Bytes of memory for the pages of a copy.
pub(in crate::store) const CACHE: u64 = 32 << 20;
/// Faults that are reported individually.
const TOLD: usize = 200;

/// What an inspection needs of a database.
pub(in crate::store) trait Inspect: Engine {
    /// What reads the records of a damaged store.
    type Salvaged: Salvage;

    /// Opens the copy of a store in `folder`. Adds what had to be recreated for that to `remade`.
    fn open_copy(folder: &Path, remade: &mut Vec<String>) -> Result<Database<Self>, StoreError>;

    /// Opens the store in `folder`, of which there is a `copy` unless copying failed, for reading around its
    /// damage.
    fn salvage(
        folder: &Path,
        copy: Option<&Path>,
        work: &Work,
    ) -> Result<Self::Salvaged, StoreError>;

    /// Moves the files of a complete database in `new` into `folder`, which has none.
    fn install(new: &Path, folder: &Path) -> io::Result<()>;

    /// Moves the files of the database in `folder` aside and those in `new` into their place. Returns where the
    /// old files are.
    fn replace(new: &Path, folder: &Path) -> io::Result<PathBuf>;
}

/// Reads a damaged store.
pub(in crate::store) trait Salvage {
    /// What it reads instead of the database, and how.
    const MANNER: &'static str;
    /// Whether it may find more than a database that reports no damage.
    const FINDS_MORE: bool;

    /// Returns whether nothing can be read.
    fn is_empty(&self) -> bool;

    /// Returns the value of `key`, if it can be read.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// Visits everything before the key `end`.
    fn all(&self, end: &[u8], work: &Work, meet: impl FnMut(Met<'_>)) -> Result<(), StoreError>;
}

/// What a pass over a store yields, in the order of the keys.
pub(in crate::store) enum Met<'a> {
    /// A key and its value.
    Pair(&'a [u8], &'a [u8]),
    /// A description of records that cannot be read.
    Lost(String),
}

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
pub(in crate::store) fn is_absent<E: Engine>(folder: &Path) -> bool {
    let home = folder.join(E::HOME).metadata();
    home.is_err_and(|error| [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()))
}

/// Reads every record of the store in `folder` and checks whether the key of its secrets is available: in
/// the file `key` or, if that is `None`, in the folder.
///
/// # Errors
/// When there is no store, a server has it open, nothing of it can be read, or `work` is ended.
pub(in crate::store) fn check<E: Inspect>(
    folder: &Path,
    key: Option<&Path>,
    work: &Work,
) -> Result<Inspection, StoreError> {
    let mut found = Inspection::default();
    let source = StoreSource::<E>::open(folder, work, &mut found)?;
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
/// reported as missing. If the database cannot read all of the store, its files are rebuilt from what can be read.
/// A lost key of the secrets is replaced by the one in the file `key` (`None`: in the folder), which is
/// created if necessary. The next start counts the records anew.
///
/// # Errors
/// When there is no store, a server has it open, nothing of it can be read, or the key cannot be created.
pub(in crate::store) fn accept<E: Inspect>(
    folder: &Path,
    key: Option<&Path>,
    work: &Work,
) -> Result<Accepted, StoreError> {
    let mut accepted = Accepted::default();
    let source = StoreSource::<E>::open(folder, work, &mut Inspection::default())?;
    if source.is_partial() {
        accepted.aside = Some(rebuild::rebuild(&source, folder, work, &mut accepted.lost)?);
    }
    drop(source);
    let database = Database::<E>::open(folder, CACHE)?;
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
fn forget_past<E: Engine>(database: &Database<E>, file: &Path) -> Result<bool, StoreError> {
    let proof = database.get(keys::KEY_PROOF)?;
    let is_another = check_key(proof, file).is_err();
    let past = [tally::KEY, keys::KEY_PROOF, keys::ROTATION].map(|key| (key.to_vec(), None));
    database.write(&Values::from(past))?;
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
    use crate::store::backend::sled::Db;

    fn check(folder: &Path, key: Option<&Path>) -> Result<Inspection, StoreError> {
        super::check::<Db>(folder, key, &Work::default())
    }

    /// Returns the file of a replaced key.
    fn accept(folder: &Path, key: Option<&Path>) -> Result<Option<PathBuf>, StoreError> {
        super::accept::<Db>(folder, key, &Work::default()).map(|accepted| accepted.another_key)
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
