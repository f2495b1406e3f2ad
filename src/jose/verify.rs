//! The only way from a token to claims that can be trusted.

use std::ops::Deref;

use serde_json::{Map, Value};

use crate::base::Timestamp;
use crate::jose::{Compact, Expectations, JwsError, KeySet, claims, text};

/// A verified value. Only `verify()` and `SignedToken::accept` create it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verified<T>(T);

impl<T> Verified<T> {
    /// Returns the verified value without the proof.
    pub(crate) fn into_inner(self) -> T {
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

/// The header and claims of a token.
#[derive(Clone, PartialEq)]
pub(crate) struct Claims {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Claims {
    /// Returns the header.
    pub(crate) const fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// Returns the claims, including the registered ones of RFC 7519.
    pub(crate) const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Returns a claim that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        text(&self.claims, name)
    }

    /// Returns when it expires, in whole seconds, or `None` if it never does.
    pub(crate) fn expiry(&self) -> Option<Timestamp> {
        let exp = self.claims.get("exp")?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` stops at the bounds"
        )]
        let whole = exp
            .as_u64()
            .or_else(|| exp.as_f64().map(|seconds| seconds.ceil() as u64))?;
        Some(Timestamp::from_unix(whole))
    }

    /// Returns the header and the claims.
    pub(crate) fn into_parts(self) -> (Map<String, Value>, Map<String, Value>) {
        (self.header, self.claims)
    }
}

/// The claims may contain personal data, so they are not printed.
impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Claims({} of them, ..)", self.claims.len())
    }
}

/// A token with a valid signature. Only a [`KeySet`] creates it, possibly on another thread. The
/// claims of the token have not been checked.
pub(crate) struct SignedToken(Compact);

impl SignedToken {
    pub(super) const fn new(token: Compact) -> Self {
        Self(token)
    }

    /// Checks the claims of the token.
    ///
    /// # Errors
    /// The first check that fails.
    pub(crate) fn accept(
        self,
        expected: &Expectations<'_>,
        now: Timestamp,
    ) -> Result<Verified<Claims>, JwsError> {
        expected.check_header(&self.0)?;
        accept(&self.0, expected, now)
    }
}

/// Verifies `token`: the signature first, and only then its claims (RFC 7515 section 5.2).
///
/// # Errors
/// The first check that fails. If `JwsError::is_unknown_key` is true, one refresh of the key set
/// is worthwhile.
pub(crate) fn verify(
    token: &Compact,
    keys: &KeySet,
    expected: &Expectations<'_>,
    now: Timestamp,
) -> Result<Verified<Claims>, JwsError> {
    expected.check_header(token)?;
    keys.verify(token)?;
    accept(token, expected, now)
}

/// Checks the claims of a token whose signature is valid.
fn accept(
    token: &Compact,
    expected: &Expectations<'_>,
    now: Timestamp,
) -> Result<Verified<Claims>, JwsError> {
    let claims = token.unverified_claims()?;
    claims::check(&claims, expected, now)?;
    Ok(Verified(Claims {
        header: token.unverified_header().clone(),
        claims,
    }))
}
