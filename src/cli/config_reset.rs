//! `registrar config reset`

use super::offline::OfflineArguments;
use super::output::counted;
use crate::config::Patch;
use crate::store::{Change, Store};

/// Removes values that were patched while the server ran. This is the recovery when they are no longer valid,
/// so it works directly on the store, without a server.
pub(super) fn run(arguments: &OfflineArguments, keys: &[String]) -> Result<(), String> {
    let gone = arguments.run(async |store, _| {
        if keys.is_empty() {
            everything(store).await
        } else {
            some(store, keys).await
        }
    })?;
    for key in &gone {
        say!("{key}");
    }
    note!(
        "registrar: {} removed; the values of the file apply again",
        counted(gone.len(), "patched value")
    );
    Ok(())
}

/// Removes all values, even if they can no longer be read.
async fn everything(store: &Store) -> Result<Vec<String>, String> {
    let keys = match store.patches.load().await {
        Ok(stored) => Patch::from(stored.document)
            .0
            .into_iter()
            .map(|(key, _)| key)
            .collect(),
        Err(error) => {
            note!("registrar: warning: {error}");
            Vec::new()
        }
    };
    store
        .patches
        .clear()
        .await
        .map_err(|error| error.to_string())?;
    Ok(keys)
}

/// Removes the values of `keys`, all of which must be patched.
async fn some(store: &Store, keys: &[String]) -> Result<Vec<String>, String> {
    let stored = store
        .patches
        .load()
        .await
        .map_err(|error| error.to_string())?;
    let mut patch = Patch::from(stored.document);
    let mut gone = Vec::new();
    for key in keys {
        let names = [key.clone(), format!("registration.{key}")];
        let Some(name) = names
            .into_iter()
            .find(|name| patch.0.shift_remove(name).is_some())
        else {
            let known = patch.keys().join(", ");
            return Err(format!(
                "{key} is not patched; the patched options are: {known}"
            ));
        };
        gone.push(name);
    }
    let replaced = store
        .patches
        .replace(stored.revision, &patch.0.into(), Change::default())
        .await;
    replaced.map_err(|error| error.to_string())?;
    Ok(gone)
}
