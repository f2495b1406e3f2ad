//! The whole server: everything is opened, wired, started, and stopped here.
//!
//! Another program that embeds the server, and every test, does what the binary does:
//! [`start`] it with a [`Configuration`], ask for its [`Server::url`], [`Server::stop`] it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, SystemClock};
use crate::config::{self, Configuration, Settings, Sources};
use crate::http::certificate::Proxies;
use crate::http::serve::{self, Bounds, Entrance};
use crate::http::tls::{Tls, TlsFault};
use crate::reload::{Reloader, Reloads};
use crate::script::{LoadErrors, ScriptSet};
use crate::service::{self, Service, Snapshot};
use crate::store::{Store, StoreError};
use crate::watch::WatchError;
use crate::{lifecycle, routes};

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
    /// A certificate or a key can not be used.
    #[error("{place}{key}: {fault}", key = .fault.key)]
    Tls {
        /// Where the configuration names it, with a colon and a space.
        place: String,
        /// What is wrong.
        fault: TlsFault,
    },
    /// The configuration can not be in force.
    #[error("the configuration is not right:\n{0}")]
    Configuration(String),
    /// The store does not open.
    #[error("the store does not open: {0}")]
    Store(#[from] StoreError),
    /// The scripts do not load.
    #[error("the scripts do not load:\n{0}")]
    Scripts(#[from] LoadErrors),
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

/// A server that runs.
pub struct Server {
    address: SocketAddr,
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
    let Start { configuration, sources, clock } = start;
    let Configuration { settings, live, .. } = configuration;
    service::judge(&live).map_err(StartError::Configuration)?;
    let tls = open_tls(&settings, &sources, &clock)?;
    let listener = listen(settings.server.listen).await?;
    let address = listener.local_addr().unwrap_or(settings.server.listen);
    let scripts = load_scripts(&settings, Arc::clone(&clock)).await?;
    let store = Store::open(&settings.store).await?;
    let issuer = issuer(&settings, address);
    let entrance = entrance(&settings, &tls);
    let service = Arc::new(Service::new(settings, issuer, store, clock, Snapshot::new(live, scripts)));
    let reloads = Arc::new(Reloads::default());
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let (reload, again) = mpsc::channel(1);
    let reloader = Reloader::new(Arc::clone(&service), sources, Arc::clone(&reloads), tls);
    tasks.spawn(reloader.run(again, stop.clone())?);
    tasks.spawn(lifecycle::sweep(Arc::clone(&service), stop.clone()));
    let router = routes::router(Arc::clone(&service), reloads);
    tasks.spawn(serve::serve(listener, router, entrance, stop.clone()));
    tasks.close();
    Ok(Server { address, service, stop, reload, tasks })
}

impl Server {
    /// The address that it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
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

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

fn open_tls(settings: &Settings, sources: &Sources, clock: &Arc<dyn Clock>) -> Result<Arc<Tls>, StartError> {
    let opened = Tls::open(&settings.server.tls, Arc::clone(clock));
    opened.map(Arc::new).map_err(|fault| {
        let place = sources.file.as_deref().map(|file| format!("{}: ", config::place(file, fault.key)));
        StartError::Tls { place: place.unwrap_or_default(), fault }
    })
}

async fn load_scripts(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Arc<ScriptSet>, StartError> {
    let settings = settings.scripts.clone();
    let loaded = tokio::task::spawn_blocking(move || ScriptSet::load(&settings, &clock)).await?;
    Ok(Arc::new(loaded?))
}

fn issuer(settings: &Settings, address: SocketAddr) -> String {
    let scheme = if settings.server.tls.is_on() { "https" } else { "http" };
    settings.server.issuer.clone().unwrap_or_else(|| format!("{scheme}://{address}"))
}

fn entrance(settings: &Settings, tls: &Arc<Tls>) -> Entrance {
    let Settings { server, limits, .. } = settings;
    let bounds = Bounds {
        connections: limits.connections,
        connections_per_party: limits.connections_per_address,
        header_timeout: Duration::from_millis(limits.header_timeout_ms),
        write_timeout: Duration::from_millis(limits.write_timeout_ms),
        shutdown: Duration::from_millis(limits.shutdown_ms),
    };
    let proxies =
        Proxies { trusted: server.trusted_proxies.clone(), headers: server.certificate_headers.clone() };
    Entrance { bounds, tls: Arc::clone(tls), proxies }
}
