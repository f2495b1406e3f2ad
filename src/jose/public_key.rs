//! One public key that verifies signatures, with its verifiers.
//!
//! Creating a verifier costs several times as much as one verification. Each verifier is therefore
//! created when its algorithm is first used, and kept as long as the key.

use std::sync::OnceLock;

use josekit::jws::alg::ecdsa::EcdsaJwsAlgorithm;
use josekit::jws::alg::eddsa::EddsaJwsAlgorithm;
use josekit::jws::alg::rsassa::RsassaJwsAlgorithm;
use josekit::jws::alg::rsassa_pss::RsassaPssJwsAlgorithm;
use josekit::jws::{JwsSigner, JwsVerifier};
use serde_json::{Map, Value};

use crate::base::absent;
use crate::jose::{Algorithm, KeyTask, fit, jwks};

/// A key that verifies signatures.
pub(super) struct PublicKey {
    kid: Option<String>,
    /// `SubjectPublicKeyInfo` in DER.
    der: Vec<u8>,
    /// The algorithms that it may be used with.
    verifiers: Vec<(Algorithm, OnceLock<MaybeVerifier>)>,
}

/// `None` if the library does not accept the key.
type MaybeVerifier = Option<Box<dyn JwsVerifier>>;

impl PublicKey {
    /// Reads a JWK. Returns `None` if it is not for verifying, or of an unknown type (RFC 7517
    /// sections 4.2, 4.3 and 5).
    pub(super) fn read(members: &Map<String, Value>) -> Result<Option<Self>, String> {
        let members = &*absent::present_of(members);
        jwks::check_secrecy(members)?;
        let Some(key) = jwks::key::read(members)? else {
            return Ok(None);
        };
        let mut verifiers = Vec::new();
        for algorithm in Algorithm::ALL {
            if fit::can(members, KeyTask::Verify, algorithm.as_str()) {
                verifiers.push((*algorithm, OnceLock::new()));
            }
        }
        if verifiers.is_empty() {
            return Ok(None);
        }
        let Ok(der) = key.public_key_to_der() else {
            return Err("cannot be encoded".to_owned());
        };
        let kid = match members.get("kid") {
            Some(Value::String(kid)) => Some(kid.clone()),
            _ => None,
        };
        Ok(Some(Self {
            kid,
            der,
            verifiers,
        }))
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Returns the verifier for `algorithm` with this key, or `None` if the key does not fit it.
    pub(super) fn verifier(&self, algorithm: Algorithm) -> Option<&dyn JwsVerifier> {
        let (_, verifier) = self.verifiers.iter().find(|(one, _)| *one == algorithm)?;
        verifier
            .get_or_init(|| verifier_of(algorithm, &self.der))
            .as_deref()
    }
}

/// The library's name of an asymmetric algorithm.
#[derive(Clone, Copy)]
enum Family {
    Rsa(RsassaJwsAlgorithm),
    RsaPss(RsassaPssJwsAlgorithm),
    Elliptic(EcdsaJwsAlgorithm),
    Edwards,
}

const fn family(algorithm: Algorithm) -> Option<Family> {
    Some(match algorithm {
        Algorithm::Rs256 => Family::Rsa(RsassaJwsAlgorithm::Rs256),
        Algorithm::Rs384 => Family::Rsa(RsassaJwsAlgorithm::Rs384),
        Algorithm::Rs512 => Family::Rsa(RsassaJwsAlgorithm::Rs512),
        Algorithm::Ps256 => Family::RsaPss(RsassaPssJwsAlgorithm::Ps256),
        Algorithm::Ps384 => Family::RsaPss(RsassaPssJwsAlgorithm::Ps384),
        Algorithm::Ps512 => Family::RsaPss(RsassaPssJwsAlgorithm::Ps512),
        Algorithm::Es256 => Family::Elliptic(EcdsaJwsAlgorithm::Es256),
        Algorithm::Es384 => Family::Elliptic(EcdsaJwsAlgorithm::Es384),
        Algorithm::Es512 => Family::Elliptic(EcdsaJwsAlgorithm::Es512),
        Algorithm::Es256k => Family::Elliptic(EcdsaJwsAlgorithm::Es256k),
        Algorithm::EdDsa | Algorithm::Ed25519 | Algorithm::Ed448 => Family::Edwards,
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return None,
    })
}

fn verifier_of(algorithm: Algorithm, der: &[u8]) -> MaybeVerifier {
    fn boxed<V: JwsVerifier + 'static>(made: Result<V, josekit::JoseError>) -> MaybeVerifier {
        Some(Box::new(made.ok()?))
    }
    match family(algorithm)? {
        Family::Rsa(of) => boxed(of.verifier_from_der(der)),
        Family::RsaPss(of) => boxed(of.verifier_from_der(der)),
        Family::Elliptic(of) => boxed(of.verifier_from_der(der)),
        Family::Edwards => boxed(EddsaJwsAlgorithm::Eddsa.verifier_from_der(der)),
    }
}

/// Returns the signer for `algorithm` with a private key in PKCS #8, or `None` if the key does not
/// fit it.
pub(super) fn signer_of(algorithm: Algorithm, der: &[u8]) -> Option<Box<dyn JwsSigner>> {
    fn boxed<S: JwsSigner + 'static>(
        made: Result<S, josekit::JoseError>,
    ) -> Option<Box<dyn JwsSigner>> {
        Some(Box::new(made.ok()?))
    }
    match family(algorithm)? {
        Family::Rsa(of) => boxed(of.signer_from_der(der)),
        Family::RsaPss(of) => boxed(of.signer_from_der(der)),
        Family::Elliptic(of) => boxed(of.signer_from_der(der)),
        Family::Edwards => boxed(EddsaJwsAlgorithm::Eddsa.signer_from_der(der)),
    }
}
