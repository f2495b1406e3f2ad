//! What an inspection needs of sled. Records that sled cannot read are read from its log.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::log::SledLog;
use super::{Db, LOG, LONG_VALUES, SETTINGS, SNAPSHOT};
use crate::store::StoreError;
use crate::store::backend::embedded::database::Database;
use crate::store::backend::embedded::inspect::{CACHE, Inspect, Met, Salvage, aside, sync};
use crate::store::backend::embedded::{Work, mark};

impl Inspect for Db {
    type Salvaged = SledLog;

    /// If sled cannot open the copy, this removes files that sled can recreate from its log.
    fn open_copy(folder: &Path, remade: &mut Vec<String>) -> Result<Database<Self>, StoreError> {
        let mut outcome = Database::open(folder, CACHE);
        let helpers = [
            (
                SNAPSHOT,
                "its snapshot (snap.*) cannot be read; it was rebuilt from the log",
            ),
            (
                SETTINGS,
                "its settings (conf) cannot be read; they were reset to the defaults",
            ),
        ];
        for (name, told) in helpers {
            let Err(error) = &outcome else { break };
            // sled may not be able to tell what is wrong with a file, so this is attempted after any failure.
            if matches!(error, StoreError::Locked(_)) || !remove(folder, name) {
                continue;
            }
            remade.push(told.to_owned());
            outcome = Database::open(folder, CACHE);
        }
        outcome
    }

    fn salvage(folder: &Path, _: Option<&Path>, work: &Work) -> Result<SledLog, StoreError> {
        SledLog::read(folder, work)
    }

    fn install(new: &Path, folder: &Path) -> io::Result<()> {
        move_beside_log(new, folder)?;
        // A folder without a log is an empty store.
        fs::rename(new.join(LOG), folder.join(LOG))?;
        sync(folder)
    }

    fn replace(new: &Path, folder: &Path) -> io::Result<PathBuf> {
        let aside = aside(folder)?;
        // The log stays in place until the new one replaces it: a folder without a log is an empty store.
        if fs::hard_link(folder.join(LOG), aside.join(LOG)).is_err() {
            fs::copy(folder.join(LOG), aside.join(LOG))?;
        }
        move_beside_log(folder, &aside)?;
        Self::install(new, folder)?;
        sync(&aside)?;
        Ok(aside)
    }
}

/// Removes the files whose names begin with `name`. Returns whether there was one.
fn remove(folder: &Path, name: &str) -> bool {
    let mut is_removed = false;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(name) {
            is_removed |= fs::remove_file(entry.path()).is_ok();
        }
    }
    is_removed
}

/// Moves the files of a store other than its log.
fn move_beside_log(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let is_beside = [SETTINGS, LONG_VALUES, mark::NAME].contains(&text.as_ref())
            || text.starts_with(SNAPSHOT);
        if is_beside {
            fs::rename(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}

impl Salvage for SledLog {
    const MANNER: &'static str = "reading the records from its log instead";
    const FINDS_MORE: bool = true;

    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.get(key)
    }

    fn all(&self, end: &[u8], work: &Work, meet: impl FnMut(Met<'_>)) -> Result<(), StoreError> {
        self.all(end, work, meet)
    }
}
