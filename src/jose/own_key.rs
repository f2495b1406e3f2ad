//! A key of our own as an operator writes it down: a private JWK, or PEM.

use serde_json::Value;

use super::{Algorithm, SigningKey, SigningKeyError};
use crate::model::json;
use crate::secret::Secret;

/// What a key signs with that does not say: one algorithm for each type and curve.
const USUAL: &[Algorithm] = &[
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Es512,
    Algorithm::EdDsa,
    Algorithm::Ed448,
    Algorithm::Es256k,
    Algorithm::Rs256,
];

/// The private key in `text`; it signs with its `alg`, or with what is usual for its type: `ES256`
/// and its kin for EC, `EdDSA`, `RS256`.
///
/// # Errors
/// When the text is no private key that can be used.
pub fn own_key(text: &Secret) -> Result<SigningKey, SigningKeyError> {
    let Ok(jwk) = json::parse(text.expose().as_bytes()) else {
        return first(|algorithm| SigningKey::from_pem(text, algorithm));
    };
    match jwk.get("alg").and_then(Value::as_str) {
        Some(name) => {
            let algorithm = Algorithm::parse(name).ok_or(SigningKeyError::Unreadable)?;
            SigningKey::from_jwk(&jwk, algorithm)
        }
        None => first(|algorithm| SigningKey::from_jwk(&jwk, algorithm)),
    }
}

/// The first that fits.
fn first(
    key: impl Fn(Algorithm) -> Result<SigningKey, SigningKeyError>,
) -> Result<SigningKey, SigningKeyError> {
    let mut failure = SigningKeyError::Unreadable;
    for algorithm in USUAL {
        match key(*algorithm) {
            Err(SigningKeyError::Unfit(other)) => failure = SigningKeyError::Unfit(other),
            outcome => return outcome,
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_it_signs_with() {
        for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa, Algorithm::Rs256] {
            let made = SigningKey::generate(algorithm).unwrap();
            let read = own_key(made.to_pem().unwrap()).unwrap();
            assert_eq!(read.algorithm(), algorithm);
            assert_eq!(read.public_jwk(), made.public_jwk());
        }
        let other = "a text that is no key";
        assert_eq!(own_key(&Secret::new(other.to_owned())).unwrap_err(), SigningKeyError::Unreadable);
        assert!(own_key(&Secret::new("{\"kty\":\"oct\",\"k\":\"AAAA\"}".to_owned())).is_err());
        assert!(own_key(&Secret::new("12345678".to_owned())).is_err());
    }

    #[test]
    fn a_jwk_may_name_its_algorithm() {
        // RFC 7515 appendix A.3.1.
        let jwk = r#"{"kty":"EC","crv":"P-256","alg":"ES256","kid":"1",
            "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
        let read = own_key(&Secret::new(jwk.to_owned())).unwrap();
        assert_eq!((read.algorithm(), read.kid()), (Algorithm::Es256, Some("1")));
        let unnamed = own_key(&Secret::new(jwk.replace(r#""alg":"ES256","#, ""))).unwrap();
        assert_eq!(unnamed.algorithm(), Algorithm::Es256);
        assert!(own_key(&Secret::new(jwk.replace("\"ES256\"", "\"ES384\""))).is_err());
    }
}
