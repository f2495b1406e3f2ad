//! Step 5: the body is one JSON object, or a JWS whose payload is one.

use serde_json::{Map, Value};

use super::{Received, RegisterError};
use crate::http::body::MediaType;
use crate::model::json;

/// A body, read but not believed.
pub(super) struct Parsed {
    /// The members of the object.
    pub(super) members: Map<String, Value>,
    /// Whether it was sent as a signed request.
    pub(super) is_signed: bool,
}

/// Reads the members of a body.
///
/// The payload of a signed request is read when its signature is verified (step 7), so until
/// then it has no members.
pub(super) fn body(received: &Received) -> Result<Parsed, RegisterError> {
    match received.media_type {
        MediaType::Json => Ok(Parsed { members: json::parse_object(&received.bytes)?, is_signed: false }),
        MediaType::Signed => Ok(Parsed { members: Map::new(), is_signed: true }),
    }
}
