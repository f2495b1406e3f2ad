//! The host functions without access to the network or the store: `jwt::verify` and `jwt::sign` on
//! [`crate::jose`], `x509::parse` on [`crate::x509`].

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::results;
use crate::base::clock::Clock;
use crate::base::secret::Secret;
use crate::ear;
use crate::jose::{
    self, Algorithm, Claims, Compact, Expectations, KeySet, MOST_KEYS_TRIED, SigningKeyError,
    TypRule, Verified,
};
use crate::script::host::{Host, Jwt, JwtExpectations};
use crate::x509::Certificate;

/// The maximum number of keys in a set that a script provides.
pub(super) const MOST_KEYS: usize = 100;

/// Verifies and signs JWTs, and parses certificates. It has no other host functions.
#[derive(Clone)]
pub struct Tokens {
    clock: Arc<dyn Clock>,
}

impl Tokens {
    /// Creates the functions. They read the time from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    fn verify(
        &self,
        token: &Compact,
        keys: &KeySet,
        expected: &Expectations<'_>,
    ) -> Result<Verified<Claims>, String> {
        jose::verify(token, keys, expected, self.clock.now())
            .map_err(|error| format!("the JWT {error}"))
    }
}

impl Host for Tokens {
    fn verify_jwt(
        &self,
        token: &str,
        jwks: &Value,
        expected: &JwtExpectations,
    ) -> Result<Jwt, String> {
        let token = Compact::parse(token).map_err(|error| format!("the JWT {error}"))?;
        let algorithms = algorithms(&expected.algorithms)?;
        let audiences: Vec<String> = expected.audience.iter().cloned().collect();
        let required: Vec<&str> = [("iss", &expected.issuer), ("aud", &expected.audience)]
            .into_iter()
            .filter_map(|(claim, value)| value.as_ref().map(|_| claim))
            .collect();
        let expectations = Expectations {
            algorithms: &algorithms,
            audiences: &audiences,
            issuer: expected.issuer.as_deref(),
            // Only the script knows which type of token this is. It sees the header.
            typ: token.typ().map_or(TypRule::Any, TypRule::Required),
            required: &required,
            max_age: expected.max_age,
            ..Expectations::default()
        };
        let verified = if token.algorithm().is_symmetric() {
            with_secrets(self, &token, jwks, &expectations)
        } else {
            let keys =
                KeySet::parse(jwks, MOST_KEYS).map_err(|rule| format!("the JWK Set {rule}"))?;
            self.verify(&token, &keys, &expectations)
        };
        let (header, claims) = verified?.into_inner().into_parts();
        Ok(Jwt { header, claims })
    }

    fn verify_ear(
        &self,
        token: &str,
        jwks: &Value,
        expected: &ear::Expectations,
    ) -> Result<ear::AttestationResult, ear::Failure> {
        results::verify(token, jwks, expected, self.clock.now())
    }

    fn sign_jwt(&self, claims: &Map<String, Value>, key: &Secret) -> Result<String, String> {
        let failed = |error: SigningKeyError| format!("the secret {error}");
        let header = json!({ "typ": "JWT" })
            .as_object()
            .cloned()
            .unwrap_or_default();
        jose::sign(&header, claims, &jose::signing_key(key).map_err(failed)?).map_err(failed)
    }

    fn parse_certificate(&self, pem: &str) -> Result<Value, String> {
        let certificate = Certificate::from_pem(pem).map_err(|error| error.to_string())?;
        Ok(Value::Object(certificate.to_json()))
    }
}

pub(super) fn algorithms(names: &[String]) -> Result<Vec<Algorithm>, String> {
    let parse = |name: &String| {
        Algorithm::parse(name).ok_or_else(|| {
            let known: Vec<&str> = Algorithm::ALL
                .iter()
                .map(|algorithm| algorithm.as_str())
                .collect();
            format!(
                "unsupported algorithm '{name}'; the supported ones are {}",
                known.join(", ")
            )
        })
    };
    names.iter().map(parse).collect()
}

/// Verifies with the symmetric keys of `jwks` (RFC 7518 section 6.4). Public keys are ignored, so that none
/// is ever used as a secret.
fn with_secrets(
    tokens: &Tokens,
    token: &Compact,
    jwks: &Value,
    expected: &Expectations<'_>,
) -> Result<Verified<Claims>, String> {
    let text = |key: &Value, name: &str| key.get(name).and_then(Value::as_str).map(str::to_owned);
    let keys = jwks
        .get("keys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let is_meant = |key: &&Value| {
        let kid = text(key, "kid");
        text(key, "kty").as_deref() == Some("oct")
            && (kid.is_none()
                || token
                    .kid()
                    .is_none_or(|meant| kid.as_deref() == Some(meant)))
    };
    let mut failure =
        "the JWT is signed with a shared secret, but the JWK Set contains no matching key"
            .to_owned();
    for key in keys.filter(is_meant).take(MOST_KEYS_TRIED) {
        let secret = text(key, "k").and_then(|k| URL_SAFE_NO_PAD.decode(k).ok());
        let secret = secret
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .map(Secret::new);
        let verified = secret
            .ok_or_else(|| "`k` of a symmetric key must be a string in base64url".to_owned())
            .and_then(|secret| {
                KeySet::from_secret(&secret).map_err(|rule| format!("the key {rule}"))
            })
            .and_then(|keys| tokens.verify(token, &keys, expected));
        match verified {
            Ok(verified) => return Ok(verified),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{ManualClock, Timestamp};
    use crate::jose::SigningKey;

    const SECRET: &str = "a shared secret of forty characters, yes";

    fn tokens() -> Tokens {
        Tokens::new(Arc::new(ManualClock::new(Timestamp::from_unix(1_000_000))))
    }

    fn expected(algorithm: &str) -> JwtExpectations {
        JwtExpectations {
            algorithms: vec![algorithm.to_owned()],
            ..JwtExpectations::default()
        }
    }

    fn claims(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_signed_token_verifies_with_its_type_of_key() {
        for algorithm in [
            Algorithm::Es256,
            Algorithm::Es384,
            Algorithm::Es512,
            Algorithm::EdDsa,
        ] {
            let key = SigningKey::generate(algorithm).unwrap();
            let jwks = json!({ "keys": [key.public_jwk()] });
            let token = tokens()
                .sign_jwt(&claims(json!({"iss": "a"})), key.to_pem().unwrap())
                .unwrap();
            let jwt = tokens()
                .verify_jwt(&token, &jwks, &JwtExpectations::default())
                .unwrap();
            assert_eq!(
                (&jwt.claims["iss"], &jwt.header["typ"]),
                (&json!("a"), &json!("JWT"))
            );
            assert_eq!(jwt.header["alg"], algorithm.as_str());
            let error = tokens()
                .verify_jwt(&token, &jwks, &expected("PS256"))
                .unwrap_err();
            assert!(
                error.starts_with("the JWT is signed with") && error.contains("PS256"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_shared_secret_is_a_symmetric_key_and_nothing_else() {
        let token = tokens()
            .sign_jwt(
                &claims(json!({"iss": "a"})),
                &Secret::new(SECRET.to_owned()),
            )
            .unwrap();
        let oct = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET)});
        let jwks = json!({ "keys": [oct] });
        assert!(
            tokens()
                .verify_jwt(&token, &jwks, &expected("HS256"))
                .is_ok()
        );
        assert!(
            tokens()
                .verify_jwt(&token, &jwks, &JwtExpectations::default())
                .is_err()
        );
        let public = SigningKey::generate(Algorithm::Es256).unwrap().public_jwk();
        let error = tokens().verify_jwt(&token, &json!({ "keys": [public] }), &expected("HS256"));
        assert!(error.unwrap_err().contains("no matching key"));
    }

    #[test]
    fn claims_must_match_the_expectations() {
        let signed = json!({"iss": "a", "aud": "us", "iat": 999_900, "exp": 1_000_100});
        let token = tokens()
            .sign_jwt(&claims(signed), &Secret::new(SECRET.to_owned()))
            .unwrap();
        let jwks = json!({"keys": [{"kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET)}]});
        let check = |change: fn(&mut JwtExpectations), part: Option<&str>| {
            let mut expected = JwtExpectations {
                audience: Some("us".to_owned()),
                ..expected("HS256")
            };
            change(&mut expected);
            let found = tokens()
                .verify_jwt(&token, &jwks, &expected)
                .err()
                .unwrap_or_default();
            assert_eq!(part.is_none(), found.is_empty(), "{found}");
            assert!(found.contains(part.unwrap_or_default()), "{found}");
        };
        check(|_| {}, None);
        check(|expected| expected.audience = None, Some("audience"));
        check(
            |expected| expected.audience = Some("them".to_owned()),
            Some("them"),
        );
        check(
            |expected| expected.issuer = Some("b".to_owned()),
            Some("`iss` b"),
        );
        check(
            |expected| expected.max_age = Some(99),
            Some("older than 99 seconds"),
        );
        check(
            |expected| expected.algorithms = vec!["HS265".to_owned()],
            Some("'HS265'"),
        );
    }

    #[test]
    fn the_error_for_an_invalid_key_says_what_is_valid() {
        for text in ["short", "{\"kty\": \"EC\"}", "-----BEGIN PRIVATE KEY-----"] {
            let error = tokens()
                .sign_jwt(&claims(json!({})), &Secret::new(text.to_owned()))
                .unwrap_err();
            assert!(error.starts_with("the secret "), "{error}");
        }
    }
}
