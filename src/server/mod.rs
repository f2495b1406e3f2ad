//! The whole server: this module opens, wires, starts and stops all parts.
//!
//! A program that embeds the server, and every test, does what the binary does: [`start`] it with a
//! [`Configuration`], read its [`Server::url`], and [`Server::stop`] it.

mod error;
pub mod lifecycle;
mod listeners;
pub mod outside;
pub mod probes;
pub mod reload;
pub mod routes;
pub mod systemd;
pub mod watch;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::{Clock, SystemClock};
use crate::config::{self, Configuration, Live, Settings, Sources};
use crate::fetch::Fetcher;
use crate::http::certificate::Proxies;
use crate::http::serve::{ConnectionBounds, Entrance};
use crate::http::tls::Tls;
use crate::http::untaken::Untaken;
use crate::script::host::Host;
use crate::script::{Runtime, ScriptSet};
use crate::server::outside::Outside;
use crate::server::reload::{Reloader, Reloads, Requests, Watched};
use crate::server::watch::WatchError;
use crate::service::{self, Judged, Parts, Service, Snapshot, Upstream};
use crate::store::audit::{self, AuditWriter};
use crate::store::{Store, StoreError};
use crate::telemetry::meter::{self, Reloaded};
use crate::{live, token};

pub use error::StartError;
use listeners::Listeners;
pub use listeners::Sockets;

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
    Box::pin(start_with(start, sockets, None)).await
}

/// Starts a server with other external functions for scripts, for tests.
///
/// # Errors
/// When the address, the store, the scripts or the files are unavailable or invalid.
pub async fn start_with_host(start: Start, host: Arc<dyn Host>) -> Result<Server, StartError> {
    Box::pin(start_with(start, Sockets::default(), Some(host))).await
}

async fn start_with(
    start: Start,
    sockets: Sockets,
    host: Option<Arc<dyn Host>>,
) -> Result<Server, StartError> {
    meter::install();
    let judged =
        service::judge(start.configuration.live.clone()).map_err(StartError::Configuration)?;
    let opened = Opened::open(&start, sockets).await?;
    let sources = start.sources.or_embedded(&start.configuration);
    let patched = patched(start.configuration, judged, sources, &opened.store);
    let patched = Box::pin(patched).await?;
    let (settings, clock) = (&patched.configuration.settings, start.clock);
    let live = patched.judged.in_force();
    let host = host.unwrap_or_else(|| opened.outside(settings, &clock, &live));
    let scripts = load_scripts(settings, Arc::clone(&clock), host).await?;
    let assembled = assemble(&opened, patched, clock, live, scripts)?;
    // If a folder is missing, the code that reads it has reported that more precisely.
    let watched = opened.watched?;
    let administrator = Box::pin(token::administrator::ensure(&assembled.service)).await?;
    let served = serve(assembled, opened.listeners, opened.tls, watched);
    Ok(Server {
        administrator,
        ..served
    })
}

/// What a server opens before it loads anything.
struct Opened {
    tls: Arc<Tls>,
    listeners: Listeners,
    /// The files, watched from before they are loaded.
    watched: Result<Watched, WatchError>,
    store: Store,
    fetcher: Arc<Fetcher>,
}

impl Opened {
    async fn open(start: &Start, sockets: Sockets) -> Result<Self, StartError> {
        let settings = &start.configuration.settings;
        let tls = open_tls(settings, &start.sources, &start.clock)?;
        let listeners = Listeners::open(settings, sockets).await?;
        let watched = Watched::open(settings, &start.sources, &tls);
        let store = Store::open(&settings.store).await;
        let store = store.map_err(|error| store_error(settings, error))?;
        let fetcher = Arc::new(Fetcher::new(&settings.fetch)?);
        Ok(Self {
            tls,
            listeners,
            watched,
            store,
            fetcher,
        })
    }

    /// Returns the external functions of scripts on the opened parts.
    fn outside(
        &self,
        settings: &Settings,
        clock: &Arc<dyn Clock>,
        live: &Arc<ArcSwap<Live>>,
    ) -> Arc<dyn Host> {
        let (store, fetcher) = (self.store.clone(), Arc::clone(&self.fetcher));
        let (clock, live) = (Arc::clone(clock), Arc::clone(live));
        Arc::new(Outside::new(settings, store, fetcher, clock, live))
    }
}

/// A service, and what its background tasks work with.
struct Assembled {
    service: Arc<Service>,
    /// The sources of the configuration, and its warnings.
    sources: Sources,
    warnings: Vec<String>,
    /// Requested changes of the live configuration.
    changes: mpsc::Receiver<live::Change>,
    /// Audit events of rejected requests.
    refused: AuditWriter,
}

/// Creates the service of all parts.
fn assemble(
    opened: &Opened,
    patched: Patched,
    clock: Arc<dyn Clock>,
    live: Arc<ArcSwap<Live>>,
    scripts: Arc<ScriptSet>,
) -> Result<Assembled, StartError> {
    let Configuration {
        settings,
        origins,
        warnings,
        ..
    } = patched.configuration;
    let (address, admin_address) = opened.listeners.addresses(&settings);
    let issuer = issuer(&settings, address);
    let (changes, requested) = live::queue();
    let (refusals, refused) = audit::queue(opened.store.audit.clone());
    let parts = Parts {
        jwks: token::keys::jwks(&scripts.runtime().secrets()),
        upstream: upstream(&settings, &issuer, &clock)?,
        store: opened.store.clone(),
        clock,
        fetcher: Arc::clone(&opened.fetcher),
        live,
        changes,
        refusals,
        admin_address,
    };
    let first = Snapshot::new(patched.judged, scripts, own_names(&settings, &issuer));
    let first = first.with_origins(origins, patched.revision);
    Ok(Assembled {
        service: Arc::new(Service::new(settings, issuer, parts, first)),
        sources: patched.sources,
        warnings,
        changes: requested,
        refused,
    })
}

/// Serves requests, and spawns all background tasks.
fn serve(assembled: Assembled, listeners: Listeners, tls: Arc<Tls>, watched: Watched) -> Server {
    let service = assembled.service;
    let (address, admin_address) = listeners.addresses(&service.settings);
    let entrance = entrance(&service.settings, &tls);
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (reload, again) = mpsc::channel(1);
    let reloads = Arc::new(Reloads::default());
    note_loaded(&service, &tls);
    let requests = Requests {
        again,
        changes: assembled.changes,
    };
    let reloader = Reloader::new(
        Arc::clone(&service),
        assembled.sources,
        assembled.warnings,
        Arc::clone(&reloads),
        tls,
    );
    tasks.spawn(reloader.run(watched, requests, stop.clone()));
    let patience = entrance.bounds.shutdown;
    let serving = listeners.serve(&service, reloads, entrance, &stop);
    let served = CancellationToken::new();
    tasks.spawn(finish(serving, Arc::clone(&service), served.clone()));
    tasks.spawn(assembled.refused.run(served.clone()));
    let runtime = Arc::clone(service.snapshot().scripts.runtime());
    tasks.spawn(runtime.notify(served.clone(), patience));
    spawn_lifecycle(&tasks, &service, &stop, served);
    tasks.close();
    Server {
        address,
        admin_address,
        service,
        stop,
        reload,
        tasks,
        administrator: None,
    }
}

/// Waits until `serving` has ended and all changes are complete, and then cancels `served`. Until then, open
/// requests may queue notifications and audit events.
async fn finish(
    serving: impl Future<Output = ()>,
    service: Arc<Service>,
    served: CancellationToken,
) {
    serving.await;
    service.changes_under_way.close();
    service.changes_under_way.wait().await;
    served.cancel();
}

/// Spawns the periodic tasks. The uses of clients are written a last time after `served`.
fn spawn_lifecycle(
    tasks: &TaskTracker,
    service: &Arc<Service>,
    stop: &CancellationToken,
    served: CancellationToken,
) {
    tasks.spawn(lifecycle::sweep(Arc::clone(service), stop.clone()));
    tasks.spawn(lifecycle::write_uses(Arc::clone(service), served));
    tasks.spawn(lifecycle::add_up_metrics(stop.clone()));
    tasks.spawn(lifecycle::look_upstream(Arc::clone(service), stop.clone()));
}

/// Records when everything that can be reloaded was loaded.
fn note_loaded(service: &Service, tls: &Tls) {
    let now = service.clock.now().unix();
    meter::loaded(Reloaded::Scripts, now);
    meter::loaded(Reloaded::Configuration, now);
    if !tls.files().is_empty() {
        meter::loaded(Reloaded::Certificate, now);
    }
}

impl Server {
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
    pub const fn service(&self) -> &Arc<Service> {
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
        self.tasks.spawn(signals.map_err(StartError::Signals)?);
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

fn open_tls(
    settings: &Settings,
    sources: &Sources,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<Tls>, StartError> {
    let opened = Tls::open(&settings.server.tls, Arc::clone(clock));
    opened.map(Arc::new).map_err(|fault| {
        let place = sources
            .file
            .as_deref()
            .map(|file| format!("{}: ", config::place(file, fault.key)));
        StartError::Tls {
            place: place.unwrap_or_default(),
            fault,
        }
    })
}

/// Returns the names of this server that are accepted in the `aud` of a token.
fn own_names(settings: &Settings, issuer: &str) -> Vec<String> {
    let paths = &settings.server.paths;
    let urls = [&paths.registration, &paths.token].map(|path| format!("{issuer}{path}"));
    std::iter::once(issuer.to_owned()).chain(urls).collect()
}

/// A configuration with the patch from the store.
struct Patched {
    configuration: Configuration,
    judged: Judged,
    sources: Sources,
    /// The revision of the patch.
    revision: u64,
}

/// Applies the patch from the store to the configuration.
async fn patched(
    configuration: Configuration,
    judged: Judged,
    sources: Sources,
    store: &Store,
) -> Result<Patched, StartError> {
    let stored = store.patches.load().await.map_err(|error| match error {
        StoreError::Corrupt { .. } => StartError::Patch(error.to_string()),
        error => store_error(&configuration.settings, error),
    })?;
    let unpatched = Patched {
        configuration,
        judged,
        sources: Sources {
            patch: stored.document.into(),
            ..sources
        },
        revision: stored.revision,
    };
    if unpatched.sources.patch.0.is_empty() {
        return Ok(unpatched);
    }
    unpatched.loaded_again().await
}

impl Patched {
    /// Loads the live configuration again, now with the patch. The settings stay.
    async fn loaded_again(self) -> Result<Self, StartError> {
        let again = self.sources.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load(&again)).await?;
        let patched = loaded.map_err(|errors| StartError::Patch(errors.to_string()))?;
        let judged = service::judge(patched.live.clone()).map_err(StartError::Patch)?;
        let keys = self.sources.patch.keys();
        tracing::info!(?keys, "patched configuration values are in force");
        let configuration = Configuration {
            settings: self.configuration.settings,
            ..patched
        };
        Ok(Self {
            configuration,
            judged,
            ..self
        })
    }
}

fn store_error(settings: &Settings, source: StoreError) -> StartError {
    let url = settings.store.url.clone();
    StartError::Store { url, source }
}

async fn load_scripts(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    host: Arc<dyn Host>,
) -> Result<Arc<ScriptSet>, StartError> {
    let settings = settings.scripts.clone();
    let runtime = Runtime::new(&settings, clock, host)?;
    let loaded = tokio::task::spawn_blocking(move || ScriptSet::load(&settings, &runtime)).await?;
    Ok(Arc::new(loaded?))
}

fn upstream(
    settings: &Settings,
    issuer: &str,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Upstream>, StartError> {
    let Some(named) = settings.upstream() else {
        return Ok(None);
    };
    let upstream = Upstream::new(named, issuer, clock, &settings.fetch)?;
    Ok(Some(upstream))
}

fn issuer(settings: &Settings, address: SocketAddr) -> String {
    let scheme = if settings.server.tls.is_on() {
        "https"
    } else {
        "http"
    };
    settings
        .server
        .issuer
        .clone()
        .unwrap_or_else(|| format!("{scheme}://{address}"))
}

fn entrance(settings: &Settings, tls: &Arc<Tls>) -> Entrance {
    let Settings { server, limits, .. } = settings;
    let bounds = ConnectionBounds {
        connections: limits.connections,
        connections_per_party: limits.connections_per_address,
        header_timeout: Duration::from_millis(limits.header_timeout_ms),
        body_timeout: Duration::from_millis(limits.body_timeout_ms),
        write_timeout: Duration::from_millis(limits.write_timeout_ms),
        shutdown: Duration::from_millis(limits.shutdown_ms),
    };
    let proxies = Proxies {
        trusted: server.trusted_proxies.clone(),
        headers: server.certificate_headers.clone(),
    };
    let untaken = Arc::new(Untaken::new(limits.answer_bytes, limits.requests));
    Entrance {
        bounds,
        tls: Arc::clone(tls),
        proxies,
        untaken,
    }
}
