//! Signing: the private keys of this server, and the signatures that it creates.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::JoseError;
use josekit::jwk::alg::{ec::EcKeyPair, ed::EdKeyPair, rsa::RsaKeyPair};
use josekit::jwk::{Ed448, Ed25519, Jwk, KeyPair, P_256, P_384, P_521, Secp256k1};
use josekit::jws::JwsSigner;
use openssl::pkey::{Id, PKey};
use serde_json::{Map, Value};

use crate::base::Secret;
use crate::jose::{Algorithm, public_key, public_key::PublicKey, shared_secret, thumbprint};

/// The size of generated RSA keys, in bits.
const RSA_BITS: u32 = 2_048;

/// Why there is no signing key or no signature. The text contains no part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SigningKeyError {
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
pub(crate) struct SigningKey {
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
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self, SigningKeyError> {
        match generated_pair(algorithm) {
            Ok(Some(pair)) => Self::from_pair(&*pair, algorithm, None),
            Ok(None) => Err(SigningKeyError::Unfit(algorithm)),
            Err(_) => Err(SigningKeyError::Failed),
        }
    }

    /// Reads a private JWK. Its `alg`, if present, must be `algorithm`.
    ///
    /// # Errors
    /// If it is not a private key, or does not fit `algorithm`.
    pub(crate) fn from_jwk(jwk: &Value, algorithm: Algorithm) -> Result<Self, SigningKeyError> {
        let text = |name: &str| jwk.get(name)?.as_str();
        if text("alg").is_some_and(|name| name != algorithm.as_str()) {
            return Err(SigningKeyError::Unfit(algorithm));
        }
        let pair = pair_of_jwk(jwk).ok_or(SigningKeyError::Unreadable)?;
        let made = Self::from_pair(&*pair, algorithm, text("kid"))?;
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
    pub(crate) fn from_pem(pem: &Secret, algorithm: Algorithm) -> Result<Self, SigningKeyError> {
        let pair = pair_of_pem(pem).ok_or(SigningKeyError::Unreadable)?;
        Self::from_pair(&*pair, algorithm, None)
    }

    /// Returns a shared secret for HMAC, whose bytes are the key.
    ///
    /// # Errors
    /// If it is shorter than the hash, or `algorithm` is not an HMAC.
    pub(crate) fn from_secret(
        secret: &Secret,
        algorithm: Algorithm,
    ) -> Result<Self, SigningKeyError> {
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
        let kid = match kid {
            None | Some("") => print,
            Some(kid) => kid.to_owned(),
        };
        public.insert("kid".to_owned(), kid.into());
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
    #[cfg(test)]
    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns its identifier, or `None` for a shared secret.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.public.as_ref()?.get("kid")?.as_str()
    }

    /// Returns the public half as a JWK with `kid`, `alg` and `use`, or `None` for a shared secret.
    pub(crate) fn public_jwk(&self) -> Option<Value> {
        self.public.clone().map(Value::Object)
    }

    /// Returns the private key in PEM (PKCS #8) for storage, or `None` for a shared secret.
    pub(crate) const fn to_pem(&self) -> Option<&Secret> {
        self.pem.as_ref()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, ..)", self.algorithm)
    }
}

/// Generates a key pair, or returns `None` if `algorithm` is an HMAC.
fn generated_pair(algorithm: Algorithm) -> Result<Option<Box<dyn KeyPair>>, JoseError> {
    Ok(Some(match algorithm {
        Algorithm::Es256 => Box::new(EcKeyPair::generate(P_256)?),
        Algorithm::Es384 => Box::new(EcKeyPair::generate(P_384)?),
        Algorithm::Es512 => Box::new(EcKeyPair::generate(P_521)?),
        Algorithm::Es256k => Box::new(EcKeyPair::generate(Secp256k1)?),
        Algorithm::EdDsa | Algorithm::Ed25519 => Box::new(EdKeyPair::generate(Ed25519)?),
        Algorithm::Ed448 => Box::new(EdKeyPair::generate(Ed448)?),
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return Ok(None),
        _ => Box::new(RsaKeyPair::generate(RSA_BITS)?),
    }))
}

fn pair_of_jwk(jwk: &Value) -> Option<Box<dyn KeyPair>> {
    let members = jwk.as_object()?;
    let key = Jwk::from_map(members.clone()).ok()?;
    match members.get("kty")?.as_str()? {
        "RSA" => Some(Box::new(RsaKeyPair::from_jwk(&key).ok()?)),
        "EC" => Some(Box::new(EcKeyPair::from_jwk(&key).ok()?)),
        "OKP" => Some(Box::new(EdKeyPair::from_jwk(&key).ok()?)),
        _ => None,
    }
}

fn pair_of_pem(pem: &Secret) -> Option<Box<dyn KeyPair>> {
    // Without a callback, the library would prompt for a passphrase on the terminal.
    let key = PKey::private_key_from_pem_callback(pem.expose().as_bytes(), |_| Ok(0)).ok()?;
    let der = key.private_key_to_pkcs8().ok()?;
    match key.id() {
        Id::RSA => Some(Box::new(RsaKeyPair::from_der(&der).ok()?)),
        Id::EC => Some(Box::new(EcKeyPair::from_der(&der, None).ok()?)),
        Id::ED25519 | Id::ED448 => Some(Box::new(EdKeyPair::from_der(&der).ok()?)),
        _ => None,
    }
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

/// Signs `claims` in compact serialisation. `alg` and `kid` of the header come from the key,
/// regardless of `header`.
///
/// # Errors
/// If the library fails.
pub(crate) fn sign(
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
    match key.signer.sign(input.as_bytes()) {
        Ok(signature) => Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))),
        Err(_) => Err(SigningKeyError::Failed),
    }
}

/// Returns the key in `secret`, in one of the formats that operators use: a private key as JWK or PEM, or the
/// text of an HMAC key.
///
/// # Errors
/// If it is a private key that cannot be used, or a text that is too short.
pub(crate) fn signing_key(secret: &Secret) -> Result<SigningKey, SigningKeyError> {
    let text = secret.expose().trim_start();
    if text.starts_with('{') {
        let jwk: Value = serde_json::from_str(text).unwrap_or_default();
        return match algorithm_of(&jwk) {
            Some(algorithm) => SigningKey::from_jwk(&jwk, algorithm),
            None => Err(SigningKeyError::Unreadable),
        };
    }
    if text.starts_with("-----BEGIN") {
        return usual_from_pem(secret);
    }
    SigningKey::from_secret(secret, Algorithm::Hs256)
}

/// Returns the algorithm of a private JWK: the one that it names, or the usual one for its type.
fn algorithm_of(jwk: &Value) -> Option<Algorithm> {
    let text = |name: &str| jwk.get(name)?.as_str();
    match (text("alg"), text("kty"), text("crv")) {
        (Some(name), ..) => Algorithm::parse(name),
        (None, Some("EC"), Some("P-256")) => Some(Algorithm::Es256),
        (None, Some("EC"), Some("P-384")) => Some(Algorithm::Es384),
        (None, Some("EC"), Some("P-521")) => Some(Algorithm::Es512),
        (None, Some("OKP"), _) => Some(Algorithm::EdDsa),
        (None, Some("RSA"), _) => Some(Algorithm::Rs256),
        _ => None,
    }
}

/// Returns the first of these algorithms that fits the key.
fn usual_from_pem(secret: &Secret) -> Result<SigningKey, SigningKeyError> {
    const USUAL: [Algorithm; 5] = [
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
        Algorithm::EdDsa,
        Algorithm::Rs256,
    ];
    let mut failure = SigningKeyError::Unreadable;
    for algorithm in USUAL {
        match SigningKey::from_pem(secret, algorithm) {
            Err(error @ SigningKeyError::Unfit(_)) => failure = error,
            other => return other,
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_it_signs_with() {
        for algorithm in [
            Algorithm::Es256,
            Algorithm::Es384,
            Algorithm::EdDsa,
            Algorithm::Rs256,
        ] {
            let made = SigningKey::generate(algorithm).unwrap();
            let read = signing_key(made.to_pem().unwrap()).unwrap();
            assert_eq!(read.algorithm(), algorithm);
            assert_eq!(read.public_jwk(), made.public_jwk());
        }
        let of_text = |text: &str| signing_key(&Secret::new(text.to_owned()));
        let shared = of_text("a text of 32 bytes or more is HMAC").unwrap();
        assert_eq!(
            (shared.algorithm(), shared.public_jwk()),
            (Algorithm::Hs256, None)
        );
        assert!(of_text("12345678").is_err());
        assert_eq!(
            of_text(r#"{"kty":"oct","k":"AAAA"}"#).unwrap_err(),
            SigningKeyError::Unreadable
        );
    }

    #[test]
    fn a_jwk_may_name_its_algorithm() {
        // RFC 7515 appendix A.3.1.
        let jwk = r#"{"kty":"EC","crv":"P-256","alg":"ES256","kid":"1",
            "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
        let read = signing_key(&Secret::new(jwk.to_owned())).unwrap();
        assert_eq!(
            (read.algorithm(), read.kid()),
            (Algorithm::Es256, Some("1"))
        );
        let unnamed = signing_key(&Secret::new(jwk.replace(r#""alg":"ES256","#, ""))).unwrap();
        assert_eq!(unnamed.algorithm(), Algorithm::Es256);
        assert!(signing_key(&Secret::new(jwk.replace("\"ES256\"", "\"ES384\""))).is_err());
    }
}
