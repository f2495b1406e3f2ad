//! Signing: the private keys of this server, and the signatures that it creates.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::alg::{ec::EcKeyPair, ed::EdKeyPair, rsa::RsaKeyPair};
use josekit::jwk::{Ed448, Ed25519, Jwk, KeyPair, P_256, P_384, P_521, Secp256k1};
use josekit::jws::JwsSigner;
use openssl::pkey::{Id, PKey};
use serde_json::{Map, Value};

use super::public_key::{self, PublicKey};
use super::{Algorithm, shared_secret, thumbprint};
use crate::base::Secret;

/// The size of generated RSA keys, in bits.
const RSA_BITS: u32 = 2_048;

/// Why there is no signing key or no signature. The text contains no part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// It cannot be read.
    #[error(
        "is not a private key: use a JWK with all of its members, or an unencrypted PEM file, \
         of type RSA, EC or OKP"
    )]
    Unreadable,
    /// It can be read, but it is weak or inconsistent.
    #[error(
        "is a weak or inconsistent key: RSA keys must have 2048 to 8192 bits, \
         and the public half must match the private half"
    )]
    Weak,
    /// It has another type, or is too short.
    #[error("cannot be used to sign with {0}")]
    Unfit(Algorithm),
    /// The cryptography library failed.
    #[error("the signature could not be created")]
    Failed,
}

/// A key that signs with one algorithm. It cannot be printed.
pub struct SigningKey {
    algorithm: Algorithm,
    signer: Box<dyn JwsSigner>,
    /// The public half, with `kid`, `alg` and `use`. `None` for a shared secret.
    public: Option<Map<String, Value>>,
    /// PKCS #8 in PEM. `None` for a shared secret.
    pem: Option<Secret>,
}

impl SigningKey {
    /// Generates a key for `algorithm`.
    ///
    /// # Errors
    /// If `algorithm` is an HMAC, or the library fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, SigningKeyError> {
        let pair: Result<Box<dyn KeyPair>, _> = match algorithm {
            Algorithm::Es256 => EcKeyPair::generate(P_256).map(boxed),
            Algorithm::Es384 => EcKeyPair::generate(P_384).map(boxed),
            Algorithm::Es512 => EcKeyPair::generate(P_521).map(boxed),
            Algorithm::Es256k => EcKeyPair::generate(Secp256k1).map(boxed),
            Algorithm::EdDsa | Algorithm::Ed25519 => EdKeyPair::generate(Ed25519).map(boxed),
            Algorithm::Ed448 => EdKeyPair::generate(Ed448).map(boxed),
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                return Err(SigningKeyError::Unfit(algorithm));
            }
            _ => RsaKeyPair::generate(RSA_BITS).map(boxed),
        };
        Self::from_pair(
            &*pair.map_err(|_| SigningKeyError::Failed)?,
            algorithm,
            None,
        )
    }

    /// Reads a private JWK. Its `alg`, if present, must be `algorithm`.
    ///
    /// # Errors
    /// If it is not a private key, or does not fit `algorithm`.
    pub fn from_jwk(jwk: &Value, algorithm: Algorithm) -> Result<Self, SigningKeyError> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if text("alg").is_some_and(|name| name != algorithm.as_str()) {
            return Err(SigningKeyError::Unfit(algorithm));
        }
        let pair = pair_of_jwk(jwk)?;
        let kid = text("kid").filter(|kid| !kid.is_empty());
        let made = Self::from_pair(&*pair, algorithm, kid)?;
        // The public half in the JWK would be published, so it must match the private half.
        let own = made.public_jwk().as_ref().and_then(thumbprint);
        match thumbprint(jwk) {
            Some(published) if own.as_ref() != Some(&published) => Err(SigningKeyError::Weak),
            _ => Ok(made),
        }
    }

    /// Reads a PEM text, in PKCS #8 or the traditional format, not encrypted.
    ///
    /// # Errors
    /// If it is not a private key, or does not fit `algorithm`.
    pub fn from_pem(pem: &Secret, algorithm: Algorithm) -> Result<Self, SigningKeyError> {
        // Without a callback, the library would prompt for a passphrase on the terminal.
        let key = PKey::private_key_from_pem_callback(pem.expose().as_bytes(), |_| Ok(0))
            .map_err(|_| SigningKeyError::Unreadable)?;
        let der = key
            .private_key_to_pkcs8()
            .map_err(|_| SigningKeyError::Unreadable)?;
        let pair: Result<Box<dyn KeyPair>, _> = match key.id() {
            Id::RSA => RsaKeyPair::from_der(&der).map(boxed),
            Id::EC => EcKeyPair::from_der(&der, None).map(boxed),
            Id::ED25519 | Id::ED448 => EdKeyPair::from_der(&der).map(boxed),
            _ => return Err(SigningKeyError::Unreadable),
        };
        Self::from_pair(
            &*pair.map_err(|_| SigningKeyError::Unreadable)?,
            algorithm,
            None,
        )
    }

    /// Returns a shared secret for HMAC, whose bytes are the key.
    ///
    /// # Errors
    /// If it is shorter than the hash, or `algorithm` is not an HMAC.
    pub fn from_secret(secret: &Secret, algorithm: Algorithm) -> Result<Self, SigningKeyError> {
        let signer =
            shared_secret::signer_of(algorithm, secret).ok_or(SigningKeyError::Unfit(algorithm))?;
        Ok(Self {
            algorithm,
            signer: Box::new(signer),
            public: None,
            pem: None,
        })
    }

    fn from_pair(
        pair: &dyn KeyPair,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<Self, SigningKeyError> {
        let mut public: Map<String, Value> = pair.to_jwk_public_key().into();
        let signer = proven_signer(pair, &public, algorithm)?;
        let print = thumbprint(&Value::Object(public.clone())).ok_or(SigningKeyError::Weak)?;
        public.insert("kid".to_owned(), kid.map_or(print, str::to_owned).into());
        public.insert("alg".to_owned(), algorithm.as_str().into());
        public.insert("use".to_owned(), "sig".into());
        let pem =
            String::from_utf8(pair.to_pem_private_key()).map_err(|_| SigningKeyError::Failed)?;
        Ok(Self {
            algorithm,
            signer,
            public: Some(public),
            pem: Some(Secret::new(pem)),
        })
    }

    /// Returns the algorithm that it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns its identifier, or `None` for a shared secret.
    pub fn kid(&self) -> Option<&str> {
        self.public.as_ref()?.get("kid")?.as_str()
    }

    /// Returns the public half as a JWK with `kid`, `alg` and `use`, or `None` for a shared secret.
    pub fn public_jwk(&self) -> Option<Value> {
        self.public.clone().map(Value::Object)
    }

    /// Returns the private key in PEM (PKCS #8) for storage, or `None` for a shared secret.
    pub const fn to_pem(&self) -> Option<&Secret> {
        self.pem.as_ref()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, ..)", self.algorithm)
    }
}

fn pair_of_jwk(jwk: &Value) -> Result<Box<dyn KeyPair>, SigningKeyError> {
    let members = jwk.as_object().ok_or(SigningKeyError::Unreadable)?;
    let key = Jwk::from_map(members.clone()).map_err(|_| SigningKeyError::Unreadable)?;
    let pair = match members.get("kty").and_then(Value::as_str) {
        Some("RSA") => RsaKeyPair::from_jwk(&key).map(boxed),
        Some("EC") => EcKeyPair::from_jwk(&key).map(boxed),
        Some("OKP") => EdKeyPair::from_jwk(&key).map(boxed),
        _ => return Err(SigningKeyError::Unreadable),
    };
    pair.map_err(|_| SigningKeyError::Unreadable)
}

/// Returns the signer of `pair`, after its public half has verified a signature. The library does
/// not compare the two halves of a key that another program assembled.
fn proven_signer(
    pair: &dyn KeyPair,
    public: &Map<String, Value>,
    algorithm: Algorithm,
) -> Result<Box<dyn JwsSigner>, SigningKeyError> {
    let Ok(Some(key)) = PublicKey::read(public) else {
        return Err(SigningKeyError::Weak);
    };
    let unfit = SigningKeyError::Unfit(algorithm);
    let verifier = key.verifier(algorithm).ok_or(unfit)?;
    let signer = public_key::signer_of(algorithm, &pair.to_der_private_key()).ok_or(unfit)?;
    let proof = signer.sign(b"proof").map_err(|_| SigningKeyError::Failed)?;
    match verifier.verify(b"proof", &proof) {
        Ok(()) => Ok(signer),
        Err(_) => Err(SigningKeyError::Weak),
    }
}

fn boxed<P: KeyPair + 'static>(pair: P) -> Box<dyn KeyPair> {
    Box::new(pair)
}

/// Signs `claims` in compact serialisation. `alg` and `kid` of the header come from the key,
/// regardless of `header`.
///
/// # Errors
/// If the library fails.
pub fn sign(
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
    key: &SigningKey,
) -> Result<String, SigningKeyError> {
    let mut header = header.clone();
    header.insert("alg".to_owned(), key.algorithm.as_str().into());
    if let Some(kid) = key.kid() {
        header.insert("kid".to_owned(), kid.into());
    }
    let json = |members: &Map<String, Value>| {
        serde_json::to_vec(members).map_err(|_| SigningKeyError::Failed)
    };
    sign_bytes(&json(&header)?, &json(claims)?, key)
}

/// Signs header and payload as they are (RFC 7515 section 5.1).
pub(super) fn sign_bytes(
    header: &[u8],
    payload: &[u8],
    key: &SigningKey,
) -> Result<String, SigningKeyError> {
    let input = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = key
        .signer
        .sign(input.as_bytes())
        .map_err(|_| SigningKeyError::Failed)?;
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
