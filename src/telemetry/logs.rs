//! Logs: text on a terminal, a JSON object a line elsewhere, always on standard error. And, where
//! they are wanted, traces.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::fmt::{Layer, MakeWriter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::lines::{Line, Members};
use super::traces::{self, Traces};
use crate::config::settings::{LogFormat, TelemetrySettings};

/// Why logging can not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `telemetry.level` can not be read.
    #[error("telemetry.level is not a filter such as `info` or `info,registrar::script=debug`: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// `telemetry.otlp` can not be used.
    #[error("telemetry.otlp: {0}")]
    Otlp(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Somebody else has set up logging in this process.
    #[error("logging is set up already")]
    Again,
}

/// Sends the events of this process to standard error, and its traces to `telemetry.otlp`, when
/// there is one. What is given must be [ended](Traces::end), outside of an asynchronous runtime.
///
/// # Errors
/// When the level can not be read, or logging is set up already.
pub fn init(settings: &TelemetrySettings) -> Result<Option<Traces>, TelemetryError> {
    init_to(settings, std::io::stderr)
}

/// The same, with the lines sent to `writer`.
///
/// # Errors
/// As [`init`].
pub fn init_to<W>(settings: &TelemetrySettings, writer: W) -> Result<Option<Traces>, TelemetryError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let is_terminal = std::io::stderr().is_terminal();
    let is_text = match settings.format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    // It would say on standard error, by a panic, that standard error cannot be written.
    let lines = Layer::new().with_writer(writer).log_internal_errors(false);
    let lines = if is_text {
        lines.with_ansi(is_terminal && std::env::var_os("NO_COLOR").is_none()).boxed()
    } else {
        lines.fmt_fields(Members).event_format(Line).boxed()
    };
    // What other crates say below `info` quotes headers, frames and records, and so secrets:
    // only of our own events do we know what is in them.
    // The steps of a trace would take the place of the request, whose ids each line has.
    let ours = filter_fn(|metadata| {
        let is_loud = *metadata.level() <= Level::INFO || is_ours(metadata.target());
        is_loud && metadata.target() != traces::TARGET
    });
    // It bounds no level. Without a word of that, every event of every crate would be made, to be
    // dropped here.
    let ours = ours.with_max_level_hint(LevelFilter::TRACE);
    // It would count the spaces around a word into it.
    let level = settings.level.split(',').map(str::trim).collect::<Vec<_>>().join(",");
    let filter = EnvFilter::try_new(level)?.and(ours);
    let traces = settings.otlp.as_deref().map(Traces::new).transpose()?;
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(traces.as_ref().map(Traces::layer))
        .try_init()
        .map_err(|_| TelemetryError::Again)?;
    Ok(traces)
}

fn is_ours(target: &str) -> bool {
    let rest = target.strip_prefix(env!("CARGO_PKG_NAME"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_events_are_ours() {
        assert!(is_ours("registrar") && is_ours("registrar::script"));
        assert!(!is_ours("h2::codec") && !is_ours("registrar_of_others"));
    }
}
