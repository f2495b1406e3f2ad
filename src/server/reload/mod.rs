//! What can be reloaded while the server runs: scripts, the live part of the configuration, and the TLS
//! files.
//!
//! One task makes all changes, and everything else requests them from it. It builds the new version beside
//! the running one, and swaps the two once the new one is complete. If that fails, the running version stays,
//! and the reason is kept for `/readyz`.

mod candidate;
mod change;
mod removal;
mod secrets;
pub(crate) mod versions;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::{
    self, Configuration, Layers, Origins, Patch, Settings, Sources, patch::is_of_live,
};
use crate::events;
use crate::http::Tls;
use crate::live::ChangeRequest;
use crate::script::ScriptSet;
use crate::server::{systemd, systemd::ServerState, watch, watch::Guard, watch::WatchError};
use crate::service::reloads::Reloadable;
use crate::service::script_orders::QueuedOrder;
use crate::service::{self, Judged, Service, Snapshot};
use crate::store::{Action, AuditEvent, Author};
use crate::telemetry::{Reloaded, meter};
use removal::Removal;
use versions::WantedScripts;

/// Reports the mistakes in the scripts with which the server starts. No previous set could take their place, so they
/// are used, and what they do wrong fails when it runs.
fn note_mistakes(service: &Service) {
    if let Some(mistakes) = service.snapshot().scripts.mistakes() {
        let cause = mistakes.to_string();
        tracing::error!(
            cause,
            "the scripts have mistakes; run `registrar script check`"
        );
        service.reloads.note(Reloadable::Scripts, Some(cause));
    }
}

/// Lets the metrics of the scripts that take effect begin.
pub(crate) fn note_scripts(scripts: &ScriptSet) {
    for of_script in scripts.statistics() {
        meter::script_in_force(&of_script.script, of_script.hook.name());
    }
}

/// How long files must stay unchanged before they are read.
const QUIET: Duration = Duration::from_millis(200);

/// The watched files. Dropping a guard stops watching.
pub(crate) struct Watched {
    scripts: (Guard, mpsc::Receiver<()>),
    configuration: (Guard, mpsc::Receiver<()>),
    tls: (Guard, mpsc::Receiver<()>),
    candidate: (Guard, mpsc::Receiver<()>),
    secrets: (Guard, mpsc::Receiver<()>),
}

impl Watched {
    /// Watches the scripts of `settings`, the file of `sources` and the files of `tls`. This starts before
    /// they are loaded, so that no change is missed.
    ///
    /// # Errors
    /// When the files cannot be watched.
    pub(crate) fn open(
        settings: &Settings,
        sources: &Sources,
        tls: &Tls,
    ) -> Result<Self, WatchError> {
        let files: Vec<PathBuf> = sources.file.clone().into_iter().collect();
        let candidate: Vec<PathBuf> = settings.scripts.candidate.clone().into_iter().collect();
        Ok(Self {
            scripts: watch::watch(std::slice::from_ref(&settings.scripts.directory), QUIET)?,
            configuration: watch::watch(&files, QUIET)?,
            tls: watch::watch(&tls.files(), QUIET)?,
            candidate: watch::watch(&candidate, QUIET)?,
            secrets: watch::watch(&settings.scripts.secret_files(), QUIET)?,
        })
    }
}

/// Files that are watched together.
#[derive(Clone, Copy)]
enum WatchedFiles {
    Scripts,
    Configuration,
    Tls,
    Candidate,
    Secrets,
}

impl Watched {
    /// Waits until files have changed.
    async fn next(&mut self) -> WatchedFiles {
        tokio::select! {
            Some(()) = self.scripts.1.recv() => WatchedFiles::Scripts,
            Some(()) = self.configuration.1.recv() => WatchedFiles::Configuration,
            Some(()) = self.tls.1.recv() => WatchedFiles::Tls,
            Some(()) = self.candidate.1.recv() => WatchedFiles::Candidate,
            Some(()) = self.secrets.1.recv() => WatchedFiles::Secrets,
            else => std::future::pending().await,
        }
    }
}

/// Requests to the task, besides changed files.
pub(crate) struct Requests {
    /// Requests to reload everything.
    pub(crate) again: mpsc::Receiver<()>,
    /// Requests to patch the live configuration.
    pub(crate) changes: mpsc::Receiver<ChangeRequest>,
    /// Orders about the scripts in force.
    pub(crate) script_orders: mpsc::Receiver<QueuedOrder>,
}

/// What the task watches and rebuilds.
pub(crate) struct Reloader {
    service: Arc<Service>,
    sources: Sources,
    /// The revision of the stored patch, which the sources contain.
    patches: u64,
    /// The warnings about the configuration in force.
    warnings: Vec<String>,
    tls: Arc<Tls>,
    /// Scripts in force that are missing in the folder.
    removal: Option<Removal>,
}

impl Reloader {
    /// A reloader of `tls` and of `service`, whose configuration came from `sources` with `warnings`.
    pub(crate) fn new(
        service: Arc<Service>,
        sources: Sources,
        warnings: Vec<String>,
        tls: Arc<Tls>,
    ) -> Self {
        let patches = service.snapshot().patches;
        note_mistakes(&service);
        Self {
            service,
            sources,
            patches,
            warnings,
            tls,
            removal: None,
        }
    }

    /// Handles requests and changed files of `watched` until `stop` is cancelled.
    pub(crate) async fn run(
        mut self,
        mut watched: Watched,
        mut requests: Requests,
        stop: CancellationToken,
    ) {
        let mut store = self.service.store.watch();
        self.load_candidate().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = watched.next() => self.changed(changed).await,
                () = removal::is_over(self.removal.as_ref()) => self.scripts().await,
                Some(()) = told(&mut store) => self.adopt_all().await,
                Some(change) = requests.changes.recv() => self.change(change).await,
                Some(order) = requests.script_orders.recv() => self.order(order).await,
                Some(()) = requests.again.recv() => self.everything().await,
            }
        }
    }

    /// Reloads files that have changed.
    async fn changed(&mut self, files: WatchedFiles) {
        match files {
            WatchedFiles::Scripts => self.folder_changed().await,
            WatchedFiles::Configuration => self.file_changed().await,
            WatchedFiles::Tls => self.tls().await,
            WatchedFiles::Candidate => self.load_candidate().await,
            WatchedFiles::Secrets => self.secrets().await,
        }
    }

    /// Reloads the configuration after a change of its file.
    async fn file_changed(&mut self) {
        self.configuration(Some(Author::default())).await;
    }

    /// Adopts what other servers may have stored.
    async fn adopt_all(&mut self) {
        self.adopt().await;
        self.adopt_pin().await;
    }

    /// Reloads everything.
    async fn everything(&mut self) {
        systemd::tell(ServerState::Reloading);
        self.file_changed().await;
        self.secrets().await;
        self.scripts().await;
        self.load_candidate().await;
        self.tls().await;
        systemd::tell(ServerState::Ready);
    }

    /// Reloads the certificates and the key. They apply to new connections.
    async fn tls(&self) {
        if self.tls.files().is_empty() {
            return;
        }
        let tls = Arc::clone(&self.tls);
        let failure = match tokio::task::spawn_blocking(move || tls.reload()).await {
            Ok(Ok(())) => {
                tracing::info!(on = self.tls.is_on(), "TLS files reloaded");
                None
            }
            Ok(Err(fault)) => Some(fault.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(cause) = &failure {
            tracing::error!(cause, "TLS file reload failed; keeping the previous files");
        }
        self.count(Reloaded::Certificate, failure.is_none());
        self.service.reloads.note(Reloadable::Tls, failure);
    }

    /// Reloads the scripts after a change of their folder.
    async fn folder_changed(&mut self) {
        if let Some(pin) = &self.service.snapshot().pin {
            tracing::warn!(
                version = pin.version,
                "the script folder has changed, but a version of the scripts is pinned and stays in force; \
                 unpin it with: registrar script unpin"
            );
        }
        self.scripts().await;
    }

    /// Compiles all scripts and swaps them at once, unless they have mistakes.
    async fn scripts(&mut self) {
        let failure = match self.load_wanted().await {
            Ok(wanted) => {
                if let Some(reason) = self.awaits_removal(&wanted) {
                    return self.service.reloads.note(Reloadable::Scripts, Some(reason));
                }
                self.swap_scripts(wanted).await;
                None
            }
            Err(cause) => Some(cause),
        };
        if let Some(cause) = &failure {
            tracing::error!(cause, "script reload failed; keeping the previous scripts");
            let event = self.own(Action::ScriptsRefused, String::new());
            self.log(event.refused("invalid_scripts")).await;
        }
        self.count(Reloaded::Scripts, failure.is_none());
        self.service.reloads.note(Reloadable::Scripts, failure);
    }

    fn count(&self, what: Reloaded, is_ok: bool) {
        meter::reload(what, is_ok.then(|| self.service.clock.now().unix()));
    }

    async fn swap_scripts(&self, wanted: WantedScripts) {
        let WantedScripts { scripts, pin } = wanted;
        let present = self.service.snapshot();
        meter::scripts_pinned(pin.is_some());
        if present.scripts.revision() == scripts.revision() {
            if pin != present.pin {
                let next = present.with_scripts(Arc::clone(&present.scripts), pin);
                self.put_in_force(next).await;
            }
            return;
        }
        tracing::info!(revision = scripts.revision(), "scripts reloaded");
        note_scripts(&scripts);
        let event = self.own(Action::ScriptsReloaded, scripts.revision().to_owned());
        versions::keep_folder(&self.service.store, &scripts).await;
        let next = present.with_scripts(scripts, pin);
        self.put_in_force(next).await;
        self.log(event).await;
    }

    /// Returns the event of an action of this server, without a request.
    fn own(&self, action: Action, subject: String) -> AuditEvent {
        Author::default().did(action, subject, self.service.clock.now())
    }

    /// Records an event of something that has already happened. If that fails, the loss is logged.
    async fn log(&self, event: AuditEvent) {
        if let Err(error) = self.service.store.audit.append(&event).await {
            tracing::error!(%error, action = ?event.action, "cannot write an event to the audit log");
        }
    }

    /// Reloads the configuration and swaps its live part. Without an `author`, the server that made the
    /// change has already recorded it.
    async fn configuration(&mut self, author: Option<Author>) {
        let layers = read_layers(&self.sources).await;
        let next = layers.and_then(|layers| validated(&layers, &self.sources.patch));
        match (next, author) {
            (Ok(next), Some(author)) => {
                self.take_from(&author, &next).await;
                self.count(Reloaded::Configuration, true);
            }
            (Ok(next), None) => {
                self.take(&next).await;
                self.count(Reloaded::Configuration, true);
            }
            (Err(cause), author) => {
                tracing::error!(
                    cause,
                    "configuration reload failed; keeping the previous configuration"
                );
                self.refuse(cause);
                if author.is_some() {
                    let event = self.own(Action::ConfigurationRefused, String::new());
                    self.log(event.refused("invalid_configuration")).await;
                }
            }
        }
    }

    /// Does the same as [`take`](Self::take), and records what `author` changed.
    async fn take_from(&mut self, author: &Author, next: &Whole) {
        let present = self.service.snapshot();
        self.take(next).await;
        let changed = config::changed_keys(&*present.live, &next.configuration.live);
        if !changed.is_empty() {
            let revision = self
                .service
                .snapshot()
                .document(&self.service.settings)
                .revision;
            let event = author.did(
                Action::ConfigurationChanged,
                revision,
                self.service.clock.now(),
            );
            self.log(event.with("changed", changed)).await;
        }
    }

    /// Notes why the configuration was rejected.
    fn refuse(&self, cause: String) {
        self.count(Reloaded::Configuration, false);
        self.service
            .reloads
            .note(Reloadable::Configuration, Some(cause));
    }

    /// Swaps the live part of the configuration for the one of `next`.
    async fn take(&mut self, next: &Whole) {
        self.service.reloads.note(Reloadable::Configuration, None);
        self.warn(&next.configuration.warnings);
        meter::loaded(Reloaded::Configuration, self.service.clock.now().unix());
        let is_from_file = self.sources.file.is_some();
        if is_from_file && next.configuration.settings != *self.service.settings {
            let keys = config::changed_keys(&*self.service.settings, &next.configuration.settings)
                .join(", ");
            tracing::warn!(
                keys,
                "configuration changes require a restart; they are not in force yet"
            );
        }
        let present = self.service.snapshot();
        let origins = origins(&present.origins, &next.configuration.origins);
        let next = present
            .with_live(next.judged.clone())
            .with_origins(origins, self.patches);
        if next.live != present.live {
            tracing::info!(revision = next.revision, "configuration reloaded");
        }
        self.put_in_force(next).await;
    }

    /// Replaces the snapshot. A consumer of events that is new sees all events from then on.
    async fn put_in_force(&self, next: Snapshot) {
        if let Err(error) = events::prepare(&self.service, &next).await {
            tracing::error!(%error, "cannot note from which event on new consumers receive events");
        }
        self.service.replace(next);
    }

    /// Logs the new warnings about the configuration that is now in force.
    fn warn(&mut self, warnings: &[String]) {
        for warning in warnings
            .iter()
            .filter(|warning| !self.warnings.contains(warning))
        {
            tracing::warn!("{warning}");
        }
        self.warnings = warnings.to_vec();
    }
}

/// Waits for a notification of the store, if it sends any.
async fn told(store: &mut Option<mpsc::Receiver<()>>) -> Option<()> {
    store.as_mut()?.recv().await
}

/// Returns the next origins of the live part, and the current origins of the settings.
fn origins(present: &Origins, next: &Origins) -> Origins {
    let mut origins = present.clone();
    origins.retain(|key, _| !is_of_live(key));
    for (key, origin) in next {
        if is_of_live(key) {
            origins.insert(key.clone(), *origin);
        }
    }
    origins
}

/// A valid configuration, with its validated live part.
struct Whole {
    configuration: Configuration,
    judged: Judged,
}

/// Reads the layers of the configuration from `sources`.
async fn read_layers(sources: &Sources) -> Result<Layers, String> {
    let sources = sources.clone();
    let layers = tokio::task::spawn_blocking(move || Layers::read(&sources)).await;
    layers.map_err(|error| error.to_string())
}

/// Validates the configuration that `layers` result in with `patch`.
fn validated(layers: &Layers, patch: &Patch) -> Result<Whole, String> {
    let configuration = layers
        .configuration(patch)
        .map_err(|errors| errors.to_string())?;
    let judged = service::judge(configuration.live.clone())?;
    Ok(Whole {
        configuration,
        judged,
    })
}
