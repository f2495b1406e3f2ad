//! What stands in for the export of traces in a binary without the cargo feature `otlp`.

use tracing::Span;
use tracing_subscriber::layer::{Identity, Layer};

/// Why traces cannot be exported: no exporter is built in.
#[derive(Debug, thiserror::Error)]
#[error("this binary was built without traces (cargo feature `otlp`)")]
pub(crate) struct ExportError;

/// The export of traces, of which there is none.
pub(crate) enum Traces {}

impl Traces {
    /// Rejects every receiver.
    pub(in crate::telemetry) fn new(_url: &str) -> Result<Self, ExportError> {
        Err(ExportError)
    }

    pub(in crate::telemetry) fn layer<S: tracing::Subscriber>(&self) -> impl Layer<S> + use<S> {
        match *self {}
        #[expect(unreachable_code, reason = "names the type of a layer")]
        Identity::new()
    }

    /// Sends the remaining spans.
    pub(crate) fn end(self) {
        match self {}
    }
}

/// Does nothing, since no span is sent.
pub(super) fn set_parent(_request: &Span, _trace: &str, _parent: &str) {}
