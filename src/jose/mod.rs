//! Keys and signatures (RFC 7515 to 7519, RFC 8725). This module knows nothing of clients.
//!
//! A token is parsed ([`Compact`]) and keys are chosen for it ([`KeySet`]). [`verify()`] then turns
//! both into [`Verified`], which nothing else can create.

mod algorithm;
mod claims;
mod compact;
mod envelope;
mod error;
mod expectations;
pub(crate) mod fit;
pub(crate) mod jwks;
mod keyset;
pub(crate) mod kind;
mod public_key;
mod shared_secret;
mod sign;
#[cfg(test)]
mod tests;
mod thumbprint;
mod verify;

pub use algorithm::Algorithm;
pub(crate) use algorithm::allows;
pub(crate) use compact::Compact;
pub(crate) use compact::{MAXIMUM_TOKEN_BYTES, Unverified, decode_unverified};
pub(crate) use envelope::{EnvelopeError, open_key, seal_key};
pub(crate) use error::{DecodeError, JwsError};
pub(crate) use expectations::{Expectations, TypRule};
pub(crate) use fit::KeyTask;
pub(crate) use keyset::KeySet;
pub(crate) use keyset::{MOST_KEYS, MOST_KEYS_TRIED, Tried};
pub(crate) use sign::signing_key;
pub(crate) use sign::{SigningKey, SigningKeyError, sign};
pub(crate) use thumbprint::thumbprint;
pub(crate) use thumbprint::{key_is_in, same_key};
pub(crate) use verify::SignedToken;
pub(crate) use verify::{Claims, Verified, verify};

use serde_json::{Map, Value};

/// Returns a member that is a string.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str()
}
