//! Keys that sign tokens, and the verification of tokens.

use serde_json::{Map, Value};

use super::plain;
use crate::base::{Secret, Timestamp};
use crate::jose::{self, Algorithm, Compact, Expectations, KeySet, MOST_KEYS, SigningKey, TypRule};

/// A key that signs with one algorithm.
pub struct Key(SigningKey);

impl Key {
    /// Generates a key.
    ///
    /// # Errors
    /// When the algorithm is an HMAC.
    pub fn generate(algorithm: Algorithm) -> Result<Self, String> {
        plain(SigningKey::generate(algorithm)).map(Self)
    }

    /// Reads a private key in PEM.
    ///
    /// # Errors
    /// When it is not a private key for the algorithm.
    pub fn from_pem(pem: &str, algorithm: Algorithm) -> Result<Self, String> {
        let pem = Secret::new(pem.to_owned());
        plain(SigningKey::from_pem(&pem, algorithm)).map(Self)
    }

    /// Returns a shared secret for HS256.
    ///
    /// # Errors
    /// When it is too short.
    pub fn from_secret(secret: &str) -> Result<Self, String> {
        let secret = Secret::new(secret.to_owned());
        plain(SigningKey::from_secret(&secret, Algorithm::Hs256)).map(Self)
    }

    /// Returns the public half as a JWK; `None` for a shared secret.
    pub fn public_jwk(&self) -> Option<Value> {
        self.0.public_jwk()
    }

    /// Returns the private key in PEM; `None` for a shared secret.
    pub fn to_pem(&self) -> Option<&str> {
        self.0.to_pem().map(Secret::expose)
    }

    /// Signs a token with these claims.
    ///
    /// # Errors
    /// When the library fails.
    pub fn sign(
        &self,
        header: &Map<String, Value>,
        claims: &Map<String, Value>,
    ) -> Result<String, String> {
        plain(jose::sign(header, claims, &self.0))
    }
}

/// Verifies `token` with the keys of `jwks` at the moment `now`, and returns its claims. It must have the type `typ`, if
/// given, and the `required` claims.
///
/// # Errors
/// What is wrong with the token.
pub fn verified(
    token: &str,
    jwks: &Value,
    typ: Option<&str>,
    required: &[&str],
    now: u64,
) -> Result<Map<String, Value>, String> {
    let expected = Expectations {
        typ: typ.map_or(TypRule::Any, TypRule::Required),
        required,
        ..Expectations::default()
    };
    let token = plain(Compact::parse(token))?;
    let keys = KeySet::parse(jwks, MOST_KEYS)?;
    let verified = jose::verify(&token, &keys, &expected, Timestamp::from_unix(now));
    Ok(plain(verified)?.claims().clone())
}
