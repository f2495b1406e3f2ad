//! Looks at a store that nobody has open: what is in it can be read, and is as it must be?
//!
//! sled can not open a database without writing to it: it ends what was torn, and clears what it
//! does not understand. So all of this works on a copy in the folder, and what is still in
//! the files stays there; only [`accept`] changes the store.

mod copy;
mod judge;
mod walk;

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use copy::Copy;
use judge::Judge;

use super::clients::Stored;
use super::sled_database::{self, Database};
use super::{StoreError, key_file, keys, line, mark, tally};
use crate::client::TrustLevel;

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

/// Reads every record of the store in `folder`.
///
/// # Errors
/// When there is no store, a server has it open, there is no room for a copy, or nothing of it
/// can be read.
pub fn check(folder: &Path) -> Result<Inspection, StoreError> {
    let copy = Copy::make(folder)?;
    let mut found = Inspection::default();
    let database = copy.open(&mut found)?;
    let mut judge = Judge::new(&database, copy.folder());
    walk::all(&database, |event| match event {
        walk::Event::Pair(key, value) => judge.see(&mut found, key, value),
        walk::Event::Gap(gap) => found.fault(gap.to_string()),
    });
    judge.end(&mut found);
    Ok(found)
}

/// Writes every client of the store in `folder` that can be read to `file`, which must not be
/// there yet, in the form of an export. Secrets are in it in clear, so it is its owner's only.
///
/// # Errors
/// As with [`check`], and when the key of the secrets or the file is not to be had.
pub fn export(folder: &Path, key: Option<&Path>, file: &Path) -> Result<Inspection, StoreError> {
    let default = folder.join(key_file::DEFAULT_NAME);
    let key = key_file::load_or_make(key.unwrap_or(&default), true)?;
    let copy = Copy::make(folder)?;
    let mut found = Inspection::default();
    let database = copy.open(&mut found)?;
    let failed = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", file.display()));
    let mut lines = BufWriter::new(create(file).map_err(failed)?);
    let mut written = Ok(());
    walk::all(&database, |event| match event {
        walk::Event::Pair(pair, value) if pair.starts_with(keys::CLIENTS) && written.is_ok() => {
            found.records += 1;
            match Stored::read((pair.to_vec(), value.to_vec())) {
                // The administrator belongs to its server, where it is made anew.
                Ok(stored) if stored.client().provenance.trust_level == TrustLevel::Operator => {}
                Ok(stored) => match line::of(stored.client(), &key) {
                    Ok(members) => {
                        written = serde_json::to_writer(&mut lines, &members)
                            .map_err(std::io::Error::from)
                            .and_then(|()| lines.write_all(b"\n"));
                        found.clients += 1;
                    }
                    Err(error) => found.fault(format!("the client {}: {error}", stored.client().id)),
                },
                Err(error) => found.fault(error.to_string()),
            }
        }
        walk::Event::Pair(..) => {}
        walk::Event::Gap(gap) => found.fault(gap.to_string()),
    });
    let last = format!("{}\n", serde_json::json!({ line::CLIENTS: found.clients }));
    written.and_then(|()| lines.write_all(last.as_bytes())).map_err(failed)?;
    let file = lines.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    Ok(found)
}

/// Lets the server in `folder` go on with what is there: what is lost stays lost, and is not
/// missed any more; a key of the secrets that is lost may be followed by another. The next start
/// counts anew.
///
/// # Errors
/// When there is no store, a server has it open, or sled can not open it.
pub fn accept(folder: &Path) -> Result<(), StoreError> {
    sled_database::lock(folder)?;
    let database = Database::open(folder, CACHE)?;
    database.with(|db| {
        db.remove(tally::KEY)?;
        db.remove(keys::KEY_PROOF)?;
        db.flush()
    })?;
    drop(database);
    let path = folder.join(mark::NAME);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::Unavailable(format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

fn create(file: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}
