//! A JWS in compact serialisation (RFC 7515 section 7.1), parsed but not verified.
//!
//! Every size is checked before decoding, so the work is linear in at most 64 KiB. Ambiguous input
//! is rejected.
//!
//! A header may contain a key, or a reference to one: `jwk`, `x5c`, `jku`, `x5u`, `x5t`, `x5t#S256`
//! (RFC 7515 sections 4.1.2 to 4.1.8). References are never followed, and none of these is a source
//! of trust (RFC 8725 sections 3.10 and 3.11). Every token is verified with the keys of its issuer.
//! The certificates in `x5c` are considered only if the operator configured anchors for that
//! issuer.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::base::{JsonError, json};
use crate::jose::{Algorithm, DecodeError, JwsError, algorithm, text};

/// The maximum length of a token in bytes.
pub(crate) const MAXIMUM_TOKEN_BYTES: usize = 65_536;
/// The maximum length of its header in bytes of JSON, without certificates.
pub(crate) const MAXIMUM_HEADER_BYTES: usize = 4_096;
/// The maximum length of a header with certificates (`x5c`) in bytes of JSON. Four RSA certificates
/// with 4096 bits each take 11 KiB.
pub(crate) const MAXIMUM_CHAIN_HEADER_BYTES: usize = 16_384;
/// The maximum nesting depth of the JSON in header and claims.
pub(crate) const MAXIMUM_DEPTH: usize = 16;

/// Header members that change how the token is interpreted.
const REFUSED: &[(&str, &str)] = &[
    (
        "crit",
        "its header has `crit`, but no extensions are supported",
    ),
    ("b64", "its header has `b64`; the payload must be encoded"),
];

/// A parsed JWS. None of its contents is verified.
#[derive(Clone)]
pub(crate) struct Compact {
    text: String,
    /// The end of the signing input (RFC 7515 section 5.2).
    signed_bytes: usize,
    header: Map<String, Value>,
    algorithm: Algorithm,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Compact {
    /// Parses `text`.
    ///
    /// # Errors
    /// [`JwsError::Malformed`] if its format is invalid or it requires an unsupported feature, and
    /// [`JwsError::Algorithm`] if its algorithm is unknown.
    pub(crate) fn parse(text: &str) -> Result<Self, JwsError> {
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
            return Err(JwsError::Malformed(
                "its header is longer than 4 KiB, and has no certificates",
            ));
        }
        check_header(&header)?;
        let algorithm = algorithm(&header)?;
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        Ok(Self {
            text: text.to_owned(),
            signed_bytes,
            header,
            algorithm,
            payload,
            signature,
        })
    }

    /// Returns the token, byte for byte.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the algorithm named in its header.
    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the identifier of the key that it claims to be signed with.
    pub(crate) fn kid(&self) -> Option<&str> {
        text(&self.header, "kid")
    }

    /// Returns the token type that it claims.
    pub(crate) fn typ(&self) -> Option<&str> {
        text(&self.header, "typ")
    }

    /// Returns its header, which is not verified.
    pub(crate) const fn unverified_header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// Returns its claims, which are not verified. Use them only to find the keys of an issuer.
    ///
    /// # Errors
    /// [`JwsError::Malformed`] if the payload is not one JSON object.
    pub(crate) fn unverified_claims(&self) -> Result<Map<String, Value>, JwsError> {
        object(&self.payload).map_err(claims_fault)
    }

    /// Returns the bytes that are signed.
    pub(super) fn signing_input(&self) -> &[u8] {
        let signed = self.text.as_bytes().get(..self.signed_bytes);
        signed.unwrap_or_default()
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

/// Returns the three parts, none of which may be empty.
fn parts(text: &str) -> Result<[&str; 3], JwsError> {
    let mut split = text.split('.');
    let parts = [split.next(), split.next(), split.next()].map(Option::unwrap_or_default);
    match split.count() {
        0 if parts.iter().all(|part| !part.is_empty()) => Ok(parts),
        0 if is_unsigned(text, parts) => Err(JwsError::Malformed(
            "it is not signed: nothing follows its second dot",
        )),
        2 => Err(JwsError::Malformed(
            "it is encrypted; send it signed but not encrypted",
        )),
        _ => Err(JwsError::Malformed(
            "it must have three parts in base64url, separated by dots",
        )),
    }
}

/// Whether only the signature is missing, as with the algorithm `none`.
fn is_unsigned(text: &str, [header, payload, signature]: [&str; 3]) -> bool {
    let is_there = !header.is_empty() && !payload.is_empty();
    is_there && signature.is_empty() && text.ends_with('.')
}

/// The content of a JWT that was not verified, so it proves nothing.
pub(crate) struct Unverified {
    /// The header.
    pub(crate) header: Map<String, Value>,
    /// The claims.
    pub(crate) claims: Map<String, Value>,
}

/// Reads the header and the claims of a JWT in compact form, without any requirement that a verification
/// has. The algorithm may be unknown or `none`, and the signature may be missing.
///
/// # Errors
/// If it is not a JWT in compact form, or longer than [`MAXIMUM_TOKEN_BYTES`].
pub(crate) fn decode_unverified(token: &str) -> Result<Unverified, DecodeError> {
    if token.len() > MAXIMUM_TOKEN_BYTES {
        return Err(DecodeError::TooLong);
    }
    let parts: Vec<&str> = token.split('.').collect();
    let &[header, claims, _signature] = parts.as_slice() else {
        return Err(DecodeError::Parts);
    };
    Ok(Unverified {
        header: decode_object(header, "header")?,
        claims: decode_object(claims, "payload")?,
    })
}

fn decode_object(part: &str, name: &'static str) -> Result<Map<String, Value>, DecodeError> {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(part) else {
        return Err(DecodeError::Encoding(name));
    };
    json::parse_object(&bytes).map_err(|_| DecodeError::NotAnObject(name))
}

fn decode(part: &str) -> Result<Vec<u8>, JwsError> {
    let fault = "its parts must be in base64url without padding or white space";
    let decoded = URL_SAFE_NO_PAD.decode(part);
    decoded.map_err(|_| JwsError::Malformed(fault))
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    json::parse_object_within(bytes, MAXIMUM_DEPTH)
}

fn check_header(header: &Map<String, Value>) -> Result<(), JwsError> {
    for (name, fault) in REFUSED {
        if header.contains_key(*name) {
            return Err(JwsError::Malformed(fault));
        }
    }
    for name in ["kid", "typ"] {
        if !matches!(header.get(name), None | Some(Value::String(_))) {
            return Err(JwsError::Malformed(
                "`kid` and `typ` of its header must be strings",
            ));
        }
    }
    Ok(())
}

fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, JwsError> {
    if let Some(name) = text(header, "alg")
        && let Some(algorithm) = Algorithm::parse(name)
    {
        return Ok(algorithm);
    }
    let known = algorithm::list(Algorithm::ALL);
    let rule = format!("must be signed, with one of {known} in `alg`");
    Err(JwsError::Algorithm(rule))
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to `map_err`")]
fn header_fault(error: JsonError) -> JwsError {
    JwsError::Malformed(match error {
        JsonError::Empty | JsonError::NotAnObject(_) => "its header is not a JSON object",
        JsonError::NotUtf8 { .. } => "its header is not UTF-8",
        JsonError::Malformed(_) => {
            "its header is not JSON, is nested too deeply, or has a duplicate member"
        }
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to `map_err`")]
fn claims_fault(error: JsonError) -> JwsError {
    JwsError::Malformed(match error {
        JsonError::Empty | JsonError::NotAnObject(_) => "its payload is not a JSON object",
        JsonError::NotUtf8 { .. } => "its payload is not UTF-8",
        JsonError::Malformed(_) => {
            "its payload is not JSON, is nested too deeply, or has a duplicate member"
        }
    })
}
