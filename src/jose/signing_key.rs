//! The formats in which an operator provides a signing key: a private JWK, PEM, or a text for HMAC.

use serde_json::Value;

use super::{Algorithm, SigningKey, SigningKeyError};
use crate::base::Secret;

/// Returns the key in `secret`: a private key as JWK or PEM, or the text of an HMAC key.
///
/// # Errors
/// If it is a private key that cannot be used, or a text that is too short.
pub(crate) fn signing_key(secret: &Secret) -> Result<SigningKey, SigningKeyError> {
    let text = secret.expose().trim_start();
    if text.starts_with('{') {
        let jwk: Value = serde_json::from_str(text).map_err(|_| SigningKeyError::Unreadable)?;
        return SigningKey::from_jwk(&jwk, algorithm_of(&jwk).ok_or(SigningKeyError::Unreadable)?);
    }
    if text.starts_with("-----BEGIN") {
        return from_pem(secret);
    }
    SigningKey::from_secret(secret, Algorithm::Hs256)
}

/// Returns the algorithm of a private JWK: the one that it names, or the usual one for its type.
fn algorithm_of(jwk: &Value) -> Option<Algorithm> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
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
fn from_pem(secret: &Secret) -> Result<SigningKey, SigningKeyError> {
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
