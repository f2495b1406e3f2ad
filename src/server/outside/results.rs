//! `attestation::verify_ear`: [`crate::jose`] verifies the signature and the times of a result,
//! [`crate::ear`] its content.

use serde_json::Value;

use super::tokens::{MOST_KEYS, algorithms};
use crate::base::clock::Timestamp;
use crate::ear::{self, AttestationResult, Check, Failure};
use crate::jose::{self, Compact, Expectations, JwsError, KeySet, TypRule};

/// The permitted values of `typ` besides `JWT`; the header may also have none.
const TYPES: &[&str] = &["eat+jwt", "ear+jwt"];

pub(super) fn verify(
    token: &str,
    jwks: &Value,
    expected: &ear::Expectations,
    now: Timestamp,
) -> Result<AttestationResult, Failure> {
    let token = Compact::parse(token).map_err(|error| failure(&error))?;
    let algorithms =
        algorithms(&expected.algorithms).map_err(|rule| Failure::new(Check::Expectations, rule))?;
    let keys = KeySet::parse(jwks, MOST_KEYS)
        .map_err(|rule| Failure::new(Check::Expectations, format!("the JWK Set {rule}")))?;
    let expectations = Expectations {
        algorithms: &algorithms,
        typ: TypRule::OneOf(TYPES),
        required: &["iat"],
        max_age: Some(expected.max_age),
        ..Expectations::default()
    };
    let verified =
        jose::verify(&token, &keys, &expectations, now).map_err(|error| failure(&error))?;
    ear::judge(verified.claims(), expected)
}

fn failure(error: &JwsError) -> Failure {
    let check = match error {
        JwsError::Malformed(_) => Check::Token,
        JwsError::Algorithm(_) => Check::Algorithm,
        JwsError::UnknownKey(_) | JwsError::Signature => Check::Signature,
        JwsError::Claims(_) => Check::Claims,
    };
    Failure::new(check, format!("the result {error}"))
}
