//! Ensures that a store keeps its key, and that all servers on one database have the same key. A text is
//! sealed with the key at the first start, and every later start must be able to open it.

use std::path::Path;

use super::key_file::KeyFile;
use super::rotation;
use crate::base::{Sealed, SealingKey, SealingKeys};
use crate::store::{Backend, Change, Expectation, StoreError, keys, record, sealing};

const TEXT: &str = "registrar";

/// Returns whether the store has ever had a key.
pub(in crate::store) async fn is_there(backend: &dyn Backend) -> Result<bool, StoreError> {
    Ok(backend.get(keys::KEY_PROOF).await?.is_some())
}

/// The key of a store.
#[derive(Debug)]
pub(in crate::store) struct ProvenKey {
    /// The key that is in force.
    pub(in crate::store) current: SealingKey,
    /// What the store has as its proof.
    pub(in crate::store) proof: Vec<u8>,
}

/// Returns the key of `found`, which is in `file`, that the store has in force.
///
/// # Errors
/// When none of the keys is the key of the store, or one is missing with which secrets are still sealed.
pub(in crate::store) async fn check(
    backend: &dyn Backend,
    found: &KeyFile,
    file: &Path,
) -> Result<ProvenKey, StoreError> {
    let proof = match backend.get(keys::KEY_PROOF).await? {
        Some(proof) => proof,
        None => leave(backend, &found.first).await?,
    };
    let current = proven(found, &proof, file)?;
    if let Some((rotation, _)) = rotation::read(backend).await?
        && rotation.needs_previous()
        && found.keys().all(|key| key.id() != rotation.previous)
    {
        let reason = format!(
            "the key {} is missing, with which secrets are still sealed; restore the file with both keys. 'registrar key \
             status' on another server shows how far the rotation is",
            rotation.previous
        );
        return Err(failed(file, reason));
    }
    Ok(ProvenKey { current, proof })
}

/// Returns the key of `found` that opens the `proof` of the store's key.
pub(in crate::store) fn proven(
    found: &KeyFile,
    proof: &[u8],
    file: &Path,
) -> Result<SealingKey, StoreError> {
    opening(found, proof)?.ok_or_else(|| {
        let reason = "it is not the key of this store; restore it from a backup, or copy it from a server that \
                      already uses the store. 'registrar store accept' continues without the sealed data of an \
                      embedded store";
        failed(file, reason.to_owned())
    })
}

/// Returns the key of `found` that opens the `proof` of the store's key, if one does.
pub(in crate::store) fn opening(
    found: &KeyFile,
    proof: &[u8],
) -> Result<Option<SealingKey>, StoreError> {
    let sealed: Sealed = record::decode(keys::KEY_PROOF, proof)?;
    let opens = |key: &&SealingKey| {
        let opened: Result<String, _> =
            sealing::open(&SealingKeys::from((*key).clone()), keys::KEY_PROOF, &sealed);
        opened.is_ok_and(|text| text == TEXT)
    };
    Ok(found.keys().find(opens).cloned())
}

fn failed(file: &Path, reason: String) -> StoreError {
    StoreError::KeyFile {
        file: file.to_owned(),
        reason,
    }
}

/// Returns the proof that `key` is the key of the store.
pub(in crate::store) fn of(key: &SealingKey) -> Result<Vec<u8>, StoreError> {
    let sealed = sealing::seal(&key.clone().into(), keys::KEY_PROOF, &TEXT)?;
    record::encode(keys::KEY_PROOF, &sealed)
}

/// Stores a proof and returns the proof that is stored then: another server may have been faster.
async fn leave(backend: &dyn Backend, key: &SealingKey) -> Result<Vec<u8>, StoreError> {
    let proof = of(key)?;
    let change = Change {
        expect: vec![Expectation::Absent(keys::KEY_PROOF.to_vec())],
        put: vec![(keys::KEY_PROOF.to_vec(), proof.clone())],
        ..Change::default()
    };
    match backend.apply(change).await {
        Ok(_) => Ok(proof),
        Err(StoreError::Conflict) => backend
            .get(keys::KEY_PROOF)
            .await?
            .ok_or(StoreError::Conflict),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::backend::memory::Memory;

    #[tokio::test]
    async fn only_the_first_key_is_accepted() {
        let (store, file) = (Memory::default(), Path::new("some.key"));
        let key = |byte| KeyFile::from(SealingKey::from_bytes([byte; 32]));
        assert!(!is_there(&store).await.unwrap());
        check(&store, &key(1), file).await.unwrap();
        assert!(is_there(&store).await.unwrap());
        check(&store, &key(1), file).await.unwrap();
        let error = check(&store, &key(2), file).await.unwrap_err().to_string();
        assert!(
            error.contains("some.key") && error.contains("not the key of this store"),
            "{error}"
        );
    }
}
