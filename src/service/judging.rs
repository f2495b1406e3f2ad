//! Judges a request without serving it: by the same code, on an overlay of the store, without the limits for
//! callers, and with a record of what each step did.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::base::Clock;
use crate::client::Client;
use crate::script::{HookRecorder, Host, RecordedCall, ScriptSet};
use crate::service::{Context, HostParts, Judged, Outside, RateLimits, Service, Snapshot, Steady};
use crate::store::{PastUses, PendingType, Store, audit};
use crate::telemetry::{ClientChange, DocumentOutcome, PendingChange, meter};
use crate::trust::Verifier;

/// What a request is judged by, as far as it differs from the server.
pub(crate) struct Conditions {
    /// Other scripts.
    pub(crate) scripts: Option<Arc<ScriptSet>>,
    /// Another live configuration.
    pub(crate) live: Option<Judged>,
    /// Another time of day.
    pub(crate) clock: Option<Arc<dyn Clock>>,
    /// What answers the calls of `http` of scripts.
    pub(crate) http: ScriptHttp,
    /// Whether what was used up earlier counts.
    pub(crate) past_uses: PastUses,
    /// The verifier, with the keys of other servers that it knows. None: a copy of the verifier of the server, so that
    /// what is fetched for this request is forgotten.
    pub(crate) verifier: Option<Arc<Verifier>>,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            scripts: None,
            live: None,
            clock: None,
            http: ScriptHttp::Refused,
            past_uses: PastUses::Count,
            verifier: None,
        }
    }
}

/// What answers the calls of `http` of scripts.
#[derive(Clone)]
pub(crate) enum ScriptHttp {
    /// The called servers.
    Live,
    /// The called servers, if the method is `GET`.
    LiveReads,
    /// No server; each call fails.
    Refused,
    /// These responses.
    Fake(Arc<dyn Host>),
}

/// What is recorded of a request that is only judged.
pub(crate) struct Judging {
    pub(crate) recorder: Arc<HookRecorder>,
    steps: Mutex<Vec<JudgedStep>>,
    /// Where the members of the answer come from.
    origins: Mutex<Map<String, Value>>,
}

/// A step of the pipeline that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct JudgedStep {
    /// The name of the step.
    pub(crate) step: &'static str,
    /// Whether the request passed.
    pub(crate) verdict: StepVerdict,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The duration in microseconds.
    pub(crate) microseconds: u64,
}

/// Whether a request passed a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepVerdict {
    /// It passed.
    Passed,
    /// It was rejected, or the step failed.
    Rejected,
}

impl Judging {
    /// A record without steps, for scripts that reach `host` and see the time of `clock`.
    fn new(host: Arc<dyn Host>, clock: Arc<dyn Clock>) -> Self {
        Self {
            recorder: HookRecorder::new(host, clock),
            steps: Mutex::default(),
            origins: Mutex::default(),
        }
    }

    /// Returns the steps that have ended, in that order.
    pub(crate) fn steps(&self) -> Vec<JudgedStep> {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.clone()
    }

    /// Returns where the members of the metadata in the answer come from.
    pub(crate) fn origins(&self) -> Map<String, Value> {
        let origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        origins.clone()
    }

    /// Returns the calls of scripts, in order.
    pub(crate) fn calls(&self) -> Vec<RecordedCall> {
        self.recorder.calls()
    }
}

/// A step of the pipeline that is running. It is recorded only if the request is judged and not served.
pub(crate) struct RunningStep<'a> {
    recorded: Option<(&'a Judging, Instant)>,
    name: &'static str,
}

impl RunningStep<'_> {
    /// Records the outcome of the step.
    pub(crate) fn done<T, E: Error>(self, outcome: Result<T, E>) -> Result<T, E> {
        if let Some((judging, begun)) = self.recorded {
            let microseconds = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            let step = JudgedStep {
                step: self.name,
                verdict: match outcome {
                    Ok(_) => StepVerdict::Passed,
                    Err(_) => StepVerdict::Rejected,
                },
                reason: outcome.as_ref().err().map(reason),
                microseconds,
            };
            let mut steps = judging.steps.lock().unwrap_or_else(PoisonError::into_inner);
            steps.push(step);
        }
        outcome
    }
}

/// Returns the error with its causes.
fn reason(error: &impl Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl<'a> Context<'a> {
    /// Begins the step `name`, to be [ended](RunningStep::done) with its outcome.
    pub(crate) fn step(&self, name: &'static str) -> RunningStep<'a> {
        let judging = self.service.judging.as_ref();
        RunningStep {
            recorded: judging.map(|judging| (judging, Instant::now())),
            name,
        }
    }

    /// Returns what records the calls of scripts, if the request is judged.
    pub(crate) fn recorder(&self) -> Option<Arc<HookRecorder>> {
        let judging = self.service.judging.as_ref()?;
        Some(Arc::clone(&judging.recorder))
    }

    /// Records where the members of `client` come from, if the request is judged.
    pub(crate) fn note_origins(&self, client: &Client) {
        if let (Some(judging), Some(origins)) = (&self.service.judging, &client.origins) {
            let shown = origins.shown(client.metadata.metadata());
            *judging
                .origins
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = shown;
        }
    }

    /// Counts a change of a client in the metrics, unless the request is only judged.
    pub(crate) fn count(&self, change: ClientChange, trust_level: &'static str) {
        if self.service.judging.is_none() {
            meter::client(change, trust_level);
        }
    }

    /// Counts in the metrics what happened to something that waits, unless the request is only judged.
    pub(crate) fn count_pending(&self, kind: PendingType, change: PendingChange) {
        if self.service.judging.is_none() {
            meter::pending_change(kind.as_str(), change);
        }
    }

    /// Counts a change of a published document in the metrics, unless the request is only judged.
    pub(crate) fn count_document(&self, outcome: DocumentOutcome) {
        if self.service.judging.is_none() {
            meter::hosted_document(outcome);
        }
    }
}

impl Snapshot {
    /// Returns what a request is judged by, which has no limits for callers.
    fn judging(&self, conditions: &Conditions) -> Self {
        let mut snapshot = match &conditions.live {
            Some(judged) => self.with_live(judged.clone()),
            None => self.with_scripts(Arc::clone(&self.scripts), None),
        };
        if let Some(scripts) = &conditions.scripts {
            snapshot.scripts = Arc::clone(scripts);
        }
        snapshot.limits = RateLimits::default();
        snapshot.candidate = None;
        snapshot
    }
}

impl Service {
    /// Returns a service that judges one request. Nothing that the request changes reaches this service, its store or
    /// its metrics.
    pub(crate) fn judging(&self, conditions: &Conditions) -> Self {
        let snapshot = self.snapshot().judging(conditions);
        let store = self.store.overlay(conditions.past_uses);
        let clock = Arc::clone(conditions.clock.as_ref().unwrap_or(&self.clock));
        let live = Arc::new(ArcSwap::new(Arc::clone(&snapshot.live)));
        let verifier = match &conditions.verifier {
            Some(verifier) => Arc::clone(verifier),
            None => Arc::new(self.verifier.copied(&clock)),
        };
        let parts = HostParts {
            verifier: Arc::clone(&verifier),
            store: store.clone(),
            fetcher: Arc::clone(&self.fetcher),
            clock: Arc::clone(&clock),
            live: Arc::clone(&live),
        };
        let judging = self.recording(parts, &conditions.http);
        Self {
            judging: Some(judging),
            verifier,
            snapshot: ArcSwap::from_pointee(snapshot),
            clock,
            live,
            ..self.on(store)
        }
    }

    /// Returns the record of a request whose scripts reach `parts`.
    fn recording(&self, parts: HostParts, http: &ScriptHttp) -> Judging {
        let clock = Arc::clone(&parts.clock);
        let host = Outside::new(&self.settings, parts).with_http(http.clone());
        Judging::new(Arc::new(host), clock)
    }

    /// Returns the same service on another store. It writes no audit events of rejected requests, and does not look at
    /// the upstream server.
    fn on(&self, store: Store) -> Self {
        Self {
            judging: None,
            verifier: Arc::clone(&self.verifier),
            settings: Arc::clone(&self.settings),
            issuer: self.issuer.clone(),
            document_base: self.document_base.clone(),
            fetcher: Arc::clone(&self.fetcher),
            documents: self.documents.clone(),
            changes: self.changes.clone(),
            script_orders: self.script_orders.clone(),
            // The writer of this queue is gone, so its events are lost.
            refusals: audit::queue(store.audit.clone()).0,
            jwks: ArcSwap::new(self.jwks.load_full()),
            upstream: None,
            // A request that is only judged changes nothing elsewhere.
            upstream_registrar: None,
            // It has no console.
            login: None,
            admin_address: self.admin_address,
            steady: Steady::default(),
            reloads: Arc::clone(&self.reloads),
            stopping: self.stopping.clone(),
            snapshot: ArcSwap::new(self.snapshot()),
            replaced: watch::channel(()).0,
            store,
            clock: Arc::clone(&self.clock),
            live: Arc::clone(&self.live),
        }
    }

    /// Returns what was recorded, if this service judges one request.
    pub(crate) const fn judged(&self) -> Option<&Judging> {
        self.judging.as_ref()
    }
}
