//! Traces by OTLP (`telemetry.otlp`): one span for each request, and one for each of its steps.
//!
//! The spans of a trace have a target of their own, which the log does not hear: there, a request
//! is one span with its ids. Without `telemetry.otlp` nobody hears it, and a step costs the look
//! at one number.
//!
//! A span says which step it is, and of a request what its line in the log says: no path, no
//! query, no description, no value that a caller chose.

use std::time::Duration;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
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

/// How long one sending may take, also the last one.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Methods that are named; others are for the log alone.
const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

tokio::task_local! {
    /// The span of the request at which this task is at work.
    static REQUEST: Span;
}

/// Traces that are sent somewhere.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Traces that are sent to the OTLP receiver at `url`, such as `http://127.0.0.1:4318`.
    ///
    /// # Errors
    /// When the URL can not be used.
    pub(super) fn new(url: &str) -> Result<Self, opentelemetry_otlp::ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", url.trim_end_matches('/')))
            .with_timeout(TIMEOUT)
            .build()?;
        let batches = BatchConfigBuilder::default().with_scheduled_delay(DELAY).build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let name = env!("CARGO_PKG_NAME");
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            // Not what a stranger's flags say: who asks does not decide what is seen of him.
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(Resource::builder().with_service_name(name).build())
            .build();
        Ok(Self { provider })
    }

    /// What makes them of our spans.
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
        // Without a word of that, every event of every crate would be made, to be dropped here.
        layer.with_filter(steps.with_max_level_hint(LevelFilter::INFO))
    }

    /// Sends what is left, for a few seconds at most.
    pub fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(TIMEOUT) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// The span of a request that begins.
pub fn request(correlation_id: &str, endpoint: &'static str, method: &str) -> Span {
    let method = METHODS.iter().find(|known| **known == method).copied().unwrap_or("_OTHER");
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

/// Puts the span of a request into the trace that its `traceparent` names, when that has exactly
/// the form of W3C Trace Context.
pub fn continues(request: &Span, traceparent: &str) {
    let Some((trace, parent)) = trace::ids(traceparent).filter(|_| !request.is_disabled()) else { return };
    if let (Ok(trace), Ok(parent)) = (TraceId::from_hex(trace), SpanId::from_hex(parent)) {
        let remote = SpanContext::new(trace, parent, TraceFlags::SAMPLED, true, TraceState::default());
        let context = opentelemetry::Context::new().with_remote_span_context(remote);
        // It fails only for a span that is no part of any trace.
        request.set_parent(context).unwrap_or_default();
    }
}

/// Does `work` as a part of `request`.
pub async fn within<T>(request: &Span, work: impl Future<Output = T>) -> T {
    if request.is_disabled() {
        return work.await;
    }
    REQUEST.scope(request.clone(), work).instrument(request.clone()).await
}

/// Notes in the span of a request how it was answered.
pub fn answered(request: &Span, status: u16, error: Option<&str>) {
    // Without a sign it would be sent as a text.
    request.record("http.response.status_code", i64::from(status));
    if let Some(error) = error {
        request.record("error.type", error);
    }
    if status >= 500 {
        request.record("otel.status_code", "ERROR");
    }
}

/// The span of the request at which this task is at work, to be entered on another thread.
pub fn current() -> Span {
    REQUEST.try_with(Span::clone).unwrap_or_else(|_| Span::none())
}

/// The span of a step of a request.
pub fn step(name: &'static str) -> Span {
    tracing::info_span!(target: TARGET, "step", otel.name = name)
}

/// The span of a call of a script.
pub fn script(name: &str, hook: &str) -> Span {
    tracing::info_span!(target: TARGET, "script", otel.name = format!("{hook} {name}"))
}
