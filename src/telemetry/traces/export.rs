//! The export of traces to an OTLP receiver.

use std::time::Duration;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::TARGET;

pub(crate) use opentelemetry_otlp::ExporterBuildError as ExportError;

/// How long spans are collected before they are sent.
const DELAY: Duration = Duration::from_secs(2);

/// The timeout of an export, including the last one.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The export of traces.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Creates an export to the OTLP receiver at `url`, such as `http://127.0.0.1:4318`.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub(in crate::telemetry) fn new(url: &str) -> Result<Self, ExportError> {
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
    pub(in crate::telemetry) fn layer<S>(&self) -> impl Layer<S> + use<S>
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
    pub(crate) fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(TIMEOUT) {
            tracing::warn!(%error, "failed to send the last traces");
        }
    }
}

/// Makes `request` a child of the span `parent` of the trace `trace`, both in hex.
pub(super) fn set_parent(request: &Span, trace: &str, parent: &str) {
    let (Ok(trace), Ok(parent)) = (TraceId::from_hex(trace), SpanId::from_hex(parent)) else {
        return;
    };
    let state = TraceState::default();
    let remote = SpanContext::new(trace, parent, TraceFlags::SAMPLED, true, state);
    let context = opentelemetry::Context::new().with_remote_span_context(remote);
    // This fails only for a span that is not part of any trace.
    request.set_parent(context).unwrap_or_default();
}
