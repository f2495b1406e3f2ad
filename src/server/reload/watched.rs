//! The files whose changes cause a reload.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::config::{Settings, Sources};
use crate::http::tls::Tls;
use crate::server::watch::{self, Guard, WatchError};

/// How long files must stay unchanged before they are read.
const QUIET: Duration = Duration::from_millis(200);

/// The watched files. Dropping a guard stops watching.
pub struct Watched {
    pub(super) scripts: (Guard, mpsc::Receiver<()>),
    pub(super) configuration: (Guard, mpsc::Receiver<()>),
    pub(super) tls: (Guard, mpsc::Receiver<()>),
}

impl Watched {
    /// Watches the scripts of `settings`, the file of `sources` and the files of `tls`. This starts before
    /// they are loaded, so that no change is missed.
    ///
    /// # Errors
    /// When the files cannot be watched.
    pub fn open(settings: &Settings, sources: &Sources, tls: &Tls) -> Result<Self, WatchError> {
        let files: Vec<PathBuf> = sources.file.clone().into_iter().collect();
        Ok(Self {
            scripts: watch::watch(std::slice::from_ref(&settings.scripts.directory), QUIET)?,
            configuration: watch::watch(&files, QUIET)?,
            tls: watch::watch(&tls.files(), QUIET)?,
        })
    }
}
