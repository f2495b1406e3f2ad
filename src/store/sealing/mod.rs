//! JSON that is sealed, so that it cannot be read in the files of the store.

pub(in crate::store) mod anew;
pub(in crate::store) mod in_force;
pub(in crate::store) mod key_file;
pub(in crate::store) mod key_proof;
pub(in crate::store) mod observed;
pub(in crate::store) mod rotation;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::{Sealed, SealingKeys, Secret};
use crate::store::StoreError;

/// Seals `value` so that it opens only under the same `key` of the store.
pub(super) fn seal<T: Serialize>(
    with: &SealingKeys,
    key: &[u8],
    value: &T,
) -> Result<Sealed, StoreError> {
    let text = serde_json::to_string(value)
        .map_err(|error| StoreError::corrupt(key, &error.to_string()))?;
    with.seal(&Secret::new(text), &owner(key))
        .map_err(|error| StoreError::corrupt(key, &error.to_string()))
}

/// Opens what was sealed under `key`.
pub(super) fn open<T: DeserializeOwned>(
    with: &SealingKeys,
    key: &[u8],
    sealed: &Sealed,
) -> Result<T, StoreError> {
    let opened = with.open(sealed, &owner(key));
    let text = opened.map_err(|error| StoreError::corrupt(key, &error.to_string()))?;
    // The error message of serde_json can contain a part of the value.
    serde_json::from_str(text.expose())
        .map_err(|_| StoreError::corrupt(key, "the sealed value is malformed"))
}

fn owner(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}
