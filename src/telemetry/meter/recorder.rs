//! Where the numbers are kept until somebody reads them.

use std::sync::OnceLock;

use metrics::Unit;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::names;

/// How the numbers can be read; none when the program around us keeps them elsewhere.
static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Seconds: from a read out of the cache to a client that waits for a slow store or script.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Changes in one batch of the store.
const CHANGES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0];

/// Makes sure that numbers are kept in this process, however many servers it runs.
///
/// A program that embeds the server and has installed a recorder for the `metrics` crate before
/// keeps it: our numbers go there, and `/metrics` has nothing to show.
pub fn install() {
    HANDLE.get_or_init(|| {
        let recorder = builder()?.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        describe();
        Some(handle)
    });
}

/// Buckets of our own: the quantiles that would be kept without them can not be added up over
/// several servers. None only when a list of buckets is empty.
fn builder() -> Option<PrometheusBuilder> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let changes = Matcher::Full(names::STORE_BATCH_CHANGES.to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, SECONDS).ok()?;
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
    metrics::describe_histogram!(names::STORE_BATCH_CHANGES, "Changes of the store that shared one flush.");
    metrics::gauge!(names::BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// All numbers in the text format of Prometheus, version 0.0.4; none when they are kept elsewhere.
pub fn text() -> Option<String> {
    let handle = HANDLE.get()?.as_ref()?;
    Some(handle.render())
}

/// Adds up what was measured since the last time. Until this is done every single time that was
/// measured is kept, so it must be done often even when nobody reads the numbers.
pub fn add_up() {
    if let Some(Some(handle)) = HANDLE.get() {
        handle.run_upkeep();
    }
}
