//! The whole server: everything is opened, wired, started, and stopped here.
//!
//! Another program that embeds the server, and every test, does what the binary does:
//! [`start`] it with a [`Configuration`], ask for its [`Server::url`], [`Server::stop`] it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, SystemClock};
use crate::config::{Configuration, Settings, Sources};
use crate::fetch::{self, Fetcher};
use crate::http::serve::{self, Bounds};
use crate::reload::{Reloader, Reloads};
use crate::script::host::{Host, NoHost};
use crate::script::{LoadErrors, Runtime, ScriptSet, SecretError};
use crate::service::{self, Parts, Service, Snapshot};
use crate::store::{Store, StoreError};
use crate::telemetry::meter::{self, Reloaded};
use crate::watch::WatchError;
use crate::{lifecycle, probes, routes};

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can not be listened on.
    #[error("can not listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The configuration can not be in force.
    #[error("the configuration is not right:\n{0}")]
    Configuration(String),
    /// The store does not open.
    #[error("the store does not open: {0}")]
    Store(#[from] StoreError),
    /// A secret for scripts is not there.
    #[error("the configuration is not right: {0}")]
    Secret(#[from] SecretError),
    /// The scripts do not load.
    #[error("the scripts do not load:\n{0}")]
    Scripts(#[from] LoadErrors),
    /// Nothing could be fetched from others.
    #[error("{0}")]
    Fetcher(#[from] fetch::BuildError),
    /// The files can not be watched.
    #[error("the files can not be watched: {0}")]
    Watch(#[from] WatchError),
    /// The process can not hear its signals.
    #[error("the process can not hear its signals: {0}")]
    Signals(std::io::Error),
    /// A task of the start was lost.
    #[error("the start was cut off: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

/// What a server is started with.
pub struct Start {
    /// The configuration.
    pub configuration: Configuration,
    /// Where it came from, so that it can be read again.
    pub sources: Sources,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

impl Start {
    /// A start with the clock of the system and a configuration that came from no file.
    pub fn new(configuration: Configuration) -> Self {
        Self { configuration, sources: Sources::default(), clock: Arc::new(SystemClock) }
    }
}

/// Sockets that somebody else opened; the server listens on them instead of on the addresses of
/// its configuration.
#[derive(Debug, Default)]
pub struct Sockets {
    /// For `server.listen`.
    pub public: Option<std::net::TcpListener>,
    /// For `admin.listen`, whether that is set or not.
    pub admin: Option<std::net::TcpListener>,
}

/// A server that runs.
pub struct Server {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    service: Arc<Service>,
    stop: CancellationToken,
    reload: mpsc::Sender<()>,
    tasks: TaskTracker,
}

/// Opens everything and serves.
///
/// # Errors
/// When the address, the store, the scripts or the files are not to be had.
pub async fn start(start: Start) -> Result<Server, StartError> {
    start_with(start, Sockets::default(), Arc::new(NoHost)).await
}

/// Opens everything but what `sockets` has already, and serves.
///
/// # Errors
/// When the address, the store, the scripts or the files are not to be had.
pub async fn start_on(start: Start, sockets: Sockets) -> Result<Server, StartError> {
    start_with(start, sockets, Arc::new(NoHost)).await
}

/// The same, with another outside for scripts: for tests.
///
/// # Errors
/// When the address, the store, the scripts or the files are not to be had.
pub async fn start_with_host(start: Start, host: Arc<dyn Host>) -> Result<Server, StartError> {
    start_with(start, Sockets::default(), host).await
}

async fn start_with(start: Start, sockets: Sockets, host: Arc<dyn Host>) -> Result<Server, StartError> {
    meter::install();
    let Start { configuration, sources, clock } = start;
    let Configuration { settings, live, .. } = configuration;
    let judged = service::judge(live).map_err(StartError::Configuration)?;
    let listeners = Listeners::open(&settings, sockets).await?;
    let (address, admin_address) = listeners.addresses(&settings);
    let runtime = Runtime::new(&settings.scripts, Arc::clone(&clock), host)?;
    let scripts = load_scripts(&settings, Arc::clone(&runtime)).await?;
    let store = Store::open(&settings.store).await?;
    let issuer = issuer(&settings, address);
    let bounds = bounds(&settings);
    let parts = Parts { store, clock, fetcher: Arc::new(Fetcher::new(&settings.fetch)?) };
    let own_names = vec![issuer.clone(), format!("{issuer}{}", settings.server.paths.registration)];
    let first = Snapshot::new(judged, scripts, own_names);
    let service = Arc::new(Service::new(settings, issuer, parts, first));
    let reloads = Arc::new(Reloads::default());
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let (reload, again) = mpsc::channel(1);
    let reloader = Reloader::new(Arc::clone(&service), sources, Arc::clone(&reloads));
    tasks.spawn(reloader.run(again, stop.clone())?);
    tasks.spawn(lifecycle::sweep(Arc::clone(&service), stop.clone()));
    tasks.spawn(lifecycle::add_up_metrics(stop.clone()));
    // Open requests may still have something to tell when the server stops.
    let served = CancellationToken::new();
    tasks.spawn(runtime.notify(served.clone(), bounds.shutdown));
    let mut serving = Vec::new();
    listeners.serve(&service, reloads, |listener, router| {
        serving.push(serve::serve(listener, router, bounds, stop.clone()));
    });
    tasks.spawn(async move {
        join_all(serving).await;
        served.cancel();
    });
    tasks.close();
    for what in [Reloaded::Scripts, Reloaded::Configuration] {
        meter::loaded(what, service.clock.now().unix());
    }
    Ok(Server { address, admin_address, service, stop, reload, tasks })
}

impl Server {
    /// The address that it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the admin listener, when there is one.
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// The URL under which it calls itself.
    pub fn url(&self) -> &str {
        &self.service.issuer
    }

    /// What its use cases work with.
    pub const fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Ends on a signal, and reloads on SIGHUP.
    ///
    /// # Errors
    /// When the process can not hear its signals.
    pub fn obey_signals(&self) -> Result<(), StartError> {
        let signals = lifecycle::signals(self.stop.clone(), self.reload.clone());
        self.tasks.spawn(signals.map_err(StartError::Signals)?);
        Ok(())
    }

    /// Waits until it has ended.
    pub async fn ended(&self) {
        self.tasks.wait().await;
    }

    /// Takes no more requests, lets open ones finish, and ends.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

/// Where requests come from.
struct Listeners {
    public: TcpListener,
    admin: Option<TcpListener>,
}

impl Listeners {
    async fn open(settings: &Settings, sockets: Sockets) -> Result<Self, StartError> {
        let public = listen(settings.server.listen, sockets.public).await?;
        // Whoever opened a second socket wants the admin listener there.
        let opened = sockets.admin.as_ref().and_then(|socket| socket.local_addr().ok());
        let admin = match settings.admin.listen.or(opened) {
            Some(address) => Some(listen(address, sockets.admin).await?),
            None => None,
        };
        Ok(Self { public, admin })
    }

    /// Where they really listen: a configured port may be 0.
    fn addresses(&self, settings: &Settings) -> (SocketAddr, Option<SocketAddr>) {
        let admin = self.admin.as_ref().and_then(|listener| listener.local_addr().ok());
        (self.public.local_addr().unwrap_or(settings.server.listen), admin)
    }

    /// Hands each listener on with what it answers.
    fn serve(self, service: &Arc<Service>, reloads: Arc<Reloads>, mut each: impl FnMut(TcpListener, Router)) {
        let operations = probes::router(Arc::clone(service), reloads);
        let Some(admin) = self.admin else {
            return each(self.public, routes::public(Arc::clone(service), Some(operations)));
        };
        each(admin, routes::operational(service, operations));
        each(self.public, routes::public(Arc::clone(service), None));
    }
}

/// Listens on `socket` if there is one, else on `address`.
async fn listen(
    address: SocketAddr,
    socket: Option<std::net::TcpListener>,
) -> Result<TcpListener, StartError> {
    let listener = match socket {
        Some(socket) => socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket)),
        None => TcpListener::bind(address).await,
    };
    listener.map_err(|source| StartError::Listen { address, source })
}

async fn load_scripts(settings: &Settings, runtime: Arc<Runtime>) -> Result<Arc<ScriptSet>, StartError> {
    let settings = settings.scripts.clone();
    let loaded = tokio::task::spawn_blocking(move || ScriptSet::load(&settings, &runtime)).await?;
    Ok(Arc::new(loaded?))
}

fn issuer(settings: &Settings, address: SocketAddr) -> String {
    settings.server.issuer.clone().unwrap_or_else(|| format!("http://{address}"))
}

fn bounds(settings: &Settings) -> Bounds {
    let limits = &settings.limits;
    Bounds {
        connections: limits.connections,
        header_timeout: Duration::from_millis(limits.header_timeout_ms),
        shutdown: Duration::from_millis(limits.shutdown_ms),
    }
}
