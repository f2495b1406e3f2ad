//! Commands that work directly on the store, while no server has it open.

use std::path::{Path, PathBuf};

use clap::Args;

use super::FileArguments;
use crate::config::{Settings, StoreSettings};
use crate::store::Store;
use crate::store::backend::sled::inspect;

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
    /// Opens the store and does `work` with it.
    pub(super) fn run<T>(
        &self,
        work: impl AsyncFnOnce(&Store, &Settings) -> Result<T, String>,
    ) -> Result<T, String> {
        let data = self.data.as_deref();
        let flags = data.map(|path: &Path| {
            (
                "store.url".to_owned(),
                format!("sled:{}", super::text(path)),
            )
        });
        let settings =
            super::load(&super::sources(&self.file, flags.into_iter().collect()))?.settings;
        refuse_new(&settings.store)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let done = runtime.block_on(async {
            let store = Store::open(&settings.store)
                .await
                .map_err(|error| error.to_string())?;
            work(&store, &settings).await
        });
        // The store writes files when it closes, and their owner must be set too.
        drop(runtime);
        settings.store.url.sled_folder().map(give_back);
        done
    }
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

/// Rejects a store that does not exist, so that it is not created by mistake.
pub(super) fn refuse_new(settings: &StoreSettings) -> Result<(), String> {
    match settings.url.sled_folder() {
        Some(folder) if inspect::is_absent(folder) => Err(format!(
            "there is no store in {}; name its folder with --data",
            folder.display()
        )),
        _ => Ok(()),
    }
}
