//! Logs: text on a terminal, a JSON object a line elsewhere, always on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::settings::{LogFormat, TelemetrySettings};

/// Why logging can not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `telemetry.level` can not be read.
    #[error("telemetry.level is not a filter such as `info` or `info,registrar::script=debug`: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody else has set up logging in this process.
    #[error("logging is set up already")]
    Again,
}

/// Sends the events of this process to standard error.
///
/// # Errors
/// When the level can not be read, or logging is set up already.
pub fn init(settings: &TelemetrySettings) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&settings.level)?;
    let is_terminal = std::io::stderr().is_terminal();
    let is_text = match settings.format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let done = if is_text {
        subscriber.with_ansi(is_terminal && std::env::var_os("NO_COLOR").is_none()).try_init()
    } else {
        subscriber.json().flatten_event(true).with_span_list(false).try_init()
    };
    done.map_err(|_| TelemetryError::Again)
}
