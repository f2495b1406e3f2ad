//! What the answers show of administrators.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{IssuedAdministrator, data, own_scope};
use crate::base::{Timestamp, scope};
use crate::client::Client;
use crate::service::Context;

/// An administrator, without its secrets.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Administrator")]
pub(crate) struct AdministratorProperties<'a> {
    client_id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    scopes: Vec<&'a str>,
    /// Whether it gets the scopes that a later version of the server adds.
    all_scopes: bool,
    disabled: bool,
    token_endpoint_auth_method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<&'a str>,
    /// Seconds since 1970-01-01T00:00:00Z.
    created_at: u64,
    /// The `client_id` of the administrator that created it. Missing if the server did.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<u64>,
    /// Until when the secret before the last rotation is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret_expires_at: Option<u64>,
    /// The number of changes, starting at 1.
    #[schemars(range(min = 1))]
    revision: u64,
}

impl<'a> AdministratorProperties<'a> {
    /// Returns what is shown of `client`.
    pub(crate) fn of(cx: &Context<'_>, client: &'a Client) -> Self {
        let metadata = client.metadata.metadata();
        let last_used_at = cx.service.store.uses.last(client);
        let previous_secret_expires_at = previous_expiry(client, cx.service.clock.now());
        let data = data(client);
        Self {
            client_id: client.id.as_str(),
            name: metadata.text("client_name").unwrap_or_default(),
            note: data.note,
            scopes: scope::words(own_scope(client)).collect(),
            all_scopes: data.has_all_scopes,
            disabled: metadata.flag("disabled"),
            token_endpoint_auth_method: metadata
                .text("token_endpoint_auth_method")
                .unwrap_or_default(),
            jwks: metadata.get("jwks").and_then(Value::as_object),
            jwks_uri: metadata.text("jwks_uri"),
            created_at: data.created_at.unix(),
            created_by: data.created_by,
            last_used_at: last_used_at.map(Timestamp::unix),
            previous_secret_expires_at: previous_secret_expires_at.map(Timestamp::unix),
            revision: client.revision,
        }
    }
}

/// Returns when the previous secret of `client` expires, if it is still valid at `now`.
fn previous_expiry(client: &Client, now: Timestamp) -> Option<Timestamp> {
    let sealed = client.secret.as_ref().and_then(|secret| secret.expires_at);
    let secrets = client.administrator.iter().flat_map(|data| &data.secrets);
    let ends = secrets.filter_map(|secret| secret.expires_at).chain(sealed);
    ends.filter(|end| now < *end).max()
}

/// An administrator with a new secret, which only this answer contains.
#[derive(Serialize, JsonSchema)]
pub(crate) struct NewAdministrator<'a> {
    #[serde(flatten)]
    properties: AdministratorProperties<'a>,
    /// Missing if it authenticates with a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
}

impl<'a> NewAdministrator<'a> {
    /// Returns the answer to the administrator that caused the new secret.
    pub(crate) fn of(cx: &Context<'_>, made: &'a IssuedAdministrator) -> Self {
        Self {
            properties: AdministratorProperties::of(cx, &made.client),
            client_secret: made.secret.as_ref().map(crate::base::Secret::expose),
        }
    }
}

/// All administrators.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AdministratorList<'a> {
    pub(crate) administrators: Vec<AdministratorProperties<'a>>,
}
