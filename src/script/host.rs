//! The interface through which scripts reach external systems, the store and keys.
//!
//! Scripts run on threads that may block, so every function here may block too. It fails when its timeout
//! has passed. A failure is a string that a script can catch and a log may show. It says what is wrong,
//! and repeats no secret.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::secret::Secret;
use crate::ear;

/// The functions through which scripts reach external systems, the store and keys.
///
/// The default implementation of each function fails, so an implementation provides only the functions that
/// it supports.
pub trait Host: Send + Sync {
    /// Waits for `call.after`, sends a request and reads the whole response, at most `call.answer_bytes`.
    ///
    /// # Errors
    /// When the address is not allowed, or no response arrives within `call.timeout`.
    fn http(&self, call: &HttpCall) -> Result<HttpAnswer, String> {
        let _ = call;
        missing("http")
    }

    /// Returns the value that the script has stored under `key`; `None` when there is none or it has expired.
    ///
    /// # Errors
    /// When the store fails.
    fn kv_get(&self, by: &Caller<'_>, key: &str) -> Result<Option<Value>, String> {
        let _ = (by, key);
        missing("kv")
    }

    /// Stores `value` under `key` for the given number of seconds.
    ///
    /// # Errors
    /// When the script has stored too many values, or the store fails.
    fn kv_set(
        &self,
        by: &Caller<'_>,
        key: &str,
        value: &Value,
        seconds: u64,
    ) -> Result<(), String> {
        let _ = (by, key, value, seconds);
        missing("kv")
    }

    /// Deletes the value that the script has stored under `key`. Returns whether there was one.
    ///
    /// # Errors
    /// When the store fails.
    fn kv_delete(&self, by: &Caller<'_>, key: &str) -> Result<bool, String> {
        let _ = (by, key);
        missing("kv")
    }

    /// Adds `amount` to the number under `key`, atomically, and returns the sum. A new number starts at 0
    /// and expires after the given number of seconds; an existing number keeps its expiry.
    ///
    /// # Errors
    /// When the stored value is not an integer, the sum is out of range, or the store fails.
    fn kv_increment(
        &self,
        by: &Caller<'_>,
        key: &str,
        amount: i64,
        seconds: u64,
    ) -> Result<i64, String> {
        let _ = (by, key, amount, seconds);
        missing("kv")
    }

    /// Returns how many clients have all these members.
    ///
    /// # Errors
    /// When a member is not indexed (the error lists the indexed members), or the store fails.
    fn count_clients(&self, by: &Caller<'_>, members: &Map<String, Value>) -> Result<u64, String> {
        let _ = (by, members);
        missing("clients")
    }

    /// Issues a nonce for evidence, and stores it for its lifetime.
    ///
    /// # Errors
    /// When too many nonces are outstanding, or the store fails.
    fn new_nonce(&self, by: &Caller<'_>) -> Result<String, String> {
        let _ = by;
        missing("attestation::new_nonce")
    }

    /// Consumes a nonce. Returns whether this server issued it, it is not expired, and it was not consumed
    /// before.
    ///
    /// # Errors
    /// When the store fails.
    fn consume_nonce(&self, by: &Caller<'_>, nonce: &str) -> Result<bool, String> {
        let _ = (by, nonce);
        missing("attestation::consume_nonce")
    }

    /// Verifies a JWT in compact form with one of the keys of a JWK Set.
    ///
    /// # Errors
    /// When the JWT does not verify or does not match `expected`; the error says why.
    fn verify_jwt(
        &self,
        token: &str,
        jwks: &Value,
        expected: &JwtExpectations,
    ) -> Result<Jwt, String> {
        let _ = (token, jwks, expected);
        missing("jwt::verify")
    }

    /// Verifies an EAR attestation result with one of the keys of a JWK Set, and checks it against
    /// `expected`.
    ///
    /// # Errors
    /// The first check that fails.
    fn verify_ear(
        &self,
        token: &str,
        jwks: &Value,
        expected: &ear::Expectations,
    ) -> Result<ear::AttestationResult, ear::Failure> {
        let _ = (token, jwks, expected);
        missing("attestation::verify_ear")
            .map_err(|message: String| ear::Failure::new(ear::Check::Token, message))
    }

    /// Signs `claims` with a configured secret: a private key as JWK or PEM, or the text of an
    /// HMAC key.
    ///
    /// # Errors
    /// When the secret is not a signing key.
    fn sign_jwt(&self, claims: &Map<String, Value>, key: &Secret) -> Result<String, String> {
        let _ = (claims, key);
        missing("jwt::sign")
    }

    /// Parses a certificate in PEM, and returns the members of `context.certificate`.
    ///
    /// # Errors
    /// When the text is not a certificate.
    fn parse_certificate(&self, pem: &str) -> Result<Value, String> {
        let _ = pem;
        missing("x509::parse")
    }
}

/// The script that calls the host, and its timeout.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The file name of the script, to which the stored values belong.
    pub script: &'a str,
    /// How long the call may take.
    pub timeout: Duration,
}

/// A request that a script sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// `GET`, `POST`, `PUT`, `PATCH`, `DELETE` or `HEAD`.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The headers, with names in lower case and values in visible ASCII.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// How long to wait before it is sent.
    pub after: Duration,
    /// How long the call may take, including that wait; never more than the time that the script has left.
    pub timeout: Duration,
    /// The size limit of the response body, in bytes.
    pub answer_bytes: usize,
}

/// The response to a request that a script has sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The headers, with names in lower case; a name may occur more than once.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The requirements that a JWT must meet, besides a valid signature.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct JwtExpectations {
    /// The accepted algorithms; by default, all asymmetric algorithms.
    pub algorithms: Vec<String>,
    /// The required `iss`.
    pub issuer: Option<String>,
    /// The audience that `aud` must contain.
    pub audience: Option<String>,
    /// The maximum number of seconds since `iat`, which is then required.
    pub max_age: Option<u64>,
}

impl Default for JwtExpectations {
    fn default() -> Self {
        let pairs = [
            "ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384",
            "RS512",
        ];
        let algorithms = pairs.map(str::to_owned).to_vec();
        Self {
            algorithms,
            issuer: None,
            audience: None,
            max_age: None,
        }
    }
}

/// The content of a JWT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwt {
    /// Its JOSE header.
    pub header: Map<String, Value>,
    /// Its claims.
    pub claims: Map<String, Value>,
}

/// A host without any function, for scripts that are loaded only to be checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

impl Host for NoHost {}

fn missing<T>(what: &str) -> Result<T, String> {
    Err(format!("{what} is not available here"))
}
