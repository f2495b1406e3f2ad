//! What every use case works with: the settings, the store, the clock, and one snapshot of
//! all that can change while the server runs.

pub mod limits;
mod steady;
mod upstream;

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tokio_util::task::TaskTracker;

use crate::client::Rules;
use crate::clock::Clock;
use crate::config::{Live, Origins, Settings};
use crate::fetch::{self, Fetcher};
use crate::keys::RemoteDocuments;
use crate::live::{Changes, Document};
use crate::script::ScriptSet;
use crate::store::Store;
use crate::store::audit::AuditQueue;
use crate::trust::{Trust, Verifier};
use limits::RateLimits;
pub use steady::{Due, Jump, Steady};
pub use upstream::{Members, Upstream};

/// All that can change while the server runs. It is never changed, only replaced.
#[derive(Debug)]
pub struct Snapshot {
    /// The live configuration.
    pub live: Live,
    /// What it says of trust, with every key read.
    pub trust: Arc<Trust>,
    /// The names under which `aud` of a token may mean this server.
    pub audiences: Vec<String>,
    /// Names that configuration in a client's provenance.
    pub revision: String,
    /// Where the options came from that are not defaults, those of the settings too.
    pub origins: Arc<Origins>,
    /// Counts the patches that were made; 0: none.
    pub patches: u64,
    /// The scripts.
    pub scripts: Arc<ScriptSet>,
    /// How often callers may ask.
    pub limits: RateLimits,
    own_names: Arc<[String]>,
}

impl Snapshot {
    /// The first snapshot of a server that is called by `own_names`: its issuer and its endpoints.
    pub fn new(judged: Judged, scripts: Arc<ScriptSet>, own_names: Vec<String>) -> Self {
        let limits = RateLimits::new(&judged.live.registration);
        Self::with(judged, scripts, own_names.into(), limits)
    }

    /// The same snapshot, whose options came from `origins`, after `patches` patches.
    #[must_use]
    pub fn with_origins(self, origins: Origins, patches: u64) -> Self {
        Self { origins: Arc::new(origins), patches, ..self }
    }

    /// The same configuration with other scripts.
    #[must_use]
    pub fn with_scripts(&self, scripts: Arc<ScriptSet>) -> Self {
        let judged = Judged { live: self.live.clone(), trust: Arc::clone(&self.trust) };
        let next = Self::with(judged, scripts, Arc::clone(&self.own_names), self.limits.clone());
        Self { origins: Arc::clone(&self.origins), patches: self.patches, ..next }
    }

    /// The same scripts with another configuration. What callers have used of a limit is forgotten only
    /// when that limit itself changes.
    #[must_use]
    pub fn with_live(&self, judged: Judged) -> Self {
        let limits = self.limits.following(&self.live.registration, &judged.live.registration);
        let (scripts, own_names) = (Arc::clone(&self.scripts), Arc::clone(&self.own_names));
        let next = Self::with(judged, scripts, own_names, limits);
        Self { origins: Arc::clone(&self.origins), patches: self.patches, ..next }
    }

    fn with(judged: Judged, scripts: Arc<ScriptSet>, own_names: Arc<[String]>, limits: RateLimits) -> Self {
        let Judged { live, trust } = judged;
        let further = live.registration.accepted_audiences.iter();
        let audiences = own_names.iter().chain(further).cloned().collect();
        let (revision, origins, patches) = (live.revision(), Arc::default(), 0);
        Self { live, trust, audiences, revision, origins, patches, scripts, limits, own_names }
    }

    /// The configuration as an administrator sees it, beside `settings`. Its revision differs
    /// for other values and after each patch, even one that changed a secret alone.
    pub fn document(&self, settings: &Settings) -> Document {
        let revision = document_revision(&self.revision, self.patches);
        Document::new(settings, &self.live, &self.origins, revision)
    }
}

/// The revision of the [document](Snapshot::document) of a configuration with the revision `live`
/// after `patches` patches.
pub fn document_revision(live: &str, patches: u64) -> String {
    format!("{live}-{patches}")
}

/// A live configuration that can be in force. Only [`judge`] makes it.
#[derive(Debug, Clone)]
pub struct Judged {
    live: Live,
    trust: Arc<Trust>,
}

/// Judges a configuration that is right in form: its patterns, its keys, its algorithms.
///
/// # Errors
/// All that is wrong, a line each.
pub fn judge(live: Live) -> Result<Judged, String> {
    let mut faults = crate::client::rules::settings_faults(&live.registration);
    let trust = Trust::new(&live.registration).unwrap_or_else(|wrong| {
        faults.extend(wrong);
        Trust::default()
    });
    let lines: Vec<String> = faults.into_iter().map(|(key, reason)| format!("{key}: {reason}")).collect();
    if lines.is_empty() { Ok(Judged { live, trust: Arc::new(trust) }) } else { Err(lines.join("\n")) }
}

/// What a service is made of: opened before it, and its own from then on.
pub struct Parts {
    /// Where the clients are.
    pub store: Store,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// The one way out.
    pub fetcher: Arc<Fetcher>,
    /// Where changes of the live configuration are asked for.
    pub changes: Changes,
    /// Where events of refused requests are left.
    pub refusals: AuditQueue,
    /// The public keys of this server, as a JWK Set.
    pub jwks: Map<String, Value>,
    /// The authorization server beside this one.
    pub upstream: Option<Upstream>,
    /// Where the admin listener is, when there is one.
    pub admin_address: Option<SocketAddr>,
}

/// What the use cases work with; one for the life of the server.
pub struct Service {
    /// What was read once, at the start.
    pub settings: Settings,
    /// The issuer identifier, without a slash at its end.
    pub issuer: String,
    /// Where the clients are.
    pub store: Store,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// The one way out.
    pub fetcher: Arc<Fetcher>,
    /// Metadata documents of other servers.
    pub documents: RemoteDocuments<Value>,
    /// Verifies tokens with keys from anywhere.
    pub verifier: Verifier,
    /// Where changes of the live configuration are asked for.
    pub changes: Changes,
    /// Where events of refused requests are left.
    pub refusals: AuditQueue,
    /// Changes that are followed to their end, whether or not their callers still wait.
    pub changes_under_way: TaskTracker,
    /// The public keys of this server, as a JWK Set.
    pub jwks: Map<String, Value>,
    /// The authorization server beside this one, where `discovery.upstream` names it.
    pub upstream: Option<Upstream>,
    /// Where the admin listener is, when there is one, whoever opened it.
    pub admin_address: Option<SocketAddr>,
    /// How far a sweep may go.
    pub steady: Steady,
    live: ArcSwap<Snapshot>,
}

impl Service {
    /// The service with its first snapshot.
    pub fn new(settings: Settings, issuer: String, parts: Parts, first: Snapshot) -> Self {
        let Parts { store, clock, fetcher, changes, refusals, jwks, upstream, admin_address } = parts;
        let keep = |value: &Value| Ok(value.clone());
        let (mine, time) = (Arc::clone(&fetcher), Arc::clone(&clock));
        let documents = RemoteDocuments::new(mine, time, &settings.fetch, fetch::JSON, keep);
        let verifier = Verifier::new(&fetcher, &clock, &settings.fetch);
        Self {
            settings,
            issuer,
            store,
            clock,
            fetcher,
            documents,
            verifier,
            changes,
            refusals,
            changes_under_way: TaskTracker::new(),
            jwks,
            upstream,
            admin_address,
            steady: Steady::default(),
            live: ArcSwap::from_pointee(first),
        }
    }

    /// The present snapshot. Taken once for each request, so that one request never sees two
    /// configurations or two sets of scripts.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.live.load_full()
    }

    /// Replaces the snapshot. Only the reload task calls this, so no change is lost.
    pub fn replace(&self, next: Snapshot) {
        self.live.store(Arc::new(next));
    }

    /// The URL of the registration endpoint.
    pub fn registration_endpoint(&self) -> String {
        self.endpoint(&self.settings.server.paths.registration)
    }

    /// The URL of the endpoint at `path`.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }
}

/// One request with the snapshot that decides it.
pub struct Context<'a> {
    /// The service.
    pub service: &'a Service,
    /// The snapshot that this request sees.
    pub snapshot: Arc<Snapshot>,
}

impl<'a> Context<'a> {
    /// The context of a request that begins now.
    pub fn new(service: &'a Service) -> Self {
        Self { service, snapshot: service.snapshot() }
    }

    /// The live settings.
    pub fn settings(&self) -> &crate::config::Registration {
        &self.snapshot.live.registration
    }

    /// The rules of this request.
    pub fn rules(&self) -> Rules<'_> {
        let live = &self.snapshot.live;
        let Settings { limits, fetch, .. } = &self.service.settings;
        Rules {
            settings: &live.registration,
            scopes: &live.scopes,
            limits,
            fetch,
            initial_access: None,
            registered: None,
            is_certified: false,
        }
    }
}
