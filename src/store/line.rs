//! A client as a line of an export: all that another store needs so that it goes on working there.
//!
//! The secret is in it in clear, since another store seals with another key; of the registration
//! access token only the digest is known.

use serde_json::{Map, Value, json};

use crate::client::{Client, ClientSecret};
use crate::clock::Timestamp;
use crate::secret::{SealError, SealingKey};

/// The one member of the last line: how many clients came before it. Where it is missing, something
/// was cut off.
pub const CLIENTS: &str = "clients";

/// The line of `client`, whose secret opens with `key`.
///
/// # Errors
/// When it does not.
pub fn of(client: &Client, key: &SealingKey) -> Result<Map<String, Value>, SealError> {
    // By name, so that whoever adds to a client decides what an export has of it.
    let Client {
        id,
        metadata,
        shared_as,
        issued_at,
        expires_at,
        last_used_at,
        secret,
        tokens,
        revision,
        provenance,
    } = client;
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    put("client_id", id.as_str().into());
    put("client_id_issued_at", issued_at.unix().into());
    if let Some(end) = expires_at {
        put("expires_at", end.unix().into());
    }
    if let Some(at) = last_used_at {
        put("last_used_at", at.unix().into());
    }
    if let Some(digest) = shared_as {
        put("shared_as", digest.as_str().into());
    }
    if let Some(ClientSecret { sealed, expires_at }) = secret {
        put("client_secret", key.open(sealed, id.as_str())?.expose().into());
        put("client_secret_expires_at", expires_at.map_or(0, Timestamp::unix).into());
    }
    put("registration_access_token_sha256", json!(tokens));
    put("revision", (*revision).into());
    put("metadata", json!(metadata));
    put("provenance", json!(provenance));
    Ok(members)
}
