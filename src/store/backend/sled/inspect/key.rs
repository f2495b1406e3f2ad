//! The key of the secrets: whether it exists, and whether it is the one that sealed the contents of the
//! store.

use std::path::{Path, PathBuf};

use crate::base::Sealed;
use crate::store::sealing::{self, key_file};
use crate::store::{StoreError, keys, record};

/// Returns the path of the key: the file `named`, or the default file in the folder.
pub(super) fn place(folder: &Path, named: Option<&Path>) -> PathBuf {
    named.map_or_else(|| folder.join(key_file::DEFAULT_NAME), Path::to_owned)
}

/// Checks that the key in `file` exists and opens the `proof` of the store's key, as a start does. After it
/// was accepted, a store has no proof until it is started.
pub(super) fn check(proof: Option<Vec<u8>>, file: &Path) -> Result<(), StoreError> {
    let key = key_file::load_or_make(file, true)?;
    let Some(proof) = proof else { return Ok(()) };
    let sealed: Sealed = record::decode(keys::KEY_PROOF, &proof)?;
    let opened: Result<String, _> = sealing::open(&key, keys::KEY_PROOF, &sealed);
    opened.map(drop).map_err(|_| StoreError::KeyFile {
        file: file.to_owned(),
        reason: "it is not the key of this store; restore it from a backup. If the key is lost, \
                 'registrar store accept' continues without what it sealed"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StoreSettings;
    use crate::store::Store;
    use crate::store::backend::sled::inspect::Inspection;
    use crate::store::backend::sled::work::Work;

    fn check(folder: &Path, key: Option<&Path>) -> Result<Inspection, StoreError> {
        crate::store::backend::sled::inspect::check(folder, key, &Work::default())
    }

    /// Returns the file of a replaced key.
    fn accept(folder: &Path, key: Option<&Path>) -> Result<Option<PathBuf>, StoreError> {
        crate::store::backend::sled::inspect::accept(folder, key, &Work::default())
            .map(|accepted| accepted.another_key)
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
