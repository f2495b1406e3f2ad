//! Keeps the metrics until they are read.

use std::sync::OnceLock;

use metrics::Unit;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::{names, process, zero};

/// The handle to read the metrics; `None` if the embedding program keeps them elsewhere.
static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// When the first server of this process was started, in seconds since 1970.
static STARTED: OnceLock<u64> = OnceLock::new();

/// Buckets in seconds: from a cached read to a request that waits for a slow store or script.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];
/// Buckets for the number of changes in one batch of the store.
const CHANGES: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0,
];

/// Installs the recorder of this process, once for all servers in it. `now` is the time in seconds since 1970.
///
/// If an embedding program has already installed a recorder for the `metrics` crate, that recorder stays: the
/// metrics go there, and `/metrics` is not available.
pub(crate) fn install(now: u64) {
    STARTED.get_or_init(|| now);
    HANDLE.get_or_init(|| {
        let recorder = builder()?.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        describe();
        zero::begin();
        Some(handle)
    });
}

/// Returns a builder with explicit buckets: the default quantiles cannot be aggregated over several servers.
/// Returns `None` only if a list of buckets is empty.
fn builder() -> Option<PrometheusBuilder> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let changes = Matcher::Full(names::STORE_BATCH_CHANGES.to_owned());
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(seconds, SECONDS)
        .ok()?;
    builder.set_buckets_for_metric(changes, CHANGES).ok()
}

fn describe() {
    for (name, text) in names::COUNTERS {
        metrics::describe_counter!(*name, *text);
    }
    for (name, text) in names::GAUGES {
        metrics::describe_gauge!(*name, *text);
    }
    for (name, text) in names::TIMES {
        metrics::describe_histogram!(*name, Unit::Seconds, *text);
    }
    metrics::describe_histogram!(
        names::STORE_BATCH_CHANGES,
        "Number of store changes in one flush."
    );
    metrics::gauge!(names::BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// Returns all metrics in the text format of Prometheus, version 0.0.4, or `None` if they are kept elsewhere.
/// `certificates` are the options that name files of certificates, and when the first of each file expires, in seconds
/// since 1970. Reads files, so call it on a thread that may block.
pub(crate) fn exposition(certificates: &[(String, u64)]) -> Option<String> {
    let mut text = text()?;
    let started = STARTED.get().copied().unwrap_or_default();
    text.push_str(&process::process(started));
    text.push_str(&process::certificates(certificates));
    Some(text)
}

/// Returns the recorded metrics in the same format.
pub(crate) fn text() -> Option<String> {
    let handle = HANDLE.get()?.as_ref()?;
    Some(handle.render())
}

/// Aggregates the measurements since the last call. Until then, every single measurement is kept, so this
/// must be called regularly even if nobody reads the metrics.
pub(crate) fn add_up() {
    if let Some(Some(handle)) = HANDLE.get() {
        handle.run_upkeep();
    }
}
