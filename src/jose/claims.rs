//! The claims for the validity period, audience and issuer of a token (RFC 7519 section 4.1).

use serde_json::{Map, Value};

use crate::base::{Timestamp, printable};
use crate::jose::{Expectations, JwsError, text};

/// The maximum length of `iss`, `sub` and `jti`, in bytes. They become keys of caches and of the
/// record of used tokens.
const MOST_TEXT_BYTES: usize = 2_048;

pub(super) fn check(
    claims: &Map<String, Value>,
    expected: &Expectations<'_>,
    now: Timestamp,
) -> Result<(), JwsError> {
    for name in expected.required {
        if !claims.contains_key(*name) {
            return refuse(format!("must have the claim `{}`", printable(name)));
        }
    }
    for name in ["iss", "sub", "jti"] {
        check_text(claims, name)?;
    }
    check_issuer(claims, expected)?;
    check_audience(claims, expected)?;
    check_times(claims, expected, now)
}

fn refuse<T>(rule: impl Into<String>) -> Result<T, JwsError> {
    Err(JwsError::Claims(rule.into()))
}

fn check_text(claims: &Map<String, Value>, name: &str) -> Result<(), JwsError> {
    match claims.get(name) {
        None => Ok(()),
        Some(Value::String(text)) if (1..=MOST_TEXT_BYTES).contains(&text.len()) => Ok(()),
        Some(_) => refuse(format!(
            "must have a string of 1 to {MOST_TEXT_BYTES} bytes in `{name}`"
        )),
    }
}

fn check_issuer(claims: &Map<String, Value>, expected: &Expectations<'_>) -> Result<(), JwsError> {
    match expected.issuer {
        Some(issuer) if text(claims, "iss") != Some(issuer) => {
            refuse(format!("must have the `iss` {}", printable(issuer)))
        }
        _ => Ok(()),
    }
}

/// RFC 7519 section 4.1.3: one string or several, one of which names this server.
fn check_audience(
    claims: &Map<String, Value>,
    expected: &Expectations<'_>,
) -> Result<(), JwsError> {
    let audiences = expected.audiences;
    let named = match claims.get("aud") {
        None => return Ok(()),
        Some(Value::String(text)) => audiences.contains(text),
        Some(Value::Array(all)) if all.iter().all(Value::is_string) => {
            if expected.is_sole_audience && all.len() != 1 {
                return refuse("must have exactly one value in `aud`, which names this server");
            }
            all.iter().any(|one| audiences.iter().any(|us| one == us))
        }
        Some(_) => return refuse("must have a string or an array of strings in `aud`"),
    };
    if named {
        return Ok(());
    }
    let us = printable(&audiences.join(", "));
    refuse(match us.as_str() {
        "" => "is for another audience; no `aud` is accepted here".to_owned(),
        us => format!("is for another audience; `aud` must contain one of {us}"),
    })
}

fn check_times(
    claims: &Map<String, Value>,
    expected: &Expectations<'_>,
    now: Timestamp,
) -> Result<(), JwsError> {
    let (now, skew) = (seconds(now.unix()), seconds(expected.skew));
    let expiry = time(claims, "exp")?;
    let start = time(claims, "nbf")?;
    let issued = time(claims, "iat")?;
    if expiry.is_some_and(|expiry| now >= expiry + skew) {
        return refuse("has expired (`exp`)");
    }
    if start.is_some_and(|start| now + skew < start) {
        return refuse("is not valid yet (`nbf`)");
    }
    if issued.is_some_and(|issued| now + skew < issued) {
        return refuse("was issued in the future (`iat`); correct the issuer's clock");
    }
    check_age(expected.max_age, issued, now)
}

/// No skew applies here, because the limit is the operator's own.
fn check_age(most: Option<u64>, issued: Option<f64>, now: f64) -> Result<(), JwsError> {
    let Some(most) = most else { return Ok(()) };
    match issued {
        None => refuse("must have the claim `iat`"),
        Some(issued) if now - issued > seconds(most) => refuse(format!(
            "is older than {most} seconds (`iat`); obtain a new one"
        )),
        Some(_) => Ok(()),
    }
}

/// Reads a `NumericDate` (RFC 7519 section 2). The JSON parser returns only finite numbers.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, JwsError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    match value.as_f64() {
        Some(time) => Ok(Some(time)),
        None => refuse(format!("must have a number of seconds in `{name}`")),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact until the year 285 million"
)]
const fn seconds(whole: u64) -> f64 {
    whole as f64
}
