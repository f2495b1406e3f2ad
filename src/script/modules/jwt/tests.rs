use super::*;
use serde_json::json;

use crate::jose::SigningKey;

const SECRET: &str = "a shared secret of forty characters, yes";

const NOW: Timestamp = Timestamp::from_unix(1_000_000);

fn expected(algorithm: &str) -> Expected {
    Expected {
        algorithms: vec![algorithm.to_owned()],
        ..Expected::default()
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
        let token = sign(&claims(json!({"iss": "a"})), key.to_pem().unwrap()).unwrap();
        let jwt = verify(&token, &jwks, &Expected::default(), NOW).unwrap();
        assert_eq!(
            (&jwt.claims()["iss"], &jwt.header()["typ"]),
            (&json!("a"), &json!("JWT"))
        );
        assert_eq!(jwt.header()["alg"], algorithm.as_str());
        let error = verify(&token, &jwks, &expected("PS256"), NOW).unwrap_err();
        assert!(
            error.starts_with("the JWT is signed with") && error.contains("PS256"),
            "{error}"
        );
    }
}

#[test]
fn a_shared_secret_is_a_symmetric_key_and_nothing_else() {
    let token = sign(
        &claims(json!({"iss": "a"})),
        &Secret::new(SECRET.to_owned()),
    )
    .unwrap();
    let oct = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET)});
    let jwks = json!({ "keys": [oct] });
    assert!(verify(&token, &jwks, &expected("HS256"), NOW).is_ok());
    assert!(verify(&token, &jwks, &Expected::default(), NOW).is_err());
    let public = SigningKey::generate(Algorithm::Es256).unwrap().public_jwk();
    let error = verify(
        &token,
        &json!({ "keys": [public] }),
        &expected("HS256"),
        NOW,
    );
    assert!(error.unwrap_err().contains("no matching key"));
}

#[test]
fn claims_must_match_the_expectations() {
    let signed = json!({"iss": "a", "aud": "us", "iat": 999_900, "exp": 1_000_100});
    let token = sign(&claims(signed), &Secret::new(SECRET.to_owned())).unwrap();
    let jwks = json!({"keys": [{"kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET)}]});
    let check = |change: fn(&mut Expected), part: Option<&str>| {
        let mut expected = Expected {
            audience: Some("us".to_owned()),
            ..expected("HS256")
        };
        change(&mut expected);
        let found = verify(&token, &jwks, &expected, NOW)
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
        let error = sign(&claims(json!({})), &Secret::new(text.to_owned())).unwrap_err();
        assert!(error.starts_with("the secret "), "{error}");
    }
}
