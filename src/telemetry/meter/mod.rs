//! Metrics for Prometheus.
//!
//! There is one set of metrics per process, because Prometheus scrapes a process. The first server that
//! starts installs it, and several servers in one process (in tests) share it. So every layer can record
//! without a handle, and none of these functions fails. Before [`install`] they do nothing.

mod labels;
mod names;
mod process;
mod recorder;
mod zero;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

pub(crate) use labels::{
    ClientChange, DeliveryOutcome, DocumentOutcome, Endpoint, FetchOutcome, KeyLookup,
    PendingChange, Reloaded, ResolutionOutcome, ScriptOutcome, ShadowOutcome, WriteOutcome,
};
pub(crate) use recorder::{add_up, exposition, install, text};

/// Counts a request or a connection as open until it is dropped.
pub(crate) struct OpenCount(Gauge);

impl OpenCount {
    /// Counts a request.
    pub(crate) fn request() -> Self {
        Self::count(gauge!(names::REQUESTS_OPEN))
    }

    /// Counts a connection.
    pub(crate) fn connection() -> Self {
        Self::count(gauge!(names::CONNECTIONS_OPEN))
    }

    fn count(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for OpenCount {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Records an answered request: its endpoint, its method, the status, and the `error` of the response, which
/// is empty for a success.
pub(crate) fn request(endpoint: Endpoint, method: &str, status: u16, code: &str, took: Duration) {
    let key = (
        endpoint.as_str(),
        labels::method(method),
        status,
        labels::code(code),
    );
    ANSWERED.with_borrow_mut(|series| {
        let (answered, seconds) = series.entry(key).or_insert_with(|| answered(key));
        answered.increment(1);
        seconds.record(took);
    });
}

/// The labels of an answered request: endpoint, method, status and code.
type AnswerLabels = (&'static str, &'static str, u16, &'static str);

thread_local! {
    /// The series of answered requests that this thread has recorded in. To look them up by their names each time
    /// would cost as much as a tenth of a log line. There are few, since no caller decides about a label.
    static ANSWERED: RefCell<BTreeMap<AnswerLabels, (Counter, Histogram)>> = const { RefCell::new(BTreeMap::new()) };
}

fn answered((endpoint, method, status, code): AnswerLabels) -> (Counter, Histogram) {
    let status = status.to_string();
    (
        counter!(names::REQUESTS, "endpoint" => endpoint, "method" => method, "status" => status, "code" => code),
        histogram!(names::REQUEST_SECONDS, "endpoint" => endpoint, "method" => method),
    )
}

/// Records an aborted response: the client did not read it in time, or had too many unread responses.
pub(crate) fn answer_cut_off() {
    counter!(names::ANSWERS_CUT_OFF).increment(1);
}

/// Records a request that was rejected by a rate limit.
pub(crate) fn rate_limited() {
    counter!(names::RATE_LIMITED).increment(1);
}

/// Records a call of `hook` of the script with this file name.
pub(crate) fn script_call(
    script: &str,
    hook: &'static str,
    outcome: ScriptOutcome,
    took: Duration,
) {
    let (name, outcome) = (script.to_owned(), outcome.as_str());
    counter!(names::SCRIPT_CALLS, "script" => name.clone(), "hook" => hook, "outcome" => outcome)
        .increment(1);
    histogram!(names::SCRIPT_SECONDS, "script" => name, "hook" => hook).record(took);
}

/// Records that a script in force has this hook.
pub(crate) fn script_in_force(script: &str, hook: &'static str) {
    zero::script(script, hook);
}

/// Records that `what` was loaded at the start or reloaded, at the time `at` in seconds since 1970.
pub(crate) fn loaded(what: Reloaded, at: u64) {
    gauge!(names::RELOAD_GOOD, "what" => what.as_str()).set(1.0);
    gauge!(names::RELOAD_SUCCESS, "what" => what.as_str()).set(large(at));
}

/// Records a request that the candidate has judged without effect, or should have.
pub(crate) fn shadowed(outcome: ShadowOutcome) {
    counter!(names::SHADOWED, "outcome" => outcome.as_str()).increment(1);
}

/// Records a request that the candidate decides.
pub(crate) fn canary_decided() {
    counter!(names::CANARY).increment(1);
}

/// Records whether a version of the scripts is pinned.
pub(crate) fn scripts_pinned(is_pinned: bool) {
    gauge!(names::SCRIPTS_PINNED).set(if is_pinned { 1.0 } else { 0.0 });
}

/// Records an attempt to reload `what`. `succeeded` is the time of a success in seconds since 1970.
pub(crate) fn reload(what: Reloaded, succeeded: Option<u64>) {
    let outcome = if succeeded.is_some() { "ok" } else { "failed" };
    counter!(names::RELOADS, "what" => what.as_str(), "outcome" => outcome).increment(1);
    match succeeded {
        Some(at) => loaded(what, at),
        None => gauge!(names::RELOAD_GOOD, "what" => what.as_str()).set(0.0),
    }
}

/// Records a fetch from an external host.
pub(crate) fn fetch(outcome: FetchOutcome, took: Duration) {
    counter!(names::FETCHES, "outcome" => outcome.as_str()).increment(1);
    histogram!(names::FETCH_SECONDS).record(took);
}

/// Records a lookup of external keys.
pub(crate) fn key_lookup(found: KeyLookup) {
    counter!(names::KEY_LOOKUPS, "outcome" => found.as_str()).increment(1);
}

/// Records a requested change of the store.
pub(crate) fn store_write(outcome: WriteOutcome) {
    counter!(names::STORE_WRITES, "outcome" => outcome.as_str()).increment(1);
}

/// Records a flush of the store: the number of its changes, its duration, and the number of changes queued
/// afterwards.
pub(crate) fn store_batch(changes: usize, took: Duration, waiting: usize) {
    histogram!(names::STORE_BATCH_CHANGES).record(number(changes));
    histogram!(names::STORE_FLUSH_SECONDS).record(took);
    gauge!(names::STORE_QUEUE).set(number(waiting));
}

/// Records a change of a client of this trust level.
pub(crate) fn client(change: ClientChange, trust_level: &'static str) {
    counter!(names::CLIENTS, "change" => change.as_str(), "trust_level" => trust_level)
        .increment(1);
}

/// Records what happened to a published document of a client.
pub(crate) fn hosted_document(outcome: DocumentOutcome) {
    counter!(names::HOSTED_DOCUMENTS, "outcome" => outcome.as_str()).increment(1);
}

/// Records the removal of `count` expired clients.
pub(crate) fn clients_expired(count: usize) {
    counter!(names::CLIENTS_EXPIRED).increment(u64::try_from(count).unwrap_or(u64::MAX));
}

/// Records by how many seconds the clock is implausibly far ahead, so that sweeps are suspended; 0 if they
/// are not.
pub(crate) fn sweep_held(seconds: u64) {
    gauge!(names::SWEEP_HELD).set(large(seconds));
}

/// Records how many calls of the upstream server have an outcome that is not known.
pub(crate) fn upstream_unknown(calls: u64) {
    gauge!(names::UPSTREAM_UNKNOWN).set(large(calls));
}

/// Records the number of registered clients by trust level, and the size of the store on disk, if it has one.
pub(crate) fn store(clients: &[(&'static str, u64)], disk_bytes: Option<u64>) {
    for &(trust_level, count) in clients {
        zero::clients(trust_level);
        gauge!(names::CLIENTS_STORED, "trust_level" => trust_level).set(large(count));
    }
    if let Some(bytes) = disk_bytes {
        gauge!(names::STORE_BYTES).set(large(bytes));
    }
}

/// Records an attempt to deliver an event to the consumer with this name, which the configuration determines.
pub(crate) fn event_attempt(consumer: &str, outcome: DeliveryOutcome) {
    let (consumer, outcome) = (consumer.to_owned(), outcome.as_str());
    counter!(names::EVENT_ATTEMPTS, "consumer" => consumer, "outcome" => outcome).increment(1);
}

/// Records how many events a consumer has not received yet, and how many were given up.
pub(crate) fn consumer(name: &str, lag: u64, parked: u64) {
    zero::consumer(name);
    gauge!(names::EVENT_LAG, "consumer" => name.to_owned()).set(large(lag));
    gauge!(names::EVENTS_PARKED, "consumer" => name.to_owned()).set(large(parked));
}

/// Records the number of client documents in each state.
pub(crate) fn documents(states: &[(&'static str, u64)]) {
    for &(state, count) in states {
        gauge!(names::DOCUMENTS, "state" => state).set(large(count));
    }
}

/// Records how many of a type wait for an administrator.
pub(crate) fn pending(kind: &'static str, count: u64) {
    gauge!(names::PENDING, "type" => kind).set(large(count));
}

/// Records what happened to something that waits for an administrator.
pub(crate) fn pending_change(kind: &'static str, change: PendingChange) {
    counter!(names::PENDING_CHANGES, "type" => kind, "change" => change.as_str()).increment(1);
}

/// Records a resolution of the URL of a client document.
pub(crate) fn document_resolution(outcome: ResolutionOutcome) {
    counter!(names::DOCUMENT_RESOLUTIONS, "outcome" => outcome.as_str()).increment(1);
}

/// Records audit events that could not be stored.
pub(crate) fn audit_lost(count: u64) {
    counter!(names::AUDIT_LOST).increment(count);
}

fn number(count: usize) -> f64 {
    large(u64::try_from(count).unwrap_or(u64::MAX))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus has no other numbers; exact up to 2^53"
)]
fn large(count: u64) -> f64 {
    count as f64
}
