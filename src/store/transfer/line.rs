//! A client as a line of an export: everything that another store needs so that the client continues to
//! work there.
//!
//! The line contains the secret in clear, since another store seals with another key. Of the registration
//! access token, only the digest is stored.

use serde_json::{Map, Value, json};

use crate::base::{SealError, SealingKey, Timestamp};
use crate::client::{Client, ClientSecret};

/// The only member of the last line: the number of clients before it. If it is missing, the export was
/// truncated.
pub const CLIENTS: &str = "clients";

/// Returns the line of `client`, whose secret opens with `key`.
///
/// # Errors
/// When the secret does not open with `key`.
pub fn of(client: &Client, key: &SealingKey) -> Result<Map<String, Value>, SealError> {
    // Destructured, so that a new field of a client forces a decision about the export.
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
        let secret = key.open(sealed, id.as_str())?;
        let end = expires_at.map_or(0, Timestamp::unix);
        put("client_secret", secret.expose().into());
        put("client_secret_expires_at", end.into());
    }
    put("registration_access_token_sha256", json!(tokens));
    put("revision", (*revision).into());
    put("metadata", json!(metadata));
    put("provenance", json!(provenance));
    Ok(members)
}
