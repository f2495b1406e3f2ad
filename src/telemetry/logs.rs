//! Logs on standard error: text on a terminal, otherwise one JSON object per line. And traces, if configured.

use std::io::IsTerminal;

use tracing::{Dispatch, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::fmt::writer::MakeWriterExt as _;
use tracing_subscriber::fmt::{Layer, MakeWriter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, TelemetrySettings};
use crate::telemetry::{is_silent, lines::JsonFields, lines::Line, traces, traces::Traces};

/// The target of the events of the audit log.
pub(super) const AUDIT: &str = "registrar::audit";

/// Why logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// `telemetry.level` is invalid.
    #[error(
        "telemetry.level is not a filter such as `info` or `info,registrar::script=debug`: {0}"
    )]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// `telemetry.otlp` cannot be used.
    #[error("telemetry.otlp: {0}")]
    Otlp(#[from] traces::ExportError),
    /// Logging is already set up in this process.
    #[error("logging is already set up")]
    Again,
}

/// Sends the events of this process to standard error, and its traces to `telemetry.otlp`, if set. The
/// returned traces must be [ended](Traces::end) outside of an asynchronous runtime.
///
/// # Errors
/// When the level is invalid, the URL cannot be used, or logging is already set up.
pub(crate) fn init(settings: &TelemetrySettings) -> Result<Option<Traces>, TelemetryError> {
    init_to(settings, std::io::stderr)
}

/// As `init`, with the log lines sent to `writer`.
///
/// # Errors
/// As `init`.
pub(crate) fn init_to<W>(
    settings: &TelemetrySettings,
    writer: W,
) -> Result<Option<Traces>, TelemetryError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let traces = settings.otlp.as_deref().map(Traces::new).transpose()?;
    let dispatch = dispatch(settings, writer, traces.as_ref())?;
    dispatch.try_init().map_err(|_| TelemetryError::Again)?;
    Ok(traces)
}

fn dispatch<W>(
    settings: &TelemetrySettings,
    writer: W,
    traces: Option<&Traces>,
) -> Result<Dispatch, TelemetryError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = lines(settings.format, writer);
    // This filter does not limit the level. Without the hint, every event of every crate would be created
    // and then dropped here.
    let ours = filter_fn(is_logged).with_max_level_hint(LevelFilter::TRACE);
    // The filter does not trim the spaces around a directive.
    let directives: Vec<&str> = settings.level.split(',').map(str::trim).collect();
    let level = directives.join(",");
    let mut filter = EnvFilter::try_new(level)?;
    if settings.audit_log {
        // Whatever the level of the other lines is.
        filter = filter.add_directive(format!("{AUDIT}=info").parse()?);
    }
    let logged = tracing_subscriber::registry().with(lines.with_filter(filter.and(ours)));
    // A layer that is `None` counts as interested in everything: the spans of steps would then be created for nobody.
    Ok(match traces {
        Some(traces) => logged.with(traces.layer()).into(),
        None => logged.into(),
    })
}

/// Returns the layer that writes log lines to `writer`: text, or one JSON object per line.
fn lines<S, W>(format: LogFormat, writer: W) -> Box<dyn tracing_subscriber::Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let is_terminal = std::io::stderr().is_terminal();
    let is_text = match format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    // Otherwise the layer would report a failed write to standard error on standard error, and panic.
    let writer = writer.with_filter(|_| !is_silent());
    let lines = Layer::new().with_writer(writer).log_internal_errors(false);
    if is_text {
        let has_colours = is_terminal && std::env::var_os("NO_COLOR").is_none();
        lines.with_ansi(has_colours).boxed()
    } else {
        lines.fmt_fields(JsonFields).event_format(Line).boxed()
    }
}

/// Whether an event or a span appears in the log. Events of other crates below `info` quote headers, frames
/// and records, and so secrets. Only the content of our own events is known. The steps of a trace would
/// replace the span of the request, whose identifiers each line has.
fn is_logged(metadata: &Metadata<'_>) -> bool {
    let is_loud = *metadata.level() <= Level::INFO || is_ours(metadata.target());
    is_loud && metadata.target() != traces::TARGET
}

fn is_ours(target: &str) -> bool {
    let rest = target.strip_prefix(env!("CARGO_PKG_NAME"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::silently;

    #[test]
    fn only_events_of_this_crate_are_logged() {
        assert!(is_ours("registrar") && is_ours("registrar::script"));
        assert!(!is_ours("h2::codec") && !is_ours("registrar_of_others"));
    }

    /// An event whose first occurrence is in silence is logged when it happens again. `tracing` keeps for each event
    /// whether anybody is interested in it.
    #[test]
    fn an_event_that_happens_first_in_silence_is_logged_later() {
        let written = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let writer = Shared(std::sync::Arc::clone(&written));
        let dispatch = dispatch(&TelemetrySettings::default(), move || writer.clone(), None);
        tracing::dispatcher::with_default(&dispatch.unwrap(), || {
            let event = || tracing::warn!(is_silent = is_silent(), "the same event");
            futures_util::FutureExt::now_or_never(silently(async { event() })).unwrap();
            event();
        });
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches("the same event").count(), 1, "{text}");
        assert!(text.contains(r#""is_silent":false"#), "{text}");
    }

    #[derive(Clone)]
    struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn without_an_export_of_traces_no_span_of_a_step_is_created() {
        let settings = TelemetrySettings::default();
        let dispatch = dispatch(&settings, std::io::sink, None).unwrap();
        tracing::dispatcher::with_default(&dispatch, || {
            assert!(traces::step("rules").is_disabled());
            assert!(traces::request("id", "register", "POST").is_disabled());
            assert!(!tracing::info_span!("request").is_disabled());
        });
    }
}
