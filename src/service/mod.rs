//! What every use case works with: the settings, the store, the clock, and one snapshot of everything that
//! can change while the server runs.

pub(crate) mod backup;
pub(crate) mod candidate;
pub(crate) mod exports;
mod judging;
pub(crate) mod limits;
mod login;
mod outside;
pub(crate) mod published_keys;
pub(crate) mod reach;
pub(crate) mod refusal;
pub(crate) mod reloads;
pub(crate) mod script_orders;
mod steady;
mod upstream;
pub(crate) mod upstream_registration;
pub(crate) mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::base::{ClientId, Clock, Timestamp, below_issuer};
use crate::client::{Client, Rules};
use crate::config::{HostedClientDocuments, Live, Origins, Settings};
use crate::fetch::{self, Fetcher, RemoteDocuments};
use crate::live::{Changes, Document};
use crate::script::ScriptSet;
use crate::store::{AuditQueue, Pin, Store};
use crate::trust::Trust;
pub(crate) use crate::trust::Verifier;
use candidate::CanaryTurn;
pub(crate) use candidate::Candidate;
use judging::Judging;
pub(crate) use judging::{Conditions, JudgedStep, ScriptHttp};
pub(crate) use limits::Limited;
use limits::RateLimits;
pub(crate) use login::{Brought, LoginFault, LoginProvider, Person, SignInAttempt};
pub(crate) use outside::{HostParts, Outside, key_values};
use reloads::Reloads;
pub(crate) use script_orders::{ScriptOrder, ScriptOrderError, ScriptOrders, ScriptsInForce};
pub(crate) use steady::{Due, Steady};
pub(crate) use upstream::{KeptMetadata, MetadataDocument, Upstream};
pub(crate) use upstream_registration::{
    UpstreamAnswer, UpstreamFault, UpstreamManagement, UpstreamRegistrar,
};

/// Everything that can change while the server runs. A snapshot is never modified, only replaced.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The live configuration.
    pub(crate) live: Arc<Live>,
    /// The trust settings of the configuration, with every key parsed.
    pub(crate) trust: Arc<Trust>,
    /// The names of this server that are accepted in the `aud` of a token.
    pub(crate) audiences: Vec<String>,
    /// The revision of the configuration, which is recorded in the provenance of clients.
    pub(crate) revision: String,
    /// The origins of all options that are not defaults, including the options of the settings.
    pub(crate) origins: Arc<Origins>,
    /// The number of patches; 0 if there were none.
    pub(crate) patches: u64,
    /// The scripts.
    pub(crate) scripts: Arc<ScriptSet>,
    /// The pin, if the scripts are in force because their version is pinned.
    pub(crate) pin: Option<Pin>,
    /// The candidate, if there is one.
    pub(crate) candidate: Option<Arc<Candidate>>,
    /// The same snapshot with the scripts of the candidate, if it decides some requests.
    canary: Option<Arc<Snapshot>>,
    /// The rate limits.
    pub(crate) limits: RateLimits,
    own_names: Arc<[String]>,
    /// The metadata document.
    pub(crate) published: KeptMetadata,
}

impl Snapshot {
    /// The first snapshot of a server with the names `own_names`: its issuer and its endpoints.
    pub(crate) fn new(judged: Judged, scripts: Arc<ScriptSet>, own_names: Vec<String>) -> Self {
        let limits = RateLimits::new(&judged.live.registration);
        Self::with(judged, scripts, own_names.into(), limits)
    }

    /// Returns the same snapshot with these origins of its options and this number of patches.
    #[must_use]
    pub(crate) fn with_origins(self, origins: Origins, patches: u64) -> Self {
        Self {
            origins: Arc::new(origins),
            patches,
            ..self
        }
    }

    /// Returns the same configuration with other scripts, which a `pin` may have put in force.
    #[must_use]
    pub(crate) fn with_scripts(&self, scripts: Arc<ScriptSet>, pin: Option<Pin>) -> Self {
        let judged = Judged {
            live: Arc::clone(&self.live),
            trust: Arc::clone(&self.trust),
        };
        let next = Self::with(
            judged,
            scripts,
            Arc::clone(&self.own_names),
            self.limits.clone(),
        );
        Self {
            origins: Arc::clone(&self.origins),
            patches: self.patches,
            pin,
            candidate: self.candidate.clone(),
            ..next
        }
    }

    /// Returns the same snapshot with another candidate.
    #[must_use]
    pub(crate) fn with_candidate(&self, candidate: Option<Arc<Candidate>>) -> Self {
        let same = self.with_scripts(Arc::clone(&self.scripts), self.pin.clone());
        Self { candidate, ..same }
    }

    /// Adds what the candidate decides some requests by.
    fn with_canary(self) -> Self {
        let canary = match &self.candidate {
            Some(candidate) if self.live.registration.scripts_canary > 0.0 => {
                let scripts = Arc::clone(&candidate.scripts);
                let canary = self.with_scripts(scripts, None);
                Some(Arc::new(Self {
                    candidate: None,
                    ..canary
                }))
            }
            _ => None,
        };
        Self { canary, ..self }
    }

    /// Returns the same scripts with another configuration. What callers have used of a limit is reset only
    /// if that limit itself changes.
    #[must_use]
    pub(crate) fn with_live(&self, judged: Judged) -> Self {
        let limits = self
            .limits
            .following(&self.live.registration, &judged.live.registration);
        let (scripts, own_names) = (Arc::clone(&self.scripts), Arc::clone(&self.own_names));
        let next = Self::with(judged, scripts, own_names, limits);
        Self {
            origins: Arc::clone(&self.origins),
            patches: self.patches,
            pin: self.pin.clone(),
            candidate: self.candidate.clone(),
            ..next
        }
    }

    fn with(
        judged: Judged,
        scripts: Arc<ScriptSet>,
        own_names: Arc<[String]>,
        limits: RateLimits,
    ) -> Self {
        let Judged { live, trust } = judged;
        let further = live.registration.accepted_audiences.iter();
        let audiences = own_names.iter().chain(further).cloned().collect();
        let (revision, origins, patches) = (live.revision(), Arc::default(), 0);
        Self {
            live,
            trust,
            audiences,
            revision,
            origins,
            patches,
            scripts,
            pin: None,
            candidate: None,
            canary: None,
            limits,
            own_names,
            published: KeptMetadata::default(),
        }
    }

    /// Returns the configuration as administrators see it, together with `settings`. Its revision changes
    /// with every value and after each patch, even after a patch that changes only a secret.
    pub(crate) fn document(&self, settings: &Settings) -> Document {
        let revision = document_revision(&self.revision, self.patches);
        Document::new(settings, &self.live, &self.origins, revision)
    }
}

/// Returns the revision of the [document](Snapshot::document) of a configuration with the revision `live`
/// after `patches` patches.
pub(crate) fn document_revision(live: &str, patches: u64) -> String {
    format!("{live}-{patches}")
}

/// A live configuration that can be in force. Only [`judge`] creates it.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    live: Arc<Live>,
    trust: Arc<Trust>,
}

impl Judged {
    /// Returns a handle to the live configuration in force, which is this one until the service of
    /// [`Parts::live`] replaces it.
    pub(crate) fn in_force(&self) -> Arc<ArcSwap<Live>> {
        Arc::new(ArcSwap::new(Arc::clone(&self.live)))
    }
}

/// Validates the patterns, keys, algorithms, webhooks and templates of a configuration that was parsed. The files that it names
/// are read.
///
/// # Errors
/// All faults, one in each line.
pub(crate) fn judge(live: Live) -> Result<Judged, String> {
    let mut faults = crate::client::rules::settings_faults(&live.registration);
    let trust = Trust::new(&live.registration).unwrap_or_else(|wrong| {
        faults.extend(wrong);
        Trust::default()
    });
    faults.extend(webhooks::faults(&live.webhooks));
    faults.extend(exports::faults(&live.exports));
    let lines: Vec<String> = faults
        .into_iter()
        .map(|(key, reason)| format!("{key}: {reason}"))
        .collect();
    if lines.is_empty() {
        Ok(Judged {
            live: Arc::new(live),
            trust: Arc::new(trust),
        })
    } else {
        Err(lines.join("\n"))
    }
}

/// The parts of a service. They are created before it, and belong to it afterwards.
pub(crate) struct Parts {
    /// The store of the clients.
    pub(crate) store: Store,
    /// The time of day.
    pub(crate) clock: Arc<dyn Clock>,
    /// The only client for outgoing requests.
    pub(crate) fetcher: Arc<Fetcher>,
    /// The verifier of tokens, with keys from any source.
    pub(crate) verifier: Arc<Verifier>,
    /// The handle to the live configuration, for parts that exist before the service. The service keeps it
    /// up to date. It leads to no scripts, so scripts can keep it.
    pub(crate) live: Arc<ArcSwap<Live>>,
    /// The channel for changes of the live configuration.
    pub(crate) changes: Changes,
    /// The channel for orders about the scripts in force.
    pub(crate) script_orders: ScriptOrders,
    /// The queue for audit events of rejected requests.
    pub(crate) refusals: AuditQueue,
    /// The public keys of this server, as a JWK Set.
    pub(crate) jwks: Map<String, Value>,
    /// The upstream authorization server.
    pub(crate) upstream: Option<Upstream>,
    /// The registration endpoint of the upstream authorization server.
    pub(crate) upstream_registrar: Option<Arc<UpstreamRegistrar>>,
    /// The provider at which people sign in to the console.
    pub(crate) login: Option<LoginProvider>,
    /// The address of the admin listener, if there is one.
    pub(crate) admin_address: Option<SocketAddr>,
}

/// What the use cases work with. One service exists for the life of the server.
pub(crate) struct Service {
    /// The settings that are read once, at startup.
    pub(crate) settings: Arc<Settings>,
    /// The issuer identifier, without a trailing slash.
    pub(crate) issuer: String,
    /// The URL below which documents of clients are published, without a trailing slash.
    pub(crate) document_base: String,
    /// The store of the clients.
    pub(crate) store: Store,
    /// The time of day.
    pub(crate) clock: Arc<dyn Clock>,
    /// The only client for outgoing requests.
    pub(crate) fetcher: Arc<Fetcher>,
    /// Metadata documents of other servers.
    pub(crate) documents: RemoteDocuments<Value>,
    /// The verifier of tokens, with keys from any source.
    pub(crate) verifier: Arc<Verifier>,
    /// The channel for changes of the live configuration.
    pub(crate) changes: Changes,
    /// The channel for orders about the scripts in force.
    pub(crate) script_orders: ScriptOrders,
    /// The queue for audit events of rejected requests.
    pub(crate) refusals: AuditQueue,
    /// The public keys of this server, as a JWK Set.
    pub(crate) jwks: ArcSwap<Map<String, Value>>,
    /// The upstream authorization server, if `discovery.upstream` names one.
    pub(crate) upstream: Option<Upstream>,
    /// The registration endpoint of the upstream server, if clients are registered there in turn.
    pub(crate) upstream_registrar: Option<Arc<UpstreamRegistrar>>,
    /// The provider at which people sign in to the console, if `[admin.login]` names one.
    pub(crate) login: Option<LoginProvider>,
    /// The address of the admin listener, if there is one, whoever opened it.
    pub(crate) admin_address: Option<SocketAddr>,
    /// The limit of a sweep.
    pub(crate) steady: Steady,
    /// Why parts of the server could not be reloaded.
    pub(crate) reloads: Arc<Reloads>,
    /// Cancelled when the server stops, so that nobody waits for something that does not come.
    pub(crate) stopping: CancellationToken,
    snapshot: ArcSwap<Snapshot>,
    replaced: watch::Sender<()>,
    /// The live configuration of the snapshot.
    live: Arc<ArcSwap<Live>>,
    /// What is recorded, if this service judges one request and serves none.
    judging: Option<Judging>,
}

impl Service {
    /// Creates the service with its first snapshot.
    pub(crate) fn new(settings: Settings, issuer: String, parts: Parts, first: Snapshot) -> Self {
        let Parts {
            store,
            clock,
            fetcher,
            verifier,
            live,
            changes,
            script_orders,
            refusals,
            jwks,
            upstream,
            upstream_registrar,
            login,
            admin_address,
        } = parts;
        let keep = |value: &Value| Ok(value.clone());
        let (mine, time) = (Arc::clone(&fetcher), Arc::clone(&clock));
        let documents = RemoteDocuments::new(mine, time, &settings.fetch, fetch::JSON, keep);
        Self {
            document_base: settings.document_base(&issuer),
            settings: Arc::new(settings),
            issuer,
            store,
            clock,
            fetcher,
            documents,
            verifier,
            changes,
            script_orders,
            refusals,
            jwks: ArcSwap::from_pointee(jwks),
            upstream,
            upstream_registrar,
            login,
            admin_address,
            steady: Steady::default(),
            reloads: Arc::default(),
            stopping: CancellationToken::new(),
            snapshot: ArcSwap::from_pointee(first),
            replaced: watch::channel(()).0,
            live,
            judging: None,
        }
    }

    /// Returns the current snapshot. Each request reads it once, so that no request sees two configurations
    /// or two sets of scripts.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Returns the snapshot that decides the next request of a client: the current one, or the same with the scripts of
    /// the candidate.
    fn deciding_snapshot(&self) -> Arc<Snapshot> {
        let snapshot = self.snapshot();
        let (Some(candidate), Some(canary)) = (&snapshot.candidate, &snapshot.canary) else {
            return snapshot;
        };
        match candidate.decides_next(&snapshot.live.registration) {
            CanaryTurn::Yes => Arc::clone(canary),
            CanaryTurn::No => snapshot,
            CanaryTurn::Stopped => {
                self.end_canary(candidate);
                snapshot
            }
        }
    }

    /// Sets `scriptsCanary` to 0, for all servers.
    fn end_canary(&self, candidate: &Candidate) {
        tracing::error!(
            candidate = candidate.scripts.revision(),
            "the candidate had more faults than registration.scriptsCanaryFaults; it decides no more requests"
        );
        if self.script_orders.end_canary().is_err() {
            tracing::error!(
                "registration.scriptsCanary cannot be set to 0; set it in the configuration"
            );
        }
    }

    /// Replaces the snapshot. Only the reload task calls this, so no change is lost.
    pub(crate) fn replace(&self, next: Snapshot) {
        let next = next.with_canary();
        if let (None, Some(_), Some(candidate)) =
            (&self.snapshot().canary, &next.canary, &next.candidate)
        {
            candidate.begin_canary();
        }
        self.live.store(Arc::clone(&next.live));
        self.snapshot.store(Arc::new(next));
        self.replaced.send_replace(());
    }

    /// Signals when the snapshot was replaced.
    pub(crate) fn replacements(&self) -> watch::Receiver<()> {
        self.replaced.subscribe()
    }

    /// Returns the URL of the registration endpoint.
    pub(crate) fn registration_endpoint(&self) -> String {
        self.endpoint(&self.settings.server.paths.registration)
    }

    /// Returns the URL of the document of the client `id`.
    pub(crate) fn document_url(&self, id: &ClientId) -> String {
        format!("{}/{id}", self.document_base)
    }

    /// Returns the URL of the endpoint at `path`.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        below_issuer(&self.issuer, path)
    }
}

/// One request, with the snapshot that applies to it.
pub(crate) struct Context<'a> {
    /// The service.
    pub(crate) service: &'a Service,
    /// The snapshot of this request.
    pub(crate) snapshot: Arc<Snapshot>,
    /// When the server began to process the request.
    pub(crate) begun_at: Timestamp,
}

impl<'a> Context<'a> {
    /// The context of a request that starts now.
    pub(crate) fn new(service: &'a Service) -> Self {
        Self {
            service,
            snapshot: service.snapshot(),
            begun_at: service.clock.now(),
        }
    }

    /// The context of a request of a client that starts now. The candidate may decide it.
    pub(crate) fn of_client(service: &'a Service) -> Self {
        Self {
            service,
            snapshot: service.deciding_snapshot(),
            begun_at: service.clock.now(),
        }
    }

    /// Returns the live settings.
    pub(crate) fn settings(&self) -> &crate::config::Registration {
        &self.snapshot.live.registration
    }

    /// Returns the URL of the document of `client`, if it is published.
    pub(crate) fn document_uri(&self, client: &Client) -> Option<String> {
        let publishes = self.settings().hosted_client_documents != HostedClientDocuments::Off;
        let is_published = publishes && client.has_hosted_document();
        is_published.then(|| self.service.document_url(&client.id))
    }

    /// Returns the rules for this request.
    pub(crate) fn rules(&self) -> Rules<'_> {
        let live = &self.snapshot.live;
        let Settings { limits, fetch, .. } = &*self.service.settings;
        Rules {
            settings: &live.registration,
            scopes: &live.scopes,
            limits,
            fetch,
            initial_access: None,
            registered: None,
            is_certified: false,
            document: None,
        }
    }
}
