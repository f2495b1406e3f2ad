//! What every use case works with: the settings, the store, the clock, and one snapshot of
//! all that can change while the server runs.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::client::Rules;
use crate::clock::Clock;
use crate::config::{Live, Origins, Settings};
use crate::http::rate::RateLimit;
use crate::live::{Changes, Document};
use crate::script::ScriptSet;
use crate::store::Store;

/// All that can change while the server runs. It is never changed, only replaced.
#[derive(Debug)]
pub struct Snapshot {
    /// The live configuration.
    pub live: Live,
    /// Names that configuration in a client's provenance.
    pub revision: String,
    /// Where the options came from that are not defaults, those of the settings too.
    pub origins: Arc<Origins>,
    /// Counts the patches that were made; 0: none.
    pub patches: u64,
    /// The scripts.
    pub scripts: Arc<ScriptSet>,
    /// How often one address may register.
    pub rate_limit: Option<Arc<RateLimit>>,
}

impl Snapshot {
    /// The first snapshot.
    pub fn new(live: Live, scripts: Arc<ScriptSet>) -> Self {
        let rate_limit = rate_limit(&live).map(Arc::new);
        let origins = Arc::default();
        Self { revision: live.revision(), live, origins, patches: 0, scripts, rate_limit }
    }

    /// The same snapshot, whose options came from `origins`, after `patches` patches.
    #[must_use]
    pub fn with_origins(self, origins: Origins, patches: u64) -> Self {
        Self { origins: Arc::new(origins), patches, ..self }
    }

    /// The same configuration with other scripts.
    #[must_use]
    pub fn with_scripts(&self, scripts: Arc<ScriptSet>) -> Self {
        let (live, revision) = (self.live.clone(), self.revision.clone());
        let (origins, rate_limit) = (Arc::clone(&self.origins), self.rate_limit.clone());
        Self { live, revision, origins, patches: self.patches, scripts, rate_limit }
    }

    /// The same scripts with another configuration. What addresses have used of their budget
    /// is forgotten only when the budget itself changes.
    #[must_use]
    pub fn with_live(&self, live: Live) -> Self {
        let budget = |live: &Live| {
            let settings = &live.registration;
            let count = settings.rate_limit_registration_request_count;
            (count, settings.rate_limit_registration_period_in_seconds)
        };
        let is_same = budget(&self.live) == budget(&live);
        let rate_limit = if is_same { self.rate_limit.clone() } else { rate_limit(&live).map(Arc::new) };
        let (scripts, origins) = (Arc::clone(&self.scripts), Arc::clone(&self.origins));
        Self { revision: live.revision(), live, origins, patches: self.patches, scripts, rate_limit }
    }

    /// The configuration as an administrator sees it, beside `settings`. Its revision differs
    /// for other values and after each patch, even one that changed a secret alone.
    pub fn document(&self, settings: &Settings) -> Document {
        let revision = format!("{}-{}", self.revision, self.patches);
        Document::new(settings, &self.live, &self.origins, revision)
    }
}

/// Why a configuration that is right in form can not be in force.
///
/// # Errors
/// All that is wrong, a line each.
pub fn judge(live: &Live) -> Result<(), String> {
    let faults = crate::client::rules::settings_faults(&live.registration);
    let lines: Vec<String> = faults.into_iter().map(|(key, reason)| format!("{key}: {reason}")).collect();
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n")) }
}

fn rate_limit(live: &Live) -> Option<RateLimit> {
    let settings = &live.registration;
    let count = settings.rate_limit_registration_request_count?;
    RateLimit::new(count, settings.rate_limit_registration_period_in_seconds)
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
    /// Where changes of the live configuration are asked for.
    pub changes: Changes,
    live: ArcSwap<Snapshot>,
}

impl Service {
    /// The service with its first snapshot.
    pub fn new(
        settings: Settings,
        issuer: String,
        store: Store,
        clock: Arc<dyn Clock>,
        first: Snapshot,
    ) -> Self {
        let changes = Changes::none();
        Self { settings, issuer, store, clock, changes, live: ArcSwap::from_pointee(first) }
    }

    /// The same service, whose live configuration changes by `changes`.
    #[must_use]
    pub fn with_changes(self, changes: Changes) -> Self {
        Self { changes, ..self }
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
        format!("{}{}", self.issuer, self.settings.server.paths.registration)
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
        Rules { settings: &live.registration, scopes: &live.scopes, limits: &self.service.settings.limits }
    }
}
