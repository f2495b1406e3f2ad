//! Step 5: the body is one JSON object, or a JWS whose payload is one JSON object.

use serde_json::{Map, Value};

use crate::base::{Violation, absent, json};
use crate::http::media_type::RequestForm;
use crate::jose::Compact;
use crate::registration::{Received, RegisterError};

/// A body that was read and is not yet verified.
#[derive(Clone)]
pub(in crate::registration) struct Parsed {
    /// The members of the object that are present. For a signed request, these are its claims, which are not
    /// yet verified.
    pub(in crate::registration) members: Map<String, Value>,
    /// The signed request.
    pub(in crate::registration) signed: Option<Compact>,
}

/// Reads the members of a body.
pub(in crate::registration) fn body(received: &Received) -> Result<Parsed, RegisterError> {
    match received.form {
        RequestForm::Json => Ok(Parsed {
            members: absent::present(json::parse_object(&received.bytes)?),
            signed: None,
        }),
        RequestForm::Signed => signed(&received.bytes),
    }
}

fn signed(bytes: &[u8]) -> Result<Parsed, RegisterError> {
    let refuse = |rule: String| RegisterError::Unproven(Violation::metadata("", rule));
    let text = std::str::from_utf8(bytes)
        .map_err(|_| refuse("the signed request is not ASCII".to_owned()))?;
    // Many tools send a file including the line feed at its end.
    let token =
        Compact::parse(text.trim_ascii()).and_then(|token| Ok((token.unverified_claims()?, token)));
    match token {
        Ok((members, token)) => Ok(Parsed {
            members: absent::present(members),
            signed: Some(token),
        }),
        Err(error) => Err(refuse(format!("the signed request {error}"))),
    }
}
