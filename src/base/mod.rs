//! Basic types that every other module builds on: the time, as it is and as people write it, identifiers,
//! violations, strict JSON, values as types, absent members, media types, scope texts, folders of files, which
//! addresses are public, random values and secrets. Pure, no I/O.

pub(crate) mod absent;
pub(crate) mod address;
mod aead;
pub(crate) mod client_url;
pub mod clock;
mod ids;
mod issuer;
pub(crate) mod json;
mod media_type;
pub(crate) mod moment;
mod path;
pub(crate) mod random;
pub(crate) mod scope;
mod secret;
mod segment;
pub(crate) mod typed;
mod violation;

pub(crate) use client_url::{ClientUrl, ClientUrlForm};
pub(crate) use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub(crate) use ids::ClientId;
pub(crate) use issuer::below_issuer;
pub(crate) use json::JsonError;
pub(crate) use media_type::MediaType;
pub(crate) use path::folder_of;
pub(crate) use random::NoRandomness;
pub(crate) use secret::{
    SealError, Sealed, SealingKey, SealingKeys, hex, hmac_sha256, hmac_sha256_hex, sha256,
    texts_equal,
};
pub(crate) use secret::{Secret, TokenDigest, sha256_hex};
pub(crate) use segment::{SegmentKey, SegmentPlace};
pub(crate) use violation::{ErrorCode, Violation, printable};
