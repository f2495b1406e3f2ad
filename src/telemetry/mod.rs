//! What the operator sees of a running server: logs, metrics and traces.
//!
//! Every layer can record here, so this module depends on no other layer. A recorded value is a number, a
//! time, or one of a few words. No value that a caller chose becomes a label.

mod lines;
pub(crate) mod logs;
pub(crate) mod meter;
mod silence;
pub(crate) mod trace;
pub(crate) mod traces;

pub(crate) use logs::init;
pub(crate) use logs::init_to;
pub(crate) use meter::{
    ClientChange, DeliveryOutcome, DocumentOutcome, Endpoint, FetchOutcome, KeyLookup, OpenCount,
    PendingChange, Reloaded, ResolutionOutcome, ScriptOutcome, ShadowOutcome, WriteOutcome,
};
pub(crate) use silence::{as_silent_as_here, is_silent, silently};

/// Writes an event of the audit log, a JSON object, to the log.
pub(crate) fn audited(event: &str) {
    tracing::info!(target: logs::AUDIT, event, "audit event");
}

/// Records in the log of the current request the authenticated administrator that makes it. Its name was chosen by
/// a caller, so traces do not have it.
pub(crate) fn acts(client_id: &str, name: Option<&str>) {
    for span in [tracing::Span::current(), traces::current()] {
        span.record("actor", client_id);
    }
    if let Some(name) = name {
        tracing::Span::current().record("actor_name", name);
    }
}

/// Records in the log of the current request the client that it concerns, and the trust level of the client.
/// Only for a client that has authenticated: an identifier that a caller merely names is not recorded.
pub(crate) fn concerns(client_id: &str, trust_level: &'static str) {
    if is_silent() {
        return;
    }
    for span in [tracing::Span::current(), traces::current()] {
        // Both in one call: each call formats the fields of the log line anew.
        tracing::record_all!(span, client_id, trust_level);
    }
}
