//! What the operator sees of a running server: logs, numbers and traces.
//!
//! Any layer may record here, so nothing here knows of clients, scripts or HTTP: what is counted
//! arrives as a number, a time, or one of few words. No value that a caller chose becomes a label.

mod lines;
pub mod logs;
pub mod meter;
pub mod trace;
pub mod traces;

pub use logs::{TelemetryError, init, init_to};

/// Says in the log of the present request which administrator makes it, once that was proved.
pub fn acts(client_id: &str) {
    for span in [tracing::Span::current(), traces::current()] {
        span.record("actor", client_id);
    }
}

/// Says in the log of the present request which client it is about, and how far that is trusted.
/// Only of a client whose holder has proved to be it: what a caller merely names stays out.
pub fn concerns(client_id: &str, trust_level: &'static str) {
    for span in [tracing::Span::current(), traces::current()] {
        // Both at once: the line of the log is made anew for each.
        tracing::record_all!(span, client_id, trust_level);
    }
}
