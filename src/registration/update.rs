//! What RFC 7592 section 2.2 asks of an update beyond what a registration needs.

use serde_json::{Map, Value};

use super::RegisterError;
use crate::model::Violation;
use crate::service::Context;
use crate::store::Stored;

/// The members that a client must not send in an update.
const FORBIDDEN: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

/// The members that a client must not send in an update (RFC 7592 section 2.2).
pub const fn forbidden_members() -> [&'static str; 4] {
    FORBIDDEN
}

/// Checks the members by which an update names its client, and those it must not have.
pub(super) fn screen(
    cx: &Context<'_>,
    stored: &Stored,
    members: &Map<String, Value>,
) -> Result<(), RegisterError> {
    let mut violations = Vec::new();
    let id = stored.client().id.as_str();
    if members.get("client_id").is_none_or(|value| value.as_str() != Some(id)) {
        violations
            .push(Violation::metadata("client_id", "must be there and be the identifier of this client"));
    }
    if cx.settings().refuse_server_members_in_update {
        let sent = FORBIDDEN.into_iter().filter(|name| members.contains_key(*name));
        violations.extend(sent.map(|name| Violation::metadata(name, "must not be sent in an update")));
    }
    if let Some(value) = members.get("client_secret") {
        let is_current = match (&stored.client().secret, value.as_str()) {
            (Some(secret), Some(text)) => {
                cx.service.store.sealing_key.open(&secret.sealed, id)?.matches(text)
            }
            _ => false,
        };
        if !is_current {
            let rule = "must be the present secret when it is sent; a client can not choose its secret";
            violations.push(Violation::metadata("client_secret", rule));
        }
    }
    if violations.is_empty() { Ok(()) } else { Err(violations.into()) }
}
