//! Ensures that a store keeps its key, and that all servers on one database have the same key. A text is
//! sealed with the key at the first start, and every later start must be able to open it.

use std::path::Path;

use crate::base::{Sealed, SealingKey};
use crate::store::{Backend, Change, Expectation, StoreError, keys, record, sealing};

const TEXT: &str = "registrar";

/// Returns whether the store has ever had a key.
pub(in crate::store) async fn is_there(backend: &dyn Backend) -> Result<bool, StoreError> {
    Ok(backend.get(keys::KEY_PROOF).await?.is_some())
}

/// Checks that `key`, which is in `file`, is the key of the store.
pub(in crate::store) async fn check(
    backend: &dyn Backend,
    key: &SealingKey,
    file: &Path,
) -> Result<(), StoreError> {
    let proof = match backend.get(keys::KEY_PROOF).await? {
        Some(proof) => proof,
        None => leave(backend, key).await?,
    };
    let sealed: Sealed = record::decode(keys::KEY_PROOF, &proof)?;
    let opened: Result<String, _> = sealing::open(key, keys::KEY_PROOF, &sealed);
    if opened.is_ok_and(|text| text == TEXT) {
        return Ok(());
    }
    let reason = "it is not the key of this store; restore it from a backup, or copy it from a server that \
                  already uses the store. 'registrar store accept' continues without the sealed data of an \
                  embedded store";
    Err(StoreError::KeyFile {
        file: file.to_owned(),
        reason: reason.to_owned(),
    })
}

/// Stores a proof and returns the proof that is stored then: another server may have been faster.
async fn leave(backend: &dyn Backend, key: &SealingKey) -> Result<Vec<u8>, StoreError> {
    let proof = record::encode(
        keys::KEY_PROOF,
        &sealing::seal(key, keys::KEY_PROOF, &TEXT)?,
    )?;
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
        let key = |byte| SealingKey::from_bytes([byte; 32]);
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
