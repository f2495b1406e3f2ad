//! The keys that one party signs with: public ones, or one shared secret, never both.
//!
//! A public key can not verify an HMAC, because no HMAC is ever made from a member of
//! [`Keys::Public`]; so a token can not turn a public key into a secret (RFC 8725 section 3.1).

use std::fmt;

use serde_json::Value;

use super::public_key::PublicKey;
use super::shared_secret::SharedSecret;
use super::verify::Signed;
use super::{Compact, JwsError, jwks};
use crate::model::json;
use crate::secret::Secret;

/// How many keys are tried for one token of an issuer. Sets come from others, and each key costs work.
pub const MOST_KEYS_TRIED: usize = 20;

/// What came of a signature.
pub struct Tried {
    /// The token with a signature that is good, or why it has none.
    pub outcome: Result<Signed, JwsError>,
    /// How many keys were tried: each costs work.
    pub keys: usize,
}

/// Keys, read once and ready to verify. Keep it: to read a key costs more than to use it.
pub struct KeySet {
    keys: Keys,
    skipped: Vec<String>,
}

enum Keys {
    Public(Vec<PublicKey>),
    Shared(SharedSecret),
}

impl KeySet {
    /// Reads a JWK Set of at most `limit` keys.
    ///
    /// A key that can not be used here is passed over, as RFC 7517 section 5 says: one bad key
    /// of an ecosystem's set must not take the others with it.
    ///
    /// # Errors
    /// When it is no JWK Set, has too many keys, or none that can be used: the rule it breaks.
    pub fn parse(set: &Value, limit: usize) -> Result<Self, String> {
        let (mut usable, mut skipped) = (Vec::new(), Vec::new());
        for (index, key) in jwks::keys(set, limit)?.iter().enumerate() {
            let read =
                key.as_object().ok_or_else(|| "must be an object".to_owned()).and_then(PublicKey::read);
            match read {
                Ok(key) => usable.extend(key),
                Err(rule) => skipped.push(format!("keys[{index}] {rule}")),
            }
        }
        if usable.is_empty() {
            let none = "has no key that verifies signatures; RSA, EC and OKP keys do".to_owned();
            return Err(skipped.into_iter().next().unwrap_or(none));
        }
        Ok(Self { keys: Keys::Public(usable), skipped })
    }

    /// Reads a JWK Set from its JSON text.
    ///
    /// # Errors
    /// As [`KeySet::parse`], and when it is not JSON or has a member twice.
    pub fn parse_text(text: &str, limit: usize) -> Result<Self, String> {
        let set = json::parse(text.as_bytes()).map_err(|_| "must be a JWK Set in JSON, no member twice")?;
        Self::parse(&set, limit)
    }

    /// The set that verifies HMAC with `secret`, whose bytes are the key.
    ///
    /// # Errors
    /// When it is shorter than 32 bytes. A longer hash needs a longer secret (RFC 7518 section 3.2).
    pub fn from_secret(secret: &Secret) -> Result<Self, String> {
        SharedSecret::new(secret).map(|shared| Self { keys: Keys::Shared(shared), skipped: Vec::new() })
    }

    /// Whether it holds a shared secret and not public keys.
    pub const fn is_shared_secret(&self) -> bool {
        matches!(self.keys, Keys::Shared(_))
    }

    /// What is wrong with the keys that were passed over although they are of a known type.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Checks the signature of `token`, and nothing else.
    pub(super) fn verify(&self, token: &Compact) -> Result<(), JwsError> {
        let mut tries = 0;
        match &self.keys {
            Keys::Public(keys) => verify_public(keys, token, MOST_KEYS_TRIED, &mut tries),
            Keys::Shared(secret) => verify_shared(secret, token),
        }
    }

    /// Checks the signature of `token`, and nothing else, with `most` keys or fewer.
    pub fn check_signature(&self, token: Compact, most: usize) -> Tried {
        let mut tries = 0;
        let checked = match &self.keys {
            Keys::Public(keys) => verify_public(keys, &token, most, &mut tries),
            Keys::Shared(secret) => verify_shared(secret, &token),
        };
        Tried { outcome: checked.map(|()| Signed::new(token)), keys: tries }
    }

    /// Does the work of `times` signatures of `token` that do not verify, with the first public key for
    /// its algorithm; how many times it did.
    pub fn spend(&self, token: &Compact, times: usize) -> usize {
        let Keys::Public(keys) = &self.keys else { return 0 };
        let Some(key) = keys.iter().find_map(|key| key.verifier(token.algorithm())) else { return 0 };
        for _ in 0..times {
            let _ = std::hint::black_box(key.verify(token.signing_input(), token.signature()));
        }
        times
    }

    /// How many keys it has.
    pub const fn count(&self) -> usize {
        match &self.keys {
            Keys::Public(keys) => keys.len(),
            Keys::Shared(_) => 1,
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.keys {
            Keys::Public(keys) => write!(f, "KeySet({} public)", keys.len()),
            Keys::Shared(_) => f.write_str("KeySet(shared secret)"),
        }
    }
}

/// Verifies with `most` keys or fewer, and adds each that it tries to `tries`.
fn verify_public(
    keys: &[PublicKey],
    token: &Compact,
    most: usize,
    tries: &mut usize,
) -> Result<(), JwsError> {
    let algorithm = token.algorithm();
    if algorithm.is_symmetric() {
        let rule =
            format!("is signed with {algorithm}, which needs a shared secret; sign with a private key");
        return Err(JwsError::Algorithm(rule));
    }
    let is_meant = |key: &&PublicKey| token.kid().is_none_or(|kid| key.kid() == Some(kid));
    let mut meant = keys.iter().filter(is_meant).peekable();
    if meant.peek().is_none() {
        return Err(JwsError::UnknownKey("has a `kid` that is not in the key set of its issuer"));
    }
    let mut fitting = meant.filter_map(|key| key.verifier(algorithm)).take(most).peekable();
    match (fitting.peek(), token.kid()) {
        (None, Some(_)) => Err(JwsError::Algorithm(format!(
            "is signed with {algorithm}, which the key of its `kid` is not for"
        ))),
        (None, None) => Err(JwsError::UnknownKey("has an `alg` that no key of its issuer is for")),
        (Some(_), _) => {
            let mut verified = fitting.map(|key| {
                *tries += 1;
                key.verify(token.signing_input(), token.signature()).is_ok()
            });
            if verified.any(|is_good| is_good) { Ok(()) } else { Err(JwsError::Signature) }
        }
    }
}

/// A shared secret has no `kid`, so that of the token says nothing.
fn verify_shared(secret: &SharedSecret, token: &Compact) -> Result<(), JwsError> {
    let algorithm = token.algorithm();
    match secret.verify(algorithm, token.signing_input(), token.signature()) {
        Some(true) => Ok(()),
        Some(false) => Err(JwsError::Signature),
        None if algorithm.is_symmetric() => {
            let rule = format!("is signed with {algorithm}, whose hash is longer than the shared secret");
            Err(JwsError::Algorithm(rule))
        }
        None => Err(JwsError::Algorithm(format!(
            "is signed with {algorithm}; its issuer signs with a shared secret"
        ))),
    }
}
