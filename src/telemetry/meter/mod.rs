//! Numbers of what goes on, for Prometheus.
//!
//! There is one set of numbers a process, as Prometheus reads a process: it is installed once, by
//! the first server that starts, and several servers in one process (in tests) add to the same
//! numbers. So every layer can record without being handed anything, and none of these functions
//! fails. Before [`install`] they do nothing.

mod labels;
mod names;
mod recorder;

use std::time::Duration;

use metrics::{Gauge, counter, gauge, histogram};

pub use labels::{ClientChange, Endpoint, FetchOutcome, KeyLookup, Reloaded, ScriptOutcome, WriteOutcome};
pub use recorder::{add_up, install, text};

/// Counts one more of something as open until it is dropped.
pub struct Open(Gauge);

impl Open {
    /// A request.
    pub fn request() -> Self {
        Self::count(gauge!(names::REQUESTS_OPEN))
    }

    /// A connection.
    pub fn connection() -> Self {
        Self::count(gauge!(names::CONNECTIONS_OPEN))
    }

    fn count(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// An answered request: where it went, its method, the status, and the `error` of the answer,
/// empty when there is none.
pub fn request(endpoint: Endpoint, method: &str, (status, code): (u16, &str), took: Duration) {
    let (endpoint, method) = (endpoint.as_str(), labels::method(method));
    let (status, code) = (status.to_string(), labels::code(code));
    counter!(names::REQUESTS, "endpoint" => endpoint, "method" => method, "status" => status, "code" => code)
        .increment(1);
    histogram!(names::REQUEST_SECONDS, "endpoint" => endpoint, "method" => method).record(took);
}

/// An answer was given up: its caller did not take it in time, or held too many.
pub fn answer_cut_off() {
    counter!(names::ANSWERS_CUT_OFF).increment(1);
}

/// A request refused because of a rate limit.
pub fn rate_limited() {
    counter!(names::RATE_LIMITED).increment(1);
}

/// A call of `hook` of the script with this file name.
pub fn script_call(script: &str, hook: &'static str, outcome: ScriptOutcome, took: Duration) {
    let (name, outcome) = (script.to_owned(), outcome.as_str());
    counter!(names::SCRIPT_CALLS, "script" => name.clone(), "hook" => hook, "outcome" => outcome)
        .increment(1);
    histogram!(names::SCRIPT_SECONDS, "script" => name, "hook" => hook).record(took);
}

/// Something was loaded, at the start or again, so many seconds after 1970.
pub fn loaded(what: Reloaded, at: u64) {
    gauge!(names::RELOAD_GOOD, "what" => what.as_str()).set(1.0);
    gauge!(names::RELOAD_SUCCESS, "what" => what.as_str()).set(large(at));
}

/// An attempt to load something again: when it succeeded, in seconds since 1970.
pub fn reload(what: Reloaded, succeeded: Option<u64>) {
    let outcome = if succeeded.is_some() { "ok" } else { "failed" };
    counter!(names::RELOADS, "what" => what.as_str(), "outcome" => outcome).increment(1);
    match succeeded {
        Some(at) => loaded(what, at),
        None => gauge!(names::RELOAD_GOOD, "what" => what.as_str()).set(0.0),
    }
}

/// A fetch from elsewhere.
pub fn fetch(outcome: FetchOutcome, took: Duration) {
    counter!(names::FETCHES, "outcome" => outcome.as_str()).increment(1);
    histogram!(names::FETCH_SECONDS).record(took);
}

/// A lookup of the keys of somebody else.
pub fn key_lookup(found: KeyLookup) {
    counter!(names::KEY_LOOKUPS, "outcome" => found.as_str()).increment(1);
}

/// A change that somebody asked the store for.
pub fn store_write(outcome: WriteOutcome) {
    counter!(names::STORE_WRITES, "outcome" => outcome.as_str()).increment(1);
}

/// So many changes shared one flush, which took so long; so many were waiting after it.
pub fn store_batch(changes: usize, took: Duration, waiting: usize) {
    histogram!(names::STORE_BATCH_CHANGES).record(number(changes));
    histogram!(names::STORE_FLUSH_SECONDS).record(took);
    gauge!(names::STORE_QUEUE).set(number(waiting));
}

/// Something happened to a client of this trust level.
pub fn client(change: ClientChange, trust_level: &'static str) {
    counter!(names::CLIENTS, "change" => change.as_str(), "trust_level" => trust_level).increment(1);
}

/// So many clients were removed because their time was over.
pub fn clients_expired(count: usize) {
    counter!(names::CLIENTS_EXPIRED).increment(u64::try_from(count).unwrap_or(u64::MAX));
}

/// The clock is so many seconds further than it can be, so sweeps wait; 0: they do not.
pub fn sweep_held(seconds: u64) {
    gauge!(names::SWEEP_HELD).set(large(seconds));
}

/// The clients that are registered, by how far they are trusted, and the bytes of the store on the disk
/// where it has some.
pub fn store(clients: &[(&'static str, u64)], disk_bytes: Option<u64>) {
    for &(trust_level, count) in clients {
        gauge!(names::CLIENTS_STORED, "trust_level" => trust_level).set(large(count));
    }
    if let Some(bytes) = disk_bytes {
        gauge!(names::STORE_BYTES).set(large(bytes));
    }
}

/// Events that scripts are still to be told of, and those that were given up since the start.
pub fn notifications(waiting: u64, lost: u64) {
    gauge!(names::NOTIFICATIONS_WAITING).set(large(waiting));
    counter!(names::NOTIFICATIONS_LOST).absolute(lost);
}

/// Events of the audit log that could not be kept.
pub fn audit_lost(count: u64) {
    counter!(names::AUDIT_LOST).increment(count);
}

fn number(count: usize) -> f64 {
    large(u64::try_from(count).unwrap_or(u64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers; exact up to 2^53")]
fn large(count: u64) -> f64 {
    count as f64
}
