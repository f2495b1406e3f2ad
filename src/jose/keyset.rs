//! The keys that one party signs with: either public keys or one shared secret.
//!
//! A public key cannot verify an HMAC, because no HMAC is ever computed with a member of
//! [`VerifyingKeys::Public`]. A token therefore cannot turn a public key into a secret (RFC 8725 section
//! 3.1).

use std::fmt;

use serde_json::Value;

use crate::base::{Secret, json};
use crate::jose::{
    Compact, JwsError, jwks, public_key::PublicKey, shared_secret::SharedSecret,
    verify::SignedToken,
};

/// The maximum number of keys in one JWK Set of an operator, of a script or of another server.
pub(crate) const MOST_KEYS: usize = 100;

/// The maximum number of keys that are tried for one token of an issuer. Sets come from other
/// parties, and each key takes time.
pub(crate) const MOST_KEYS_TRIED: usize = 20;

/// The result of a signature check.
pub(crate) struct Tried {
    /// The token with a valid signature, or why it is rejected.
    pub(crate) outcome: Result<SignedToken, JwsError>,
    /// The number of keys that were tried. Each takes time.
    pub(crate) keys: usize,
}

/// Keys that are parsed and ready to verify. Reuse the set, because parsing a key costs more than
/// using it.
pub(crate) struct KeySet {
    keys: VerifyingKeys,
}

enum VerifyingKeys {
    Public(Vec<PublicKey>),
    Shared(SharedSecret),
}

impl KeySet {
    /// Parses a JWK Set of at most `limit` keys.
    ///
    /// A key that cannot be used is skipped, as RFC 7517 section 5 requires. One bad key in an
    /// ecosystem's set must not make the others unusable.
    ///
    /// # Errors
    /// The rule that it breaks: it is not a JWK Set, has too many keys, or has no usable key.
    pub(crate) fn parse(set: &Value, limit: usize) -> Result<Self, String> {
        let (usable, skipped) = read_keys(set, limit)?;
        if usable.is_empty() {
            let none = "has no key that can verify signatures; use RSA, EC or OKP keys".to_owned();
            return Err(skipped.into_iter().next().unwrap_or(none));
        }
        let keys = VerifyingKeys::Public(usable);
        Ok(Self { keys })
    }

    /// Parses a JWK Set from its JSON text.
    ///
    /// # Errors
    /// As [`KeySet::parse`], and if it is not JSON or has a duplicate member.
    pub(crate) fn parse_text(text: &str, limit: usize) -> Result<Self, String> {
        let set = json::parse(text.as_bytes())
            .map_err(|_| "must be a JWK Set in JSON without duplicate members")?;
        Self::parse(&set, limit)
    }

    /// Returns the set that verifies HMAC with the bytes of `secret` as the key.
    ///
    /// # Errors
    /// If it is shorter than 32 bytes. A longer hash needs a longer secret (RFC 7518 section 3.2).
    pub(crate) fn from_secret(secret: &Secret) -> Result<Self, String> {
        Ok(Self {
            keys: VerifyingKeys::Shared(SharedSecret::new(secret)?),
        })
    }

    /// Returns what is wrong with the keys of a known type that are skipped.
    #[cfg(test)]
    pub(crate) fn skipped(set: &Value) -> Vec<String> {
        read_keys(set, MOST_KEYS).map_or_else(|rule| vec![rule], |(_, skipped)| skipped)
    }

    /// Checks only the signature of `token`.
    pub(super) fn verify(&self, token: &Compact) -> Result<(), JwsError> {
        let mut tries = 0;
        match &self.keys {
            VerifyingKeys::Public(keys) => verify_public(keys, token, MOST_KEYS_TRIED, &mut tries),
            VerifyingKeys::Shared(secret) => verify_shared(secret, token),
        }
    }

    /// Checks only the signature of `token`, with at most `most` keys.
    pub(crate) fn check_signature(&self, token: Compact, most: usize) -> Tried {
        let mut tries = 0;
        let checked = match &self.keys {
            VerifyingKeys::Public(keys) => verify_public(keys, &token, most, &mut tries),
            VerifyingKeys::Shared(secret) => verify_shared(secret, &token),
        };
        Tried {
            outcome: checked.map(|()| SignedToken::new(token)),
            keys: tries,
        }
    }

    /// Does the work of checking `times` invalid signatures of `token`, with the first public key
    /// for its algorithm. Returns how many checks it performed.
    pub(crate) fn spend(&self, token: &Compact, times: usize) -> usize {
        let VerifyingKeys::Public(keys) = &self.keys else {
            return 0;
        };
        let Some(key) = keys.iter().find_map(|key| key.verifier(token.algorithm())) else {
            return 0;
        };
        for _ in 0..times {
            let _ = std::hint::black_box(key.verify(token.signing_input(), token.signature()));
        }
        times
    }

    /// Returns the number of its keys.
    pub(crate) const fn count(&self) -> usize {
        match &self.keys {
            VerifyingKeys::Public(keys) => keys.len(),
            VerifyingKeys::Shared(_) => 1,
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.keys {
            VerifyingKeys::Public(keys) => write!(f, "KeySet({} public)", keys.len()),
            VerifyingKeys::Shared(_) => f.write_str("KeySet(shared secret)"),
        }
    }
}

/// Returns the usable keys of a JWK Set, and what is wrong with other keys of a known type.
fn read_keys(set: &Value, limit: usize) -> Result<(Vec<PublicKey>, Vec<String>), String> {
    let (mut usable, mut skipped) = (Vec::new(), Vec::new());
    for (index, key) in jwks::keys(set, limit)?.iter().enumerate() {
        let read = match key {
            Value::Object(members) => PublicKey::read(members),
            _ => Err("must be an object".to_owned()),
        };
        match read {
            Ok(key) => usable.extend(key),
            Err(rule) => skipped.push(format!("keys[{index}] {rule}")),
        }
    }
    Ok((usable, skipped))
}

/// Verifies with at most `most` keys, and adds the number of keys tried to `tries`.
fn verify_public(
    keys: &[PublicKey],
    token: &Compact,
    most: usize,
    tries: &mut usize,
) -> Result<(), JwsError> {
    let algorithm = token.algorithm();
    if algorithm.is_symmetric() {
        let rule = format!(
            "is signed with {algorithm}, which needs a shared secret; sign with a private key"
        );
        return Err(JwsError::Algorithm(rule));
    }
    let mut is_known = false;
    for key in keys {
        if token.kid().is_some_and(|kid| key.kid() != Some(kid)) {
            continue;
        }
        is_known = true;
        if *tries == most {
            break;
        }
        // A verifier is created when its key is first used.
        let Some(verifier) = key.verifier(algorithm) else {
            continue;
        };
        *tries += 1;
        let outcome = verifier.verify(token.signing_input(), token.signature());
        if outcome.is_ok() {
            return Ok(());
        }
    }
    Err(match token.kid() {
        _ if *tries > 0 => JwsError::Signature,
        _ if !is_known => {
            JwsError::UnknownKey("has a `kid` that is not in the key set of its issuer")
        }
        Some(_) => JwsError::Algorithm(format!(
            "is signed with {algorithm}, which does not fit the key of its `kid`"
        )),
        None => JwsError::UnknownKey("has an `alg` that no key of its issuer fits"),
    })
}

/// A shared secret has no `kid`, so the token's `kid` is ignored.
fn verify_shared(secret: &SharedSecret, token: &Compact) -> Result<(), JwsError> {
    let algorithm = token.algorithm();
    match secret.verify(algorithm, token.signing_input(), token.signature()) {
        Some(true) => Ok(()),
        Some(false) => Err(JwsError::Signature),
        None if algorithm.is_symmetric() => {
            let rule =
                format!("is signed with {algorithm}, whose hash is longer than the shared secret");
            Err(JwsError::Algorithm(rule))
        }
        None => Err(JwsError::Algorithm(format!(
            "is signed with {algorithm}; its issuer signs with a shared secret"
        ))),
    }
}
