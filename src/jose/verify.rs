//! The one way from a token to claims that can be relied on.

use std::ops::Deref;

use serde_json::{Map, Value};

use super::{Compact, Expectations, JwsError, KeySet, claims};
use crate::clock::Timestamp;

/// What has been verified. Only [`verify()`] makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// What was verified, without the proof.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> AsRef<T> for Verified<T> {
    fn as_ref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Header and claims of a token.
#[derive(Clone, PartialEq)]
pub struct Claims {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Claims {
    /// The header.
    pub const fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The claims, the registered ones of RFC 7519 among them.
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// A claim that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// When it expires, in whole seconds; none when it does not.
    pub fn expiry(&self) -> Option<Timestamp> {
        let exp = self.claims.get("exp")?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` stops at the bounds"
        )]
        let whole = exp.as_u64().or_else(|| exp.as_f64().map(|seconds| seconds.ceil() as u64))?;
        Some(Timestamp::from_unix(whole))
    }

    /// Header and claims.
    pub fn into_parts(self) -> (Map<String, Value>, Map<String, Value>) {
        (self.header, self.claims)
    }
}

/// What a token says may be about people: it is not printed.
impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Claims({} of them, ..)", self.claims.len())
    }
}

/// A token whose signature is good. Only a [`KeySet`] makes it, perhaps on another thread; what the token
/// says has not been looked at.
pub struct Signed(Compact);

impl Signed {
    pub(super) const fn new(token: Compact) -> Self {
        Self(token)
    }

    /// Checks what the token says of itself.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn accept(self, expected: &Expectations<'_>, now: Timestamp) -> Result<Verified<Claims>, JwsError> {
        expected.check_header(&self.0)?;
        accept(&self.0, expected, now)
    }
}

/// Verifies `token`: the signature first, and only then what it says (RFC 7515 section 5.2).
///
/// # Errors
/// The first thing that is wrong. When [`JwsError::is_unknown_key`], a newer key set is worth one look.
pub fn verify(
    token: &Compact,
    keys: &KeySet,
    expected: &Expectations<'_>,
    now: Timestamp,
) -> Result<Verified<Claims>, JwsError> {
    expected.check_header(token)?;
    keys.verify(token)?;
    accept(token, expected, now)
}

/// What a token says whose signature is good.
fn accept(
    token: &Compact,
    expected: &Expectations<'_>,
    now: Timestamp,
) -> Result<Verified<Claims>, JwsError> {
    let claims = token.unverified_claims()?;
    claims::check(&claims, expected, now)?;
    Ok(Verified(Claims { header: token.unverified_header().clone(), claims }))
}
