//! Traces by OTLP (`telemetry.otlp`): one span for each request, and one for each of its steps.
//!
//! The spans of a trace have their own target, which the log ignores. In the log, a request is one span with
//! its identifiers. Without `telemetry.otlp` these spans have no subscriber, and a step costs one comparison.
//!
//! The export needs the cargo feature `otlp`. Without it no OpenTelemetry library is built, the configuration
//! check rejects `telemetry.otlp`, and the spans here never have a subscriber.
//!
//! A span has the name of its step. The span of a request has the fields of its log line: no path, no query,
//! no description, and no value that a caller chose.

#[cfg(feature = "otlp")]
mod export;
#[cfg(not(feature = "otlp"))]
mod without;
#[cfg(not(feature = "otlp"))]
use without as export;

use tracing::field::Empty;
use tracing::{Instrument as _, Span};

pub(crate) use export::{ExportError, Traces};

use crate::telemetry::trace;

/// The target of the spans of traces.
pub(super) const TARGET: &str = "registrar::step";

/// Methods that appear by name. Others appear only in the log.
const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

tokio::task_local! {
    /// The span of the request that this task processes.
    static REQUEST: Span;
}

/// Creates the span of a new request.
pub(crate) fn request(correlation_id: &str, endpoint: &'static str, method: &str) -> Span {
    let method = METHODS
        .iter()
        .find(|known| **known == method)
        .copied()
        .unwrap_or("_OTHER");
    tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = format!("{method} {endpoint}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.response.status_code = Empty,
        "error.type" = Empty,
        endpoint,
        correlation_id,
        client_id = Empty,
        trust_level = Empty,
        actor = Empty
    )
}

/// Puts the span of a request into the trace of its `traceparent`, if the value has exactly the form of W3C
/// Trace Context.
pub(crate) fn continues(request: &Span, traceparent: &str) {
    if request.is_disabled() {
        return;
    }
    if let Some((trace, parent)) = trace::ids(traceparent) {
        export::set_parent(request, trace, parent);
    }
}

/// Runs `work` within the span `request`.
pub(crate) async fn within<T>(request: &Span, work: impl Future<Output = T>) -> T {
    if request.is_disabled() {
        return work.await;
    }
    REQUEST
        .scope(request.clone(), work)
        .instrument(request.clone())
        .await
}

/// Records the outcome of a request in its span.
pub(crate) fn answered(request: &Span, status: u16, error: Option<&str>) {
    // An unsigned integer would be sent as text.
    request.record("http.response.status_code", i64::from(status));
    if let Some(error) = error {
        request.record("error.type", error);
    }
    if status >= 500 {
        request.record("otel.status_code", "ERROR");
    }
}

/// Returns the span of the request that this task processes, to be entered on another thread.
pub(crate) fn current() -> Span {
    REQUEST
        .try_with(Span::clone)
        .unwrap_or_else(|_| Span::none())
}

/// Creates the span of a step of a request.
pub(crate) fn step(name: &'static str) -> Span {
    tracing::info_span!(target: TARGET, "step", otel.name = name)
}

/// Creates the span of a call of a script.
pub(crate) fn script(name: &str, hook: &str) -> Span {
    tracing::info_span!(target: TARGET, "script", otel.name = format!("{hook} {name}"))
}
