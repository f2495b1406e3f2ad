//! The port through which scripts reach the outside: other systems, the store, keys.
//!
//! Scripts run on threads that may wait, so every function here may too, and gives up when the
//! time is over that it was given. A failure is a text that a script can catch and a log may
//! show: it says what would be right, and repeats no secret.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ear;
use crate::secret::Secret;

/// What scripts reach beyond themselves.
///
/// Whoever has not something leaves its functions as they are: they fail.
pub trait Host: Send + Sync {
    /// Waits for `call.after`, sends a request and reads the whole answer, at most
    /// `call.answer_bytes` of it.
    ///
    /// # Errors
    /// When the address is not allowed, or there is no answer in `call.timeout`.
    fn http(&self, call: &HttpCall) -> Result<HttpAnswer, String> {
        let _ = call;
        missing("http")
    }

    /// The value that the script keeps under `key`; none when there is none or its time is over.
    ///
    /// # Errors
    /// When the store fails.
    fn kv_get(&self, by: &Caller<'_>, key: &str) -> Result<Option<Value>, String> {
        let _ = (by, key);
        missing("kv")
    }

    /// Keeps `value` under `key` for so many seconds.
    ///
    /// # Errors
    /// When the script keeps too much, or the store fails.
    fn kv_set(&self, by: &Caller<'_>, key: &str, value: &Value, seconds: u64) -> Result<(), String> {
        let _ = (by, key, value, seconds);
        missing("kv")
    }

    /// Forgets what the script keeps under `key`; whether there was something.
    ///
    /// # Errors
    /// When the store fails.
    fn kv_delete(&self, by: &Caller<'_>, key: &str) -> Result<bool, String> {
        let _ = (by, key);
        missing("kv")
    }

    /// Adds `amount` to the number under `key`, atomically, and returns the sum. A number that
    /// was not there is 0 and lives for so many seconds; one that was keeps its time.
    ///
    /// # Errors
    /// When what is there is no number, the sum is out of range, or the store fails.
    fn kv_increment(&self, by: &Caller<'_>, key: &str, amount: i64, seconds: u64) -> Result<i64, String> {
        let _ = (by, key, amount, seconds);
        missing("kv")
    }

    /// How many clients have all these members.
    ///
    /// # Errors
    /// When a member is not indexed, naming those that are; when the store fails.
    fn count_clients(&self, by: &Caller<'_>, members: &Map<String, Value>) -> Result<u64, String> {
        let _ = (by, members);
        missing("clients")
    }

    /// A new nonce for evidence, which is remembered for its lifetime.
    ///
    /// # Errors
    /// When too many are remembered, or the store fails.
    fn new_nonce(&self, by: &Caller<'_>) -> Result<String, String> {
        let _ = by;
        missing("attestation::new_nonce")
    }

    /// Takes a nonce: whether it was made here, is not too old, and was not taken before.
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
    /// When it does not verify or is not what was expected, saying which.
    fn verify_jwt(&self, token: &str, jwks: &Value, expected: &JwtExpectations) -> Result<Jwt, String> {
        let _ = (token, jwks, expected);
        missing("jwt::verify")
    }

    /// Verifies an attestation result in the form EAR with one of the keys of a JWK Set, and judges
    /// it.
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
    /// When the secret is no key that can sign.
    fn sign_jwt(&self, claims: &Map<String, Value>, key: &Secret) -> Result<String, String> {
        let _ = (claims, key);
        missing("jwt::sign")
    }

    /// What a certificate in PEM says: the members of `context.certificate`.
    ///
    /// # Errors
    /// When it is no certificate.
    fn parse_certificate(&self, pem: &str) -> Result<Value, String> {
        let _ = pem;
        missing("x509::parse")
    }
}

/// Who asks the host, and how long that may take.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The file name of the script: what it keeps is its own.
    pub script: &'a str,
    /// When to give up.
    pub timeout: Duration,
}

/// A request that a script sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// `GET`, `POST`, `PUT`, `PATCH`, `DELETE` or `HEAD`.
    pub method: String,
    /// Where to.
    pub url: String,
    /// Names in lower case, visible ASCII.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Option<Vec<u8>>,
    /// How long to wait before it is sent.
    pub after: Duration,
    /// When to give up, that wait included; never more than what the script has left.
    pub timeout: Duration,
    /// Bytes of the largest body that is wanted.
    pub answer_bytes: usize,
}

/// What the other side answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// Names in lower case; a name may be there twice.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a JWT must be, beyond being signed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct JwtExpectations {
    /// The algorithms that are accepted; those with a key pair when nothing is said.
    pub algorithms: Vec<String>,
    /// `iss`
    pub issuer: Option<String>,
    /// One of `aud`.
    pub audience: Option<String>,
    /// Seconds since `iat`, which must then be there.
    pub max_age: Option<u64>,
}

impl Default for JwtExpectations {
    fn default() -> Self {
        let pairs =
            ["ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];
        let algorithms = pairs.map(str::to_owned).to_vec();
        Self { algorithms, issuer: None, audience: None, max_age: None }
    }
}

/// A JWT, read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwt {
    /// Its JOSE header.
    pub header: Map<String, Value>,
    /// Its claims.
    pub claims: Map<String, Value>,
}

/// No outside at all: for scripts that are loaded to be checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

impl Host for NoHost {}

fn missing<T>(what: &str) -> Result<T, String> {
    Err(format!("{what} is not available here"))
}
