//! Clients as administrators see them: never with a secret or the hash of a token.

use serde_json::{Map, Value, json};

use crate::base::clock::Timestamp;
use crate::client::Client;
use crate::service::Context;

/// Returns the summary of a client for a list.
pub fn summary(client: &Client) -> Value {
    let metadata = client.metadata.metadata();
    let mut members = Map::new();
    members.insert("client_id".to_owned(), client.id.as_str().into());
    for name in ["client_name", "software_id"] {
        members.extend(
            metadata
                .text(name)
                .map(|text| (name.to_owned(), text.into())),
        );
    }
    members.insert(
        "client_id_issued_at".to_owned(),
        client.issued_at.unix().into(),
    );
    members.extend(
        client
            .expires_at
            .map(|end| ("expires_at".to_owned(), end.unix().into())),
    );
    members.extend(
        client
            .last_used_at
            .map(|at| ("last_used_at".to_owned(), at.unix().into())),
    );
    members.insert(
        "trust_level".to_owned(),
        client.provenance.trust_level.as_str().into(),
    );
    members.into()
}

/// Returns everything that administrators can see of a client: its metadata and its provenance.
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
