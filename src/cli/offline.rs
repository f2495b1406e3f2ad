//! Commands that work directly on the store, while no server has it open: `registrar admin reset` and
//! `registrar config reset`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::{DEFAULT_FILE, FileArguments, counted};
use crate::config::{Patch, Settings};
use crate::store::{Change, Store, StoreError, backend::offline::EmbeddedStore};
use crate::token::{administrator, administrator::AdministratorError};

/// The store to work on.
#[derive(Debug, Args)]
pub(super) struct OfflineArguments {
    #[command(flatten)]
    file: FileArguments,
    /// The folder of the embedded store.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl OfflineArguments {
    /// Returns the store in the folder `data`, or the one of the configuration in `file`.
    pub(super) const fn new(file: FileArguments, data: Option<PathBuf>) -> Self {
        Self { file, data }
    }

    /// Returns the configuration of a store that may not exist.
    pub(super) fn settings_of_any(&self) -> Result<Settings, String> {
        let mut sources = super::sources(&self.file, Vec::new());
        let is_default = self.file.config == Path::new(DEFAULT_FILE);
        if self.data.is_some() && is_default && !self.file.config.exists() {
            // A store can be restored and checked where nothing else of the server is.
            sources.file = None;
        }
        if let Some(folder) = &self.data {
            sources = super::with_store(sources, folder);
        }
        Ok(super::load_configuration(&sources)?.settings)
    }

    /// Returns the configuration of a store that exists, so that none is created by mistake.
    pub(super) fn settings(&self) -> Result<Settings, String> {
        let settings = self.settings_of_any()?;
        if let Some(store) = EmbeddedStore::of(&settings.store.url) {
            store.refuse_unfinished().map_err(message)?;
            if store.is_absent() {
                let folder = store.folder().display();
                return Err(format!(
                    "there is no store in {folder}; name its folder with --data"
                ));
            }
        }
        Ok(settings)
    }

    /// Opens the store and does `work` with it.
    pub(super) fn run<T>(
        &self,
        work: impl AsyncFnOnce(&Store, &Settings) -> Result<T, String>,
    ) -> Result<T, String> {
        let settings = self.settings()?;
        let runtime = super::runtime()?;
        let done = runtime.block_on(async {
            let store = Store::open(&settings.store).await.map_err(message)?;
            work(&store, &settings).await
        });
        // The store writes files when it closes, and their owner must be set too.
        drop(runtime);
        if let Some(folder) = settings.store.url.folder() {
            give_back(folder);
        }
        done
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to `map_err`")]
pub(super) fn message(error: StoreError) -> String {
    error.to_string()
}

/// Gives the administrator a new secret. This is the recovery for lost credentials, so it works directly on
/// the store. The administrator exists throughout, also for other servers that run on the same database.
pub(super) fn reset_administrator(arguments: &OfflineArguments) -> Result<(), String> {
    let file = arguments.run(replace_secret)?;
    note!(
        "registrar: the new secret of the administrator is in {}; the previous one is no longer valid",
        file.display()
    );
    Ok(())
}

async fn replace_secret(store: &Store, settings: &Settings) -> Result<PathBuf, String> {
    match administrator::reset(store, settings, super::clock().now()).await {
        Ok(file) => Ok(file),
        Err(AdministratorError::Store(StoreError::Conflict)) => {
            Err("another process changed the administrator at the same time; retry".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Removes values that were patched while the server ran. This is the recovery when they are no longer valid,
/// so it works directly on the store, without a server.
pub(super) fn reset_patches(arguments: &OfflineArguments, keys: &[String]) -> Result<(), String> {
    let removed = arguments.run(async |store, _| {
        if keys.is_empty() {
            remove_all(store).await
        } else {
            remove(store, keys).await
        }
    })?;
    for key in &removed {
        say!("{key}");
    }
    note!(
        "registrar: {} removed; the values of the file apply again",
        counted(removed.len(), "patched value")
    );
    Ok(())
}

/// Removes all patched values, even if they can no longer be read.
async fn remove_all(store: &Store) -> Result<Vec<String>, String> {
    let mut keys = Vec::new();
    match store.patches.load().await {
        Ok(stored) => {
            for key in Patch::from(stored.document).keys() {
                keys.push(key.to_owned());
            }
        }
        Err(error) => note!("registrar: warning: {error}"),
    }
    store.patches.clear().await.map_err(message)?;
    Ok(keys)
}

/// Removes the values of `keys`, all of which must be patched.
async fn remove(store: &Store, keys: &[String]) -> Result<Vec<String>, String> {
    let stored = store.patches.load().await.map_err(message)?;
    let mut patch = Patch::from(stored.document);
    let mut removed = Vec::new();
    for key in keys {
        let names = [key.clone(), format!("registration.{key}")];
        let found = names
            .into_iter()
            .find(|name| patch.0.shift_remove(name).is_some());
        let Some(name) = found else {
            let known = patch.keys().join(", ");
            return Err(format!(
                "{key} is not patched; the patched options are: {known}"
            ));
        };
        removed.push(name);
    }
    let rest = patch.0.into();
    let replaced = store
        .patches
        .replace(stored.revision, &rest, Change::default())
        .await;
    replaced.map_err(|error| error.to_string())?;
    Ok(removed)
}

/// Gives the files of the store in `folder` to the owner of the folder. Root may work on the store of a
/// server that runs as another user, and that user must be able to read the files that root created.
#[cfg(unix)]
pub(super) fn give_back(folder: &Path) {
    use std::os::unix::fs::{MetadataExt, lchown};

    let Ok(owner) = folder.metadata() else { return };
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let (path, Ok(file)) = (entry.path(), entry.metadata()) else {
            continue;
        };
        if file.uid() != owner.uid()
            && let Err(error) = lchown(&path, Some(owner.uid()), Some(owner.gid()))
        {
            note!(
                "registrar: {} cannot be given to the owner of its folder: {error}",
                path.display()
            );
        }
        if file.is_dir() {
            give_back(&path);
        }
    }
}

/// Does nothing: on these systems, files have no single owner.
#[cfg(not(unix))]
pub(super) const fn give_back(_: &Path) {}
