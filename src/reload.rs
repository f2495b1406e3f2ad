//! What changes while the server runs: scripts, and the live part of the configuration.
//!
//! One task writes. It builds the new thing beside the running one and swaps it when it is
//! whole; when it is not, the one that runs stays, and the reason is kept to be asked for.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::{self, Sources};
use crate::script::ScriptSet;
use crate::service::{self, Service};
use crate::systemd::{self, State};
use crate::telemetry::meter::{self, Reloaded};
use crate::watch::{self, WatchError};

/// How long files must be left alone before they are read.
const QUIET: Duration = Duration::from_millis(200);

/// Why the last reload of a kind was not taken.
#[derive(Debug, Default)]
pub struct Reloads {
    scripts: Mutex<Option<String>>,
    configuration: Mutex<Option<String>>,
}

impl Reloads {
    /// What is not in force, and why: names of members of `/readyz`.
    pub fn failures(&self) -> Vec<(&'static str, String)> {
        let kinds = [("scriptsError", &self.scripts), ("configurationError", &self.configuration)];
        let failed = |(name, slot): (&'static str, &Mutex<Option<String>>)| {
            let slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            slot.clone().map(|error| (name, error))
        };
        kinds.into_iter().filter_map(failed).collect()
    }
}

fn note(slot: &Mutex<Option<String>>, failure: Option<String>) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = failure;
}

/// What the task watches and rebuilds.
pub struct Reloader {
    service: Arc<Service>,
    sources: Sources,
    reloads: Arc<Reloads>,
}

impl Reloader {
    /// A reloader of `service`, whose configuration came from `sources`.
    pub const fn new(service: Arc<Service>, sources: Sources, reloads: Arc<Reloads>) -> Self {
        Self { service, sources, reloads }
    }

    /// Watches until `stop`. `again` asks for a look without a change of a file.
    ///
    /// # Errors
    /// When the files can not be watched.
    pub fn run(
        self,
        mut again: tokio::sync::mpsc::Receiver<()>,
        stop: CancellationToken,
    ) -> Result<impl Future<Output = ()> + Send, WatchError> {
        let directory: PathBuf = self.service.settings.scripts.directory.clone();
        let (scripts_guard, mut scripts) = watch::watch(&[directory], QUIET)?;
        let files: Vec<PathBuf> = self.sources.file.clone().into_iter().collect();
        let (file_guard, mut file) = watch::watch(&files, QUIET)?;
        Ok(async move {
            // The guards end the watching when they are dropped.
            let _guards = (scripts_guard, file_guard);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    Some(()) = scripts.recv() => self.scripts().await,
                    Some(()) = file.recv() => self.configuration().await,
                    Some(()) = again.recv() => {
                        systemd::tell(State::Reloading);
                        self.configuration().await;
                        self.scripts().await;
                        systemd::tell(State::Ready);
                    }
                }
            }
        })
    }

    /// Compiles all scripts and swaps them at once.
    async fn scripts(&self) {
        let settings = self.service.settings.scripts.clone();
        let runtime = Arc::clone(self.service.snapshot().scripts.runtime());
        let loaded = tokio::task::spawn_blocking(move || ScriptSet::load(&settings, &runtime)).await;
        let failure = match loaded {
            Ok(Ok(scripts)) => {
                self.swap_scripts(scripts);
                None
            }
            Ok(Err(errors)) => Some(errors.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(cause) = &failure {
            tracing::error!(cause, "the scripts were not taken; those before them are in force");
        }
        self.count(Reloaded::Scripts, failure.is_none());
        note(&self.reloads.scripts, failure);
    }

    fn count(&self, what: Reloaded, is_ok: bool) {
        meter::reload(what, is_ok.then(|| self.service.clock.now().unix()));
    }

    fn swap_scripts(&self, scripts: ScriptSet) {
        let present = self.service.snapshot();
        if present.scripts.revision() == scripts.revision() {
            return;
        }
        tracing::info!(revision = scripts.revision(), "other scripts are in force");
        self.service.replace(present.with_scripts(Arc::new(scripts)));
    }

    /// Reads the configuration again and swaps its live part.
    async fn configuration(&self) {
        let sources = self.sources.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load(&sources)).await;
        let failure = match loaded {
            Ok(Ok(configuration)) => self.swap_configuration(configuration),
            Ok(Err(errors)) => Some(errors.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(cause) = &failure {
            tracing::error!(cause, "the configuration was not taken; the one before it is in force");
        }
        self.count(Reloaded::Configuration, failure.is_none());
        note(&self.reloads.configuration, failure);
    }

    fn swap_configuration(&self, next: config::Configuration) -> Option<String> {
        let present = self.service.snapshot();
        if next.settings != self.service.settings {
            tracing::warn!(
                "a part of the configuration changed that needs a restart; it is not in force yet"
            );
        }
        if next.live == present.live {
            return None;
        }
        match service::judge(next.live) {
            Ok(judged) => {
                let next = present.with_live(judged);
                tracing::info!(revision = next.revision, "another configuration is in force");
                self.service.replace(next);
                None
            }
            Err(reason) => Some(reason),
        }
    }
}
