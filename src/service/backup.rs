//! The keys of encrypted backups.

use serde_json::{Map, Value};

use crate::base::SegmentKey;
use crate::jose::{EnvelopeError, open_key, seal_key};
use crate::store::backup::Envelope;

/// Returns a new key for a backup that only the owner of the public key `recipient`, a JWK, can read.
///
/// # Errors
/// When nothing can be encrypted to `recipient`.
pub(crate) fn envelope(recipient: &Map<String, Value>) -> Result<Envelope, EnvelopeError> {
    let key = SegmentKey::generate().map_err(|_| EnvelopeError::Failed)?;
    let encrypted = seal_key(key.expose(), recipient)?;
    Ok(Envelope { key, encrypted })
}

/// Returns the key of a backup that was `encrypted` to the public half of the private key `identity`, a JWK.
///
/// # Errors
/// When `identity` is not its private key.
pub(crate) fn key_of(
    encrypted: &str,
    identity: &Map<String, Value>,
) -> Result<SegmentKey, EnvelopeError> {
    let key = open_key(encrypted, identity)?;
    SegmentKey::from_bytes(&key).ok_or(EnvelopeError::Unopened)
}
