//! Work on an embedded store that no server has open, whichever database it is in.

use std::path::Path;

use crate::config::{EmbeddedDatabase, StoreSettings, StoreUrl};
use crate::store::backend::embedded::Engine;
use crate::store::backend::embedded::inspect;
use crate::store::backend::fjall::Fjall;
use crate::store::backend::sled::Db;
use crate::store::{StoreError, backup};

pub(crate) use crate::store::backend::embedded::Work;
pub(crate) use crate::store::backend::embedded::inspect::{
    Accepted, Converted, Inspection, StoreExportError,
};

/// A store in a folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EmbeddedStore<'a> {
    database: EmbeddedDatabase,
    folder: &'a Path,
}

impl<'a> EmbeddedStore<'a> {
    /// Returns the embedded store that `url` names, if it names one.
    pub(crate) fn of(url: &'a StoreUrl) -> Option<Self> {
        let (database, folder) = url.embedded()?;
        Some(Self { database, folder })
    }

    /// The folder of the store.
    pub(crate) const fn folder(self) -> &'a Path {
        self.folder
    }

    /// The name of its database.
    pub(crate) const fn name(self) -> &'static str {
        self.database.name()
    }

    /// Fails if a restore into the folder was not finished. There may be no store yet.
    ///
    /// # Errors
    /// What to do then.
    pub(crate) fn refuse_unfinished(self) -> Result<(), StoreError> {
        backup::refuse_unfinished(self.folder)
    }

    /// Returns whether there is no store.
    pub(crate) fn is_absent(self) -> bool {
        match self.database {
            EmbeddedDatabase::Sled => inspect::is_absent::<Db>(self.folder),
            EmbeddedDatabase::Fjall => inspect::is_absent::<Fjall>(self.folder),
        }
    }

    /// Reads every record and checks whether the key of the secrets is available.
    ///
    /// # Errors
    /// When there is no store, a server has it open, nothing of it can be read, or `work` is ended.
    pub(crate) fn check(
        self,
        settings: &StoreSettings,
        work: &Work,
    ) -> Result<Inspection, StoreError> {
        let key = settings.key_file.as_deref();
        match self.database {
            EmbeddedDatabase::Sled => inspect::check::<Db>(self.folder, key, work),
            EmbeddedDatabase::Fjall => inspect::check::<Fjall>(self.folder, key, work),
        }
    }

    /// Writes every client that can be read to `file`, which must not exist yet.
    ///
    /// # Errors
    /// As for [`check`](Self::check), and when the key of the secrets or the file is not available.
    pub(crate) fn export(
        self,
        settings: &StoreSettings,
        file: &Path,
        work: &Work,
    ) -> Result<Inspection, StoreExportError> {
        let key = settings.key_file.as_deref();
        match self.database {
            EmbeddedDatabase::Sled => inspect::export::<Db>(self.folder, key, file, work),
            EmbeddedDatabase::Fjall => inspect::export::<Fjall>(self.folder, key, file, work),
        }
    }

    /// Lets the server continue with the existing data.
    ///
    /// # Errors
    /// When there is no store, a server has it open, nothing of it can be read, or the key cannot be created.
    pub(crate) fn accept(
        self,
        settings: &StoreSettings,
        work: &Work,
    ) -> Result<Accepted, StoreError> {
        let key = settings.key_file.as_deref();
        match self.database {
            EmbeddedDatabase::Sled => inspect::accept::<Db>(self.folder, key, work),
            EmbeddedDatabase::Fjall => inspect::accept::<Fjall>(self.folder, key, work),
        }
    }

    /// Copies everything to the store `to`, which must not exist yet.
    ///
    /// # Errors
    /// When there is no store, a server has it open, not all of it can be read, or the folder of `to` has contents.
    pub(crate) fn convert(
        self,
        to: EmbeddedStore<'_>,
        work: &Work,
    ) -> Result<Converted, StoreError> {
        use EmbeddedDatabase::{Fjall as F, Sled as S};
        let (from, folder) = (self.folder, to.folder);
        match (self.database, to.database) {
            (S, S) => inspect::convert::<Db, Db>(from, folder, work),
            (S, F) => inspect::convert::<Db, Fjall>(from, folder, work),
            (F, S) => inspect::convert::<Fjall, Db>(from, folder, work),
            (F, F) => inspect::convert::<Fjall, Fjall>(from, folder, work),
        }
    }
}

/// Returns the database of the store in `folder`; none if there is no store.
pub(crate) fn database_in(folder: &Path) -> Option<EmbeddedDatabase> {
    if folder.join(Fjall::HOME).exists() {
        Some(EmbeddedDatabase::Fjall)
    } else if folder.join(Db::HOME).exists() {
        Some(EmbeddedDatabase::Sled)
    } else {
        None
    }
}

/// Checks that `folder` does not have the store of another database, beside which a new one would be created.
pub(in crate::store) fn check_database(
    database: EmbeddedDatabase,
    folder: &Path,
) -> Result<(), StoreError> {
    let (own, other, other_database) = match database {
        EmbeddedDatabase::Sled => (Db::HOME, Fjall::HOME, EmbeddedDatabase::Fjall),
        EmbeddedDatabase::Fjall => (Fjall::HOME, Db::HOME, EmbeddedDatabase::Sled),
    };
    if folder.join(own).exists() || !folder.join(other).exists() {
        return Ok(());
    }
    let (name, folder) = (other_database.name(), folder.display());
    Err(StoreError::Setting {
        key: "store.url",
        reason: format!(
            "the store in {folder} is one of {name}; set store.url to {name}:{folder}, or convert the store with \
             'registrar store convert' and name the new folder"
        ),
    })
}
