//! The client information response (RFC 7591 section 3.2.1, RFC 7592 section 3).

use serde_json::{Map, Value};

use super::{Issued, Purpose};
use crate::client::{Client, Metadata, TrustLevel};
use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::service::Context;

/// What the holder of a client is told of it.
pub struct ClientInformation {
    /// The members of the answer.
    pub members: Map<String, Value>,
    /// The metadata in it.
    pub metadata: Metadata,
    /// How far the registration can be trusted.
    pub trust_level: TrustLevel,
    /// The revision, for the `ETag`.
    pub revision: u64,
}

impl ClientInformation {
    /// What the holder of `client` is told, with the client secret where it is shown, and with the
    /// registration access token, unless the holder showed another token: only its digest is here.
    pub fn new(cx: &Context<'_>, client: &Client, token: Option<&Secret>, secret: Option<&Secret>) -> Self {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
        put("client_id", client.id.as_str().into());
        put("client_id_issued_at", client.issued_at.unix().into());
        if let Some(secret) = secret {
            let expires_at = client.secret.as_ref().and_then(|secret| secret.expires_at);
            put("client_secret", secret.expose().into());
            put("client_secret_expires_at", expires_at.map_or(0, Timestamp::unix).into());
        }
        if let Some(token) = token {
            put("registration_access_token", token.expose().into());
        }
        // Both or none of the two (OpenID Connect Dynamic Client Registration section 3.2).
        if client.shared_as.is_none() {
            put("registration_client_uri", registration_client_uri(cx, client).into());
        }
        let metadata = client.metadata.metadata();
        members.extend(metadata.as_object().clone());
        Self {
            members,
            metadata: metadata.clone(),
            trust_level: client.provenance.trust_level,
            revision: client.revision,
        }
    }
}

/// The answer to a registration or an update.
pub(super) fn build(cx: &Context<'_>, issued: &Issued, purpose: Purpose<'_>) -> ClientInformation {
    let is_new = match purpose {
        Purpose::Create => true,
        // A secret that this update made is told once, like that of a registration.
        Purpose::Replace(stored) => stored.client().secret.is_none(),
    };
    let shown = issued.secret.as_ref().filter(|_| is_new || cx.settings().return_client_secret_on_read);
    ClientInformation::new(cx, &issued.client, issued.token.as_ref(), shown)
}

/// Where the client is managed: stable for its whole life.
fn registration_client_uri(cx: &Context<'_>, client: &Client) -> String {
    format!("{}?client_id={}", cx.service.registration_endpoint(), client.id)
}
