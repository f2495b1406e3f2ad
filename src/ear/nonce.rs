//! Whether a result concerns evidence with the expected nonce.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::{AppraisalFailure, Check};

/// Verifiers encode one nonce in several ways, so the bytes are compared.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The maximum number of nonces that are read from one result.
const MOST: usize = 8;

/// Fails unless `eat_nonce` (RFC 9711 section 4.1) contains `expected`.
pub(super) fn check(claims: &Map<String, Value>, expected: &str) -> Result<(), AppraisalFailure> {
    let wrong = |message: &str| Err(AppraisalFailure::new(Check::Nonce, message));
    let nonces: Vec<&str> = match claims.get("eat_nonce") {
        None => return wrong("the result has no `eat_nonce`"),
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several
            .iter()
            .take(MOST)
            .filter_map(Value::as_str)
            .collect(),
        Some(_) => return wrong("`eat_nonce` of the result is not a string"),
    };
    let expected = octets(expected);
    let is_ours = nonces.into_iter().any(|nonce| octets(nonce) == expected);
    if is_ours {
        Ok(())
    } else {
        wrong("the result is for another nonce")
    }
}

/// Returns the bytes that `text` encodes, or the bytes of the text itself if it is not base64.
fn octets(text: &str) -> Vec<u8> {
    let standard = text.replace('-', "+").replace('_', "/");
    let engine = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    engine
        .decode(standard)
        .unwrap_or_else(|_| text.as_bytes().to_vec())
}
