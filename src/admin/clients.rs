//! Clients, as an administrator sees them: never with a secret, or with what a token hashes to.

use serde_json::{Map, Value, json};

use super::Administrator;
use crate::client::Client;
use crate::clock::Timestamp;
use crate::service::Context;
use crate::store::audit::Action;
use crate::store::{StoreError, Stored};
use crate::telemetry;
use crate::telemetry::meter::{self, ClientChange};

/// One client of a list.
pub fn summary(client: &Client) -> Value {
    let metadata = client.metadata.metadata();
    let mut members = Map::new();
    members.insert("client_id".to_owned(), client.id.as_str().into());
    for name in ["client_name", "software_id"] {
        members.extend(metadata.text(name).map(|text| (name.to_owned(), text.into())));
    }
    members.insert("client_id_issued_at".to_owned(), client.issued_at.unix().into());
    members.extend(client.expires_at.map(|end| ("expires_at".to_owned(), end.unix().into())));
    members.extend(client.last_used_at.map(|at| ("last_used_at".to_owned(), at.unix().into())));
    members.insert("trust_level".to_owned(), client.provenance.trust_level.as_str().into());
    members.into()
}

/// All that may be shown of one client: its metadata, and how it came to be what it is.
pub fn detail(cx: &Context<'_>, client: &Client) -> Map<String, Value> {
    let expires_at = client.expires_at.map(Timestamp::unix);
    let shown = json!({
        "client_id": client.id.as_str(),
        "client_id_issued_at": client.issued_at.unix(),
        "revision": client.revision,
        "has_secret": client.secret.is_some(),
        "metadata": client.metadata.metadata().as_object(),
        "provenance": client.provenance,
    });
    let mut members = shown.as_object().cloned().unwrap_or_default();
    members.extend(expires_at.map(|end| ("expires_at".to_owned(), end.into())));
    let last_used_at = cx.service.store.uses.last(client).map(Timestamp::unix);
    members.extend(last_used_at.map(|at| ("last_used_at".to_owned(), at.into())));
    members
}

/// Deletes a client with all that is its own, and writes down who did it.
///
/// # Errors
/// When the client was changed meanwhile, or the store fails.
pub async fn delete(cx: &Context<'_>, by: &Administrator, seen: &Stored) -> Result<(), StoreError> {
    let id = seen.client().id.to_string();
    let event = by.did(Action::ClientDeleted, &id, cx.service.clock.now()).change()?;
    cx.service.store.clients.remove(seen, event).await?;
    let trust_level = seen.client().provenance.trust_level.as_str();
    telemetry::concerns(&id, trust_level);
    meter::client(ClientChange::Deleted, trust_level);
    tracing::info!("an administrator deleted a client");
    Ok(())
}
