//! A client that asked for scopes and got none of them. Its answer shows that only by what it lacks (RFC 7591 section
//! 3.2.1), so the operator learns it from the log and the audit log: usually a scope is missing in `[[scopes]]`.

use crate::base::{printable, scope};
use crate::client::Client;
use crate::registration::Proven;
use crate::store::AuditEvent;

/// The maximum number of characters of the requested scopes that are recorded.
const RECORDED: usize = 256;

/// Notes the requested scopes in `event`, and writes them to the log, if `client` got none of them.
pub(super) fn note(event: AuditEvent, proven: &Proven, client: &Client) -> AuditEvent {
    let Some(lost) = lost(proven, client) else {
        return event;
    };
    tracing::info!(scopes = %lost, "none of the requested scopes was granted");
    event.with("dropped_scopes", lost)
}

fn lost(proven: &Proven, client: &Client) -> Option<String> {
    let requested = proven.requested.metadata().text("scope")?;
    let granted = client.metadata.metadata().text("scope").unwrap_or_default();
    if scope::words(requested).any(|word| scope::has(granted, word)) {
        return None;
    }
    let text: String = requested.chars().take(RECORDED).collect();
    let words: Vec<&str> = scope::words(&text).collect();
    (!words.is_empty()).then(|| printable(&words.join(" ")))
}
