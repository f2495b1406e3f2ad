//! Traces by OTLP (`telemetry.otlp`): one span for each request, and one for each of its steps.
//!
//! The spans of a trace have their own target, which the log ignores. In the log, a request is one span with
//! its identifiers. Without `telemetry.otlp` these spans have no subscriber, and a step costs one comparison.
//!
//! A span has the name of its step. The span of a request has the fields of its log line: no path, no query,
//! no description, and no value that a caller chose.

use std::time::Duration;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::trace;

/// The target of the spans of traces.
pub(super) const TARGET: &str = "registrar::step";

/// How long spans are collected before they are sent.
const DELAY: Duration = Duration::from_secs(2);

/// The timeout of an export, including the last one.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Methods that appear by name. Others appear only in the log.
const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

tokio::task_local! {
    /// The span of the request that this task processes.
    static REQUEST: Span;
}

/// The export of traces.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Creates an export to the OTLP receiver at `url`, such as `http://127.0.0.1:4318`.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub(super) fn new(url: &str) -> Result<Self, opentelemetry_otlp::ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", url.trim_end_matches('/')))
            .with_timeout(TIMEOUT)
            .build()?;
        let batches = BatchConfigBuilder::default()
            .with_scheduled_delay(DELAY)
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batches)
            .build();
        let name = env!("CARGO_PKG_NAME");
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            // The sampled flag of a caller is ignored: callers do not decide what the operator sees.
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(Resource::builder().with_service_name(name).build())
            .build();
        Ok(Self { provider })
    }

    /// Returns the layer that turns spans into traces.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'span> LookupSpan<'span>,
    {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false);
        let steps = filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET);
        // Without this hint, every event of every crate would be created and then dropped here.
        layer.with_filter(steps.with_max_level_hint(LevelFilter::INFO))
    }

    /// Sends the remaining spans, for at most a few seconds.
    pub fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(TIMEOUT) {
            tracing::warn!(%error, "failed to send the last traces");
        }
    }
}

/// Creates the span of a new request.
pub fn request(correlation_id: &str, endpoint: &'static str, method: &str) -> Span {
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
pub fn continues(request: &Span, traceparent: &str) {
    let Some((trace, parent)) = trace::ids(traceparent).filter(|_| !request.is_disabled()) else {
        return;
    };
    if let (Ok(trace), Ok(parent)) = (TraceId::from_hex(trace), SpanId::from_hex(parent)) {
        let remote = SpanContext::new(
            trace,
            parent,
            TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        let context = opentelemetry::Context::new().with_remote_span_context(remote);
        // This fails only for a span that is not part of any trace.
        request.set_parent(context).unwrap_or_default();
    }
}

/// Runs `work` within the span `request`.
pub async fn within<T>(request: &Span, work: impl Future<Output = T>) -> T {
    if request.is_disabled() {
        return work.await;
    }
    REQUEST
        .scope(request.clone(), work)
        .instrument(request.clone())
        .await
}

/// Records the outcome of a request in its span.
pub fn answered(request: &Span, status: u16, error: Option<&str>) {
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
pub fn current() -> Span {
    REQUEST
        .try_with(Span::clone)
        .unwrap_or_else(|_| Span::none())
}

/// Creates the span of a step of a request.
pub fn step(name: &'static str) -> Span {
    tracing::info_span!(target: TARGET, "step", otel.name = name)
}

/// Creates the span of a call of a script.
pub fn script(name: &str, hook: &str) -> Span {
    tracing::info_span!(target: TARGET, "script", otel.name = format!("{hook} {name}"))
}
