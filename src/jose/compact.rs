//! A JWS in its compact form (RFC 7515 section 7.1), read but not verified.
//!
//! Everything is bounded before it is decoded, so the work is linear in at most 64 KiB. What a
//! reader could understand in two ways is refused.
//!
//! A header may show a key, or say where one is: `jwk`, `x5c`, `jku`, `x5u`, `x5t`, `x5t#S256`
//! (RFC 7515 sections 4.1.2 to 4.1.8). It is never followed and never a source of trust (RFC 8725
//! sections 3.10 and 3.11): a token is verified with the keys of its issuer like any other, and the
//! certificates of `x5c` count only where the operator named anchors for that issuer.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{Algorithm, JwsError, algorithm};
use crate::model::json::{self, JsonError};

/// How long a token may be, in bytes.
pub const MAXIMUM_TOKEN_BYTES: usize = 65_536;
/// How long its header may be, in bytes of JSON, without certificates.
pub const MAXIMUM_HEADER_BYTES: usize = 4_096;
/// How long a header with certificates (`x5c`) may be, in bytes of JSON: four of RSA, with 4096 bits
/// each, have 11 KiB.
pub const MAXIMUM_CHAIN_HEADER_BYTES: usize = 16_384;
/// How deep the JSON of header and claims may be nested.
pub const MAXIMUM_DEPTH: usize = 16;

/// Members of a header that change how the token is read.
const REFUSED: &[(&str, &str)] = &[
    ("crit", "its header has `crit`, and no extension is known here"),
    ("b64", "its header has `b64`; the payload must be encoded"),
];

/// A JWS that can be read. Nothing that it says is verified.
#[derive(Clone)]
pub struct Compact {
    text: String,
    /// Where the signing input ends: RFC 7515 section 5.2.
    signed_bytes: usize,
    header: Map<String, Value>,
    algorithm: Algorithm,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Compact {
    /// Reads `text`.
    ///
    /// # Errors
    /// [`JwsError::Malformed`] when it has not the form or asks for what is refused, and
    /// [`JwsError::Algorithm`] when its algorithm is not known.
    pub fn parse(text: &str) -> Result<Self, JwsError> {
        if text.len() > MAXIMUM_TOKEN_BYTES {
            return Err(JwsError::Malformed("it is longer than 64 KiB"));
        }
        let [header, payload, signature] = parts(text)?;
        if header.len() > MAXIMUM_CHAIN_HEADER_BYTES.div_ceil(3) * 4 {
            return Err(JwsError::Malformed("its header is longer than 16 KiB"));
        }
        let signed_bytes = header.len() + 1 + payload.len();
        let header = decode(header)?;
        let header_bytes = header.len();
        let header = object(&header).map_err(header_fault)?;
        if header_bytes > MAXIMUM_HEADER_BYTES && !header.contains_key("x5c") {
            return Err(JwsError::Malformed("its header is longer than 4 KiB, and has no certificates"));
        }
        check_header(&header)?;
        let algorithm = algorithm(&header)?;
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        Ok(Self { text: text.to_owned(), signed_bytes, header, algorithm, payload, signature })
    }

    /// The token, byte for byte.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The algorithm that its header names.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The identifier of the key that it says it is signed with.
    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// What kind of token it says it is.
    pub fn typ(&self) -> Option<&str> {
        self.header.get("typ").and_then(Value::as_str)
    }

    /// Its header. Nobody has vouched for it.
    pub const fn unverified_header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// Its claims. Nobody has vouched for them: they are good for finding the keys of an issuer.
    ///
    /// # Errors
    /// [`JwsError::Malformed`] when the payload is not one JSON object.
    pub fn unverified_claims(&self) -> Result<Map<String, Value>, JwsError> {
        object(&self.payload).map_err(claims_fault)
    }

    /// What the signature is over.
    pub(super) fn signing_input(&self) -> &[u8] {
        self.text.as_bytes().get(..self.signed_bytes).unwrap_or_default()
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }
}

impl fmt::Debug for Compact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compact({}, ..)", self.algorithm)
    }
}

/// The three parts, none of them empty.
fn parts(text: &str) -> Result<[&str; 3], JwsError> {
    let mut split = text.split('.');
    let parts = [split.next(), split.next(), split.next()].map(Option::unwrap_or_default);
    match split.count() {
        0 if parts.iter().all(|part| !part.is_empty()) => Ok(parts),
        2 => Err(JwsError::Malformed("it is encrypted; send it signed only")),
        _ => Err(JwsError::Malformed("it must have three parts in base64url with dots between them")),
    }
}

fn decode(part: &str) -> Result<Vec<u8>, JwsError> {
    let fault = "its parts must be in base64url without padding or white space";
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Malformed(fault))
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    json::parse_object_within(bytes, MAXIMUM_DEPTH)
}

fn check_header(header: &Map<String, Value>) -> Result<(), JwsError> {
    if let Some((_, fault)) = REFUSED.iter().find(|(name, _)| header.contains_key(*name)) {
        return Err(JwsError::Malformed(fault));
    }
    if ["kid", "typ"].iter().any(|name| header.get(*name).is_some_and(|value| !value.is_string())) {
        return Err(JwsError::Malformed("`kid` and `typ` of its header must be strings"));
    }
    Ok(())
}

fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, JwsError> {
    let name = header.get("alg").and_then(Value::as_str);
    name.and_then(Algorithm::parse).ok_or_else(|| {
        let known = algorithm::list(Algorithm::ALL);
        JwsError::Algorithm(format!("must be signed, and name in `alg` one of {known}"))
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn header_fault(error: JsonError) -> JwsError {
    JwsError::Malformed(match error {
        JsonError::Empty | JsonError::NotAnObject(_) => "its header is not a JSON object",
        JsonError::NotUtf8 { .. } => "its header is not UTF-8",
        JsonError::Malformed(_) => "its header is not JSON, is nested too deep, or has a member twice",
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn claims_fault(error: JsonError) -> JwsError {
    JwsError::Malformed(match error {
        JsonError::Empty | JsonError::NotAnObject(_) => "its payload is not a JSON object",
        JsonError::NotUtf8 { .. } => "its payload is not UTF-8",
        JsonError::Malformed(_) => "its payload is not JSON, is nested too deep, or has a member twice",
    })
}
