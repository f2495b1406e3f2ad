//! What RFC 7592 section 2.2 requires of an update beyond the rules for a registration.

use serde_json::{Map, Value};

use super::RegisterError;
use crate::base::Violation;
use crate::client::Client;
use crate::service::Context;

/// The members that a client must not send in an update.
const FORBIDDEN: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

/// Checks the members by which an update identifies its client, and the members that it must not contain.
pub(super) fn screen(
    cx: &Context<'_>,
    client: &Client,
    members: &Map<String, Value>,
) -> Result<(), RegisterError> {
    let mut violations = own_members(cx, client, members)?;
    if !members.contains_key("client_id") {
        violations.insert(0, Violation::metadata("client_id", OWN_ID));
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(violations.into())
    }
}

/// Checks an update by an administrator, whose URL already identifies the client. A statement speaks only for
/// the client that presents it, so an administrator may only repeat the registered one.
pub(super) fn screen_operator(
    cx: &Context<'_>,
    client: &Client,
    members: &Map<String, Value>,
) -> Result<(), RegisterError> {
    let mut violations = own_members(cx, client, members)?;
    let name = "software_statement";
    let registered = client.metadata.metadata().get(name);
    if members
        .get(name)
        .is_some_and(|sent| Some(sent) != registered)
    {
        let rule = "must be omitted, or be the registered statement of the client: only the client itself \
                    can present another one";
        violations.push(Violation::metadata(name, rule));
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(violations.into())
    }
}

const OWN_ID: &str = "must be present and be the identifier of this client";

/// Returns what is wrong with the members that identify the client, or that only this server sets.
fn own_members(
    cx: &Context<'_>,
    client: &Client,
    members: &Map<String, Value>,
) -> Result<Vec<Violation>, RegisterError> {
    let mut violations = Vec::new();
    let id = client.id.as_str();
    let sent_id = members.get("client_id");
    if sent_id.is_some_and(|value| value.as_str() != Some(id)) {
        violations.push(Violation::metadata("client_id", OWN_ID));
    }
    if cx.settings().refuse_server_members_in_update {
        for name in FORBIDDEN {
            if members.contains_key(name) {
                violations.push(Violation::metadata(name, "must not be sent in an update"));
            }
        }
    }
    if let Some(value) = members.get("client_secret")
        && !is_current_secret(cx, client, value)?
    {
        let rule = "must be the current secret if it is sent; a client cannot choose its secret";
        violations.push(Violation::metadata("client_secret", rule));
    }
    Ok(violations)
}

fn is_current_secret(
    cx: &Context<'_>,
    client: &Client,
    sent: &Value,
) -> Result<bool, RegisterError> {
    let (Some(secret), Some(text)) = (&client.secret, sent.as_str()) else {
        return Ok(false);
    };
    let key = &cx.service.store.sealing_key;
    let current = key.open(&secret.sealed, client.id.as_str())?;
    Ok(current.matches(text))
}
