//! The start of a server: its parts are opened in the order in which they depend on one another, and become
//! its service.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::base::{Clock, below_issuer};
use crate::config::{self, Configuration, Live, Settings, Sources};
use crate::events;
use crate::fetch::{BuildError, FakeNames, Fetcher};
use crate::http::Tls;
use crate::live;
use crate::script::{Host, Runtime};
use crate::server::reload::versions::{self, WantedScripts};
use crate::server::{Listeners, Sockets, StandIns, Start, StartFault, WatchError, Watched, routes};
use crate::service::script_orders::{self, QueuedOrder};
use crate::service::{
    self, HostParts, Judged, LoginProvider, Outside, Parts, Service, Snapshot, Upstream,
    UpstreamRegistrar, Verifier, published_keys,
};
use crate::store::{AuditWriter, Store, StoreError, audit};
use crate::telemetry::meter;

/// A service, and what the tasks of its server work with.
pub(super) struct Prepared {
    pub(super) service: Arc<Service>,
    pub(super) listeners: Listeners,
    pub(super) tls: Arc<Tls>,
    /// The files, watched from before they were loaded.
    pub(super) watched: Watched,
    /// The sources of the configuration, and its warnings.
    pub(super) sources: Sources,
    pub(super) warnings: Vec<String>,
    /// Requested changes of the live configuration.
    pub(super) changes: mpsc::Receiver<live::ChangeRequest>,
    /// Orders about the scripts in force.
    pub(super) script_orders: mpsc::Receiver<QueuedOrder>,
    /// Audit events of rejected requests.
    pub(super) refused: AuditWriter,
}

/// Opens all parts except the given `sockets` and `stand_ins`, and creates the service of them.
pub(super) async fn prepare(
    start: Start,
    sockets: Sockets,
    stand_ins: StandIns,
) -> Result<Prepared, StartFault> {
    let unpatched = Configured::without_patch(&start)?;
    let StandIns { host, names } = stand_ins;
    let opened = OpenedParts::open(&start, sockets, names).await?;
    let configured = Box::pin(unpatched.patched(&opened.store)).await?;
    let live = configured.judged.in_force();
    let settings = &configured.configuration.settings;
    let host = host.unwrap_or_else(|| opened.outside(settings, &start.clock, &live));
    let configuration = &configured.configuration;
    let scripts = opened
        .load_scripts(configuration, &start.clock, host)
        .await?;
    let prepared = opened.prepare(configured, start.clock, live, scripts)?;
    prepare_events(&prepared.service).await?;
    Ok(prepared)
}

/// Makes sure that each consumer of events has a cursor.
async fn prepare_events(service: &Service) -> Result<(), StartFault> {
    let begun = events::prepare(service, &service.snapshot()).await;
    begun.map_err(|error| store_error(&service.settings, error))
}

/// Returns what sends the requests of this server, with `names` in place of those of the system if there are any.
fn fetcher(settings: &Settings, names: Option<Arc<FakeNames>>) -> Result<Fetcher, BuildError> {
    match names {
        Some(names) => Fetcher::with_names(&settings.fetch, names),
        None => Fetcher::new(&settings.fetch),
    }
}

/// What a server opens before it loads anything.
struct OpenedParts {
    tls: Arc<Tls>,
    listeners: Listeners,
    watched: Result<Watched, WatchError>,
    store: Store,
    fetcher: Arc<Fetcher>,
    verifier: Arc<Verifier>,
    upstream_registrar: Option<Arc<UpstreamRegistrar>>,
    login: Option<LoginProvider>,
}

impl OpenedParts {
    async fn open(
        start: &Start,
        sockets: Sockets,
        names: Option<Arc<FakeNames>>,
    ) -> Result<Self, StartFault> {
        let settings = &start.configuration.settings;
        let tls = open_tls(settings, &start.sources, &start.clock)?;
        let listeners = Listeners::open(settings, sockets).await?;
        let watched = Watched::open(settings, &start.sources, &tls);
        let store = open_store(settings).await?;
        let fetcher = Arc::new(fetcher(settings, names)?);
        let verifier = Arc::new(Verifier::new(&fetcher, &start.clock, &settings.fetch));
        let (login, elsewhere) = (&settings.admin.login, (&fetcher, &verifier));
        Ok(Self {
            login: LoginProvider::new(login, &settings.fetch, &start.clock, elsewhere)?,
            tls,
            listeners,
            watched,
            store,
            fetcher,
            verifier,
            upstream_registrar: UpstreamRegistrar::new(settings)?.map(Arc::new),
        })
    }

    /// Returns the external functions of scripts on the opened parts.
    fn outside(
        &self,
        settings: &Settings,
        clock: &Arc<dyn Clock>,
        live: &Arc<ArcSwap<Live>>,
    ) -> Arc<dyn Host> {
        let parts = HostParts {
            store: self.store.clone(),
            fetcher: Arc::clone(&self.fetcher),
            verifier: Arc::clone(&self.verifier),
            clock: Arc::clone(clock),
            live: Arc::clone(live),
        };
        Arc::new(Outside::new(settings, parts))
    }

    /// Loads the scripts that should be in force, and keeps them as a version.
    async fn load_scripts(
        &self,
        configuration: &Configuration,
        clock: &Arc<dyn Clock>,
        host: Arc<dyn Host>,
    ) -> Result<WantedScripts, StartFault> {
        let settings = &configuration.settings.scripts;
        let registration = &configuration.live.registration;
        let custom = &registration.dynamic_registration_custom_attributes;
        let runtime = Runtime::new(settings, Arc::clone(clock), host)?;
        let wanted = versions::load_wanted(&self.store, settings, custom, &runtime).await;
        let wanted = wanted.map_err(StartFault::Scripts)?;
        if let Some(pin) = &wanted.pin {
            tracing::warn!(
                version = pin.version,
                "a version of the scripts is pinned; the script folder is not in force"
            );
        }
        meter::scripts_pinned(wanted.pin.is_some());
        versions::keep_folder(&self.store, &wanted.scripts).await;
        Ok(wanted)
    }

    /// Returns the issuer, and the address of the admin listener.
    fn names(&self, settings: &Settings) -> (String, Option<SocketAddr>) {
        let (address, admin_address) = self.listeners.addresses(settings);
        (issuer(settings, address), admin_address)
    }

    /// Creates the service of all parts.
    fn prepare(
        self,
        configured: Configured,
        clock: Arc<dyn Clock>,
        live: Arc<ArcSwap<Live>>,
        scripts: WantedScripts,
    ) -> Result<Prepared, StartFault> {
        let settings = &configured.configuration.settings;
        let (issuer, admin_address) = self.names(settings);
        let (changes, requested) = live::queue();
        let (script_orders, ordered) = script_orders::queue();
        let Self {
            store,
            fetcher,
            verifier,
            upstream_registrar,
            login,
            ..
        } = self;
        let (refusals, refused) = audit::queue(store.audit.clone());
        let parts = Parts {
            jwks: public_keys(&scripts),
            upstream: upstream(settings, &issuer, &clock)?,
            upstream_registrar,
            login,
            store,
            clock,
            fetcher,
            verifier,
            live,
            changes,
            script_orders,
            refusals,
            admin_address,
        };
        Ok(Prepared {
            listeners: self.listeners,
            tls: self.tls,
            // A missing folder was reported more precisely where it is read.
            watched: self.watched?,
            sources: configured.sources.clone(),
            warnings: configured.configuration.warnings.clone(),
            changes: requested,
            script_orders: ordered,
            refused,
            service: configured.service(issuer, parts, scripts),
        })
    }
}

/// A valid configuration with its sources.
struct Configured {
    configuration: Configuration,
    judged: Judged,
    sources: Sources,
    /// The number of patches in the store; 0 if there were none.
    patches: u64,
}

impl Configured {
    /// The configuration of `start`, if it is valid.
    fn without_patch(start: &Start) -> Result<Self, StartFault> {
        let judged = service::judge(start.configuration.live.clone());
        Ok(Self {
            judged: judged.map_err(StartFault::Configuration)?,
            sources: start.sources.clone().or_embedded(&start.configuration),
            configuration: start.configuration.clone(),
            patches: 0,
        })
    }

    /// Applies the patch from `store`.
    async fn patched(mut self, store: &Store) -> Result<Self, StartFault> {
        let stored = match store.patches.load().await {
            Ok(stored) => stored,
            Err(error @ StoreError::Corrupt { .. }) => {
                return Err(StartFault::Patch(error.to_string()));
            }
            Err(error) => return Err(store_error(&self.configuration.settings, error)),
        };
        self.patches = stored.revision;
        self.sources.patch = stored.document.into();
        if self.sources.patch.0.is_empty() {
            return Ok(self);
        }
        self.loaded_again().await
    }

    /// Loads the live configuration again, now with the patch. The settings stay.
    async fn loaded_again(self) -> Result<Self, StartFault> {
        let again = self.sources.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load(&again)).await?;
        let patched = loaded.map_err(|errors| StartFault::Patch(errors.to_string()))?;
        let judged = service::judge(patched.live.clone()).map_err(StartFault::Patch)?;
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

    /// Creates the service with this configuration and `scripts` in force.
    fn service(self, issuer: String, parts: Parts, wanted: WantedScripts) -> Arc<Service> {
        let Configuration {
            settings, origins, ..
        } = self.configuration;
        let WantedScripts { scripts, pin } = wanted;
        let first = Snapshot::new(
            self.judged,
            Arc::clone(&scripts),
            own_names(&settings, &issuer),
        );
        let first = first
            .with_scripts(scripts, pin)
            .with_origins(origins, self.patches);
        Arc::new(Service::new(settings, issuer, parts, first))
    }
}

async fn open_store(settings: &Settings) -> Result<Store, StartFault> {
    let store = Store::open(&settings.store).await;
    let store = store.map_err(|error| store_error(settings, error))?;
    if settings.telemetry.audit_log {
        store.audit.listen(routes::log_audit_event);
    }
    Ok(store)
}

fn open_tls(
    settings: &Settings,
    sources: &Sources,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<Tls>, StartFault> {
    match Tls::open(&settings.server.tls, Arc::clone(clock)) {
        Ok(tls) => Ok(Arc::new(tls)),
        Err(fault) => {
            let place = match &sources.file {
                Some(file) => format!("{}: ", config::place(file, fault.key)),
                None => String::new(),
            };
            Err(StartFault::Tls { place, fault })
        }
    }
}

/// Returns the names of this server that are accepted in the `aud` of a token.
fn own_names(settings: &Settings, issuer: &str) -> Vec<String> {
    let paths = &settings.server.paths;
    vec![
        issuer.to_owned(),
        below_issuer(issuer, &paths.registration),
        below_issuer(issuer, &paths.token),
    ]
}

fn store_error(settings: &Settings, source: StoreError) -> StartFault {
    let url = settings.store.url.clone();
    StartFault::Store { url, source }
}

/// Returns the public keys of the secrets of `[scripts.secrets]`, as a JWK Set.
fn public_keys(wanted: &WantedScripts) -> Map<String, Value> {
    published_keys::public_keys(&wanted.scripts.runtime().secrets())
}

fn upstream(
    settings: &Settings,
    issuer: &str,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Upstream>, StartFault> {
    let Some(named) = settings.upstream() else {
        return Ok(None);
    };
    let upstream = Upstream::new(named, issuer, clock, &settings.fetch)?;
    Ok(Some(upstream))
}

fn issuer(settings: &Settings, address: SocketAddr) -> String {
    let server = &settings.server;
    match &server.issuer {
        Some(issuer) => issuer.clone(),
        None if server.tls.is_on() => format!("https://{address}"),
        None => format!("http://{address}"),
    }
}
