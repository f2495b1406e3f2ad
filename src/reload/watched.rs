//! The files that say what is to be loaded again.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::config::{Settings, Sources};
use crate::http::tls::Tls;
use crate::watch::{self, Guard, WatchError};

/// How long files must be left alone before they are read.
const QUIET: Duration = Duration::from_millis(200);

/// The files that are watched, each with what ends the watching when it is dropped.
pub struct Watched {
    pub(super) scripts: (Guard, mpsc::Receiver<()>),
    pub(super) configuration: (Guard, mpsc::Receiver<()>),
    pub(super) tls: (Guard, mpsc::Receiver<()>),
}

impl Watched {
    /// Watches the scripts of `settings`, the file of `sources` and those of `tls`: from before they
    /// are loaded, so that no change of them is missed.
    ///
    /// # Errors
    /// When they can be watched in no way.
    pub fn open(settings: &Settings, sources: &Sources, tls: &Tls) -> Result<Self, WatchError> {
        let files: Vec<PathBuf> = sources.file.clone().into_iter().collect();
        Ok(Self {
            scripts: watch::watch(std::slice::from_ref(&settings.scripts.directory), QUIET)?,
            configuration: watch::watch(&files, QUIET)?,
            tls: watch::watch(&tls.files(), QUIET)?,
        })
    }
}
