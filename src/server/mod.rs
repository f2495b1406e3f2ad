//! The whole server: this module starts and stops it; `startup` opens and wires its parts.
//!
//! A program that embeds the server, and every test, does what the binary does: [`start`] it with a
//! [`Configuration`], read its [`Server::url`], and [`Server::stop`] it.

mod key_rotation;
pub(crate) mod lifecycle;
mod listeners;
pub(crate) mod probes;
pub(crate) mod reload;
pub(crate) mod routes;
mod startup;
pub(crate) mod systemd;
pub(crate) mod watch;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::{Clock, SystemClock};
use crate::config::{Configuration, Sources, StoreUrl};
use crate::events;
use crate::fetch::{self, FakeNames};
use crate::http::{Tls, TlsFault};
use crate::script::{Host, SecretError};
use crate::service::Service;
use crate::store::{AuditWriter, StoreError};
use crate::telemetry::{Reloaded, meter};
use crate::token::{administrator, administrator::AdministratorError};
use crate::trial;

pub use listeners::Sockets;
use listeners::{Listeners, Served};
use probes::{Audience, Certificates};
use reload::{Reloader, Requests, Watched};
use startup::Prepared;
use watch::WatchError;

/// What a server is started with.
pub struct Start {
    /// The configuration.
    pub configuration: Configuration,
    /// The sources of the configuration, so that it can be reloaded.
    pub sources: Sources,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

impl Start {
    /// A start with the system clock and a configuration that was not read from a file.
    pub fn new(configuration: Configuration) -> Self {
        Self {
            configuration,
            sources: Sources::default(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    service: Arc<Service>,
    stop: CancellationToken,
    reload: mpsc::Sender<()>,
    tasks: TaskTracker,
    administrator: Option<PathBuf>,
}

/// Opens all parts and starts to serve.
///
/// # Errors
/// When the address, the store, the scripts or the files are unavailable or invalid.
pub async fn start(start: Start) -> Result<Server, StartError> {
    start_on(start, Sockets::default()).await
}

/// Opens all parts except the given `sockets`, and starts to serve.
///
/// # Errors
/// When the address, the store, the scripts or the files are unavailable or invalid.
pub async fn start_on(start: Start, sockets: Sockets) -> Result<Server, StartError> {
    Box::pin(start_with(start, sockets, StandIns::default())).await
}

/// What stands in for other systems in tests.
#[derive(Default)]
pub(crate) struct StandIns {
    /// The external functions of scripts.
    pub(crate) host: Option<Arc<dyn Host>>,
    /// The resolver of names.
    pub(crate) names: Option<Arc<FakeNames>>,
}

/// Starts a server that uses `stand_ins` instead of other systems, for tests.
///
/// # Errors
/// When the address, the store, the scripts or the files are unavailable or invalid.
pub(crate) async fn start_with_stand_ins(
    start: Start,
    stand_ins: StandIns,
) -> Result<Server, StartError> {
    Box::pin(start_with(start, Sockets::default(), stand_ins)).await
}

async fn start_with(
    start: Start,
    sockets: Sockets,
    stand_ins: StandIns,
) -> Result<Server, StartError> {
    meter::install(SystemClock.now().unix());
    let prepared = Box::pin(startup::prepare(start, sockets, stand_ins)).await?;
    let administrator = Box::pin(administrator::ensure(&prepared.service)).await;
    let administrator = administrator.map_err(StartFault::Administrator)?;
    Ok(Server::serve(prepared, administrator))
}

impl Server {
    /// Serves requests, and spawns all background tasks.
    fn serve(prepared: Prepared, administrator: Option<PathBuf>) -> Self {
        let service = prepared.service;
        note_loaded(&service, &prepared.tls);
        let (address, admin_address) = prepared.listeners.addresses(&service.settings);
        let (reload, again) = mpsc::channel(1);
        let server = Self {
            address,
            admin_address,
            service: Arc::clone(&service),
            stop: service.stopping.clone(),
            reload,
            tasks: TaskTracker::new(),
            administrator,
        };
        server.follow_keys();
        let ended = server.spawn_listeners(prepared.listeners, &prepared.tls);
        let reloader = Reloader::new(service, prepared.sources, prepared.warnings, prepared.tls);
        let requests = Requests {
            again,
            changes: prepared.changes,
            script_orders: prepared.script_orders,
        };
        let reloading = reloader.run(prepared.watched, requests, server.stop.clone());
        server.tasks.spawn(reloading);
        server.spawn_lifecycle(prepared.refused, &ended);
        server
    }

    /// Follows the key file.
    fn follow_keys(&self) {
        let keys = key_rotation::follow(Arc::clone(&self.service), self.stop.clone());
        self.tasks.spawn(keys);
    }

    /// Serves requests until the server stops. The token that is returned is cancelled once all of them have
    /// ended.
    fn spawn_listeners(&self, listeners: Listeners, tls: &Arc<Tls>) -> CancellationToken {
        let (observer, followed) = trial::queue();
        let service = Arc::clone(&self.service);
        self.tasks.spawn(followed.work(service, self.stop.clone()));
        let served = Served {
            service: &self.service,
            certificates: Certificates::of(Arc::clone(tls), &self.service),
            tls,
            observer,
        };
        let serving = listeners.serve(served, &self.stop);
        let ended = CancellationToken::new();
        self.tasks.spawn(finish(serving, ended.clone()));
        ended
    }

    /// Spawns the writers of what requests cause, which work until all requests have `ended`, and the periodic
    /// tasks. These are the last tasks.
    fn spawn_lifecycle(&self, refused: AuditWriter, ended: &CancellationToken) {
        let (service, stop) = (|| Arc::clone(&self.service), || self.stop.clone());
        self.tasks.spawn(refused.run(ended.clone()));
        let patience = Duration::from_millis(self.service.settings.limits.shutdown_ms);
        let consumers = events::run(service(), ended.clone(), patience);
        self.tasks.spawn(consumers);
        let uses = lifecycle::write_uses(service(), ended.clone());
        self.tasks.spawn(uses);
        self.tasks.spawn(lifecycle::sweep(service(), stop()));
        let continued = lifecycle::continue_upstream(service(), stop(), ended.clone());
        self.tasks.spawn(continued);
        self.tasks.spawn(lifecycle::add_up_metrics(stop()));
        let upstream = lifecycle::look_upstream(service(), stop());
        self.tasks.spawn(upstream);
        self.tasks.close();
    }

    /// Returns the address that the server listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the admin listener, if there is one.
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Returns the issuer URL of the server.
    pub fn url(&self) -> &str {
        &self.service.issuer
    }

    /// Returns the service of its use cases.
    pub(crate) const fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Returns where this start, as the first one, wrote the credentials of the administrator.
    pub fn administrator(&self) -> Option<&Path> {
        self.administrator.as_deref()
    }

    /// Makes signals stop the server, and SIGHUP reload it.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub fn obey_signals(&self) -> Result<(), StartError> {
        let signals = lifecycle::signals(self.stop.clone(), self.reload.clone());
        self.tasks.spawn(signals.map_err(StartFault::Signals)?);
        Ok(())
    }

    /// Waits until the server has stopped.
    pub async fn ended(&self) {
        self.tasks.wait().await;
    }

    /// Accepts no more requests, lets open ones finish, and stops.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

/// Waits until `serving` has ended, and then cancels `ended`. Until then, open requests may append events and
/// queue audit events.
async fn finish(serving: impl Future<Output = ()>, ended: CancellationToken) {
    serving.await;
    ended.cancel();
}

/// Records when everything that can be reloaded was loaded.
fn note_loaded(service: &Service, tls: &Tls) {
    let now = service.clock.now().unix();
    reload::note_scripts(&service.snapshot().scripts);
    meter::loaded(Reloaded::Scripts, now);
    meter::loaded(Reloaded::Configuration, now);
    if !tls.files().is_empty() {
        meter::loaded(Reloaded::Certificate, now);
    }
}

/// Why the server does not start: its text says what is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StartError(#[from] StartFault);

#[derive(Debug, thiserror::Error)]
enum StartFault {
    /// The server cannot listen on the address.
    #[error("cannot listen on {address}: {source}; {}", advice(.source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A certificate or a key cannot be used.
    #[error("{place}{key}: {fault}", key = .fault.key)]
    Tls {
        /// The location of the option in the configuration, with a colon and a space.
        place: String,
        /// What is wrong.
        fault: TlsFault,
    },
    /// The configuration is invalid.
    #[error("invalid configuration:\n{0}")]
    Configuration(String),
    /// The store cannot be opened.
    #[error("cannot open the store {url}: {source}{}", remedy(.source, .url))]
    Store {
        /// `store.url`
        url: StoreUrl,
        /// The reason.
        source: StoreError,
    },
    /// A secret for scripts is missing.
    #[error("invalid configuration: {0}")]
    Secret(#[from] SecretError),
    /// The configuration patch in the store is no longer valid.
    #[error(
        "the configuration patch in the store, which was made while the server ran, is no longer \
         valid:\n{0}\nfix the configuration file, or remove the patch: registrar config reset [KEY...]"
    )]
    Patch(String),
    /// The scripts cannot be loaded.
    #[error("cannot load the scripts:\n{0}")]
    Scripts(String),
    /// The client for outgoing requests cannot be created.
    #[error("{0}")]
    Fetcher(#[from] fetch::BuildError),
    /// The files cannot be watched.
    #[error("cannot watch the files for changes: {0}")]
    Watch(#[from] WatchError),
    /// The signal handlers cannot be installed.
    #[error("cannot install the signal handlers: {0}")]
    Signals(std::io::Error),
    /// The administrator cannot be created.
    #[error("startup failed: {0}")]
    Administrator(#[from] AdministratorError),
    /// A startup task was aborted.
    #[error("startup was interrupted: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

/// Returns advice for an address that is unavailable.
fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => {
            "stop the process that uses it, or set another port with --listen or server.listen \
             (admin.listen for administrators)"
        }
        ErrorKind::PermissionDenied => {
            "set a port from 1024 up with --listen or server.listen (admin.listen for administrators)"
        }
        _ => {
            "set an address of this machine with --listen or server.listen (admin.listen for administrators)"
        }
    }
}

/// Returns advice for a store error that contains only a system error.
fn remedy(error: &StoreError, url: &StoreUrl) -> &'static str {
    match error {
        StoreError::Unavailable(_) if url.is_postgres() => {
            "; check that the database is running, and that store.url names it and a user with access to it"
        }
        StoreError::Unavailable(_) => {
            "; give this user write access to the folder, or set another one with --data or store.url"
        }
        _ => "",
    }
}
