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

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::clock::{Clock, SystemClock};
use crate::config::{self, Configuration, Settings, Sources};
use crate::fetch::Fetcher;
use crate::http::certificate::Proxies;
use crate::http::serve::{Bounds, Entrance};
use crate::http::tls::Tls;
use crate::http::untaken::Untaken;
use crate::script::host::Host;
use crate::script::{Runtime, ScriptSet};
use crate::server::outside::Outside;
use crate::server::reload::{Reloader, Reloads, Requests, Watched};
use crate::service::{self, Judged, Parts, Service, Snapshot, Upstream};
use crate::store::{Store, StoreError, audit};
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
    let outside = Arc::new(Outside::new());
    let server = Box::pin(start_with(start, sockets, outside.clone())).await?;
    outside.belongs_to(&server.service);
    Ok(server)
}

/// Starts a server with other external functions for scripts, for tests.
///
/// # Errors
/// When the address, the store, the scripts or the files are unavailable or invalid.
pub async fn start_with_host(start: Start, host: Arc<dyn Host>) -> Result<Server, StartError> {
    Box::pin(start_with(start, Sockets::default(), host)).await
}

async fn start_with(
    start: Start,
    sockets: Sockets,
    host: Arc<dyn Host>,
) -> Result<Server, StartError> {
    meter::install();
    let Start {
        configuration,
        sources,
        clock,
    } = start;
    let judged = service::judge(configuration.live.clone()).map_err(StartError::Configuration)?;
    let tls = open_tls(&configuration.settings, &sources, &clock)?;
    let listeners = Listeners::open(&configuration.settings, sockets).await?;
    let (address, admin_address) = listeners.addresses(&configuration.settings);
    let runtime = Runtime::new(&configuration.settings.scripts, Arc::clone(&clock), host)?;
    let watched = Watched::open(&configuration.settings, &sources, &tls);
    let scripts = load_scripts(&configuration.settings, Arc::clone(&runtime)).await?;
    // If a folder is missing, the code that reads it reports that more precisely.
    let watched = watched?;
    let url = configuration.settings.store.url.clone();
    let opened = Store::open(&configuration.settings.store).await;
    let store = opened.map_err(|source| StartError::Store { url, source })?;
    let sources = sources.or_embedded(&configuration);
    let patched = Box::pin(patched((configuration, judged), sources, &store)).await?;
    let Patched {
        configuration,
        judged,
        sources,
        revision,
    } = patched;
    let Configuration {
        settings,
        origins,
        warnings,
        ..
    } = configuration;
    let issuer = issuer(&settings, address);
    let entrance = entrance(&settings, &tls);
    let patience = entrance.bounds.shutdown;
    let (changes, requested) = live::queue();
    let jwks = token::keys::jwks(&runtime.secrets());
    let fetcher = Arc::new(Fetcher::new(&settings.fetch)?);
    let named = settings
        .upstream()
        .map(|named| Upstream::new(named, &issuer, &clock, &settings.fetch));
    let upstream = named.transpose()?;
    let (refusals, refused) = audit::queue(store.audit.clone());
    let parts = Parts {
        store,
        clock,
        fetcher,
        changes,
        refusals,
        jwks,
        upstream,
        admin_address,
    };
    let first = Snapshot::new(judged, scripts, own_names(&settings, &issuer))
        .with_origins(origins, revision);
    let service = Arc::new(Service::new(settings, issuer, parts, first));
    let administrator = Box::pin(token::administrator::ensure(&service)).await?;
    let reloads = Arc::new(Reloads::default());
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let (reload, again) = mpsc::channel(1);
    // Everything that can be reloaded.
    let certificate = (!tls.files().is_empty()).then_some(Reloaded::Certificate);
    let loaded = [Reloaded::Scripts, Reloaded::Configuration]
        .into_iter()
        .chain(certificate);
    let reloader = Reloader::new(
        Arc::clone(&service),
        (sources, warnings),
        Arc::clone(&reloads),
        tls,
    );
    tasks.spawn(reloader.run(
        watched,
        Requests {
            again,
            changes: requested,
        },
        stop.clone(),
    ));
    // While the server stops, open requests may still queue notifications and audit events.
    let served = CancellationToken::new();
    tasks.spawn(lifecycle::sweep(Arc::clone(&service), stop.clone()));
    tasks.spawn(lifecycle::write_uses(Arc::clone(&service), served.clone()));
    tasks.spawn(lifecycle::add_up_metrics(stop.clone()));
    tasks.spawn(lifecycle::look_upstream(Arc::clone(&service), stop.clone()));
    tasks.spawn(runtime.notify(served.clone(), patience));
    tasks.spawn(refused.run(served.clone()));
    let serving = listeners.serve(&service, reloads, entrance, &stop);
    let following = Arc::clone(&service);
    tasks.spawn(async move {
        serving.await;
        following.changes_under_way.close();
        following.changes_under_way.wait().await;
        served.cancel();
    });
    tasks.close();
    for what in loaded {
        meter::loaded(what, service.clock.now().unix());
    }
    Ok(Server {
        address,
        admin_address,
        service,
        stop,
        reload,
        tasks,
        administrator,
    })
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
    (configuration, judged): (Configuration, Judged),
    sources: Sources,
    store: &Store,
) -> Result<Patched, StartError> {
    let stored = store.patches.load().await.map_err(|error| match error {
        StoreError::Corrupt { .. } => StartError::Patch(error.to_string()),
        source => StartError::Store {
            url: configuration.settings.store.url.clone(),
            source,
        },
    })?;
    let (sources, revision) = (
        Sources {
            patch: stored.document.into(),
            ..sources
        },
        stored.revision,
    );
    if sources.patch.0.is_empty() {
        return Ok(Patched {
            configuration,
            judged,
            sources,
            revision,
        });
    }
    let again = sources.clone();
    let loaded = tokio::task::spawn_blocking(move || config::load(&again)).await?;
    let patched = loaded.map_err(|errors| StartError::Patch(errors.to_string()))?;
    let judged = service::judge(patched.live.clone()).map_err(StartError::Patch)?;
    tracing::info!(keys = ?sources.patch.keys(), "patched configuration values are in force");
    let configuration = Configuration {
        settings: configuration.settings,
        ..patched
    };
    Ok(Patched {
        configuration,
        judged,
        sources,
        revision,
    })
}

async fn load_scripts(
    settings: &Settings,
    runtime: Arc<Runtime>,
) -> Result<Arc<ScriptSet>, StartError> {
    let settings = settings.scripts.clone();
    let loaded = tokio::task::spawn_blocking(move || ScriptSet::load(&settings, &runtime)).await?;
    Ok(Arc::new(loaded?))
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
    let bounds = Bounds {
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
