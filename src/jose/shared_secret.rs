//! A shared secret for HMAC (RFC 7518 section 3.2).

use josekit::jws::JwsSigner;
use josekit::jws::alg::hmac::{HmacJwsAlgorithm, HmacJwsSigner};
use subtle::ConstantTimeEq;

use crate::base::Secret;
use crate::jose::Algorithm;

/// A secret, ready for every HMAC that it is long enough for.
pub(super) struct SharedSecret(Vec<(Algorithm, HmacJwsSigner)>);

impl SharedSecret {
    /// Uses the bytes of the text as the key, as in OpenID Connect Core section 10.1.
    ///
    /// # Errors
    /// If it is shorter than the shortest hash.
    pub(super) fn new(secret: &Secret) -> Result<Self, String> {
        let mut signers = Vec::new();
        for algorithm in Algorithm::SHARED_SECRET {
            if let Some(signer) = signer_of(*algorithm, secret) {
                signers.push((*algorithm, signer));
            }
        }
        if signers.is_empty() {
            return Err(
                "is too short: a shared secret for HS256 must have at least 32 bytes".to_owned(),
            );
        }
        Ok(Self(signers))
    }

    /// Whether `signature` is valid for `message`. Returns `None` if the secret does not fit
    /// `algorithm`.
    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        let (_, signer) = self.0.iter().find(|(one, _)| *one == algorithm)?;
        // The library's own verifier does not compare in constant time.
        let expected = signer.sign(message).ok()?;
        Some(expected.ct_eq(signature).into())
    }
}

/// Returns the signer with `secret`, or `None` if the secret is shorter than the hash of
/// `algorithm`, or `algorithm` is not an HMAC.
pub(super) fn signer_of(algorithm: Algorithm, secret: &Secret) -> Option<HmacJwsSigner> {
    let hmac = match algorithm {
        Algorithm::Hs256 => HmacJwsAlgorithm::Hs256,
        Algorithm::Hs384 => HmacJwsAlgorithm::Hs384,
        Algorithm::Hs512 => HmacJwsAlgorithm::Hs512,
        _ => return None,
    };
    hmac.signer_from_bytes(secret.expose()).ok()
}
