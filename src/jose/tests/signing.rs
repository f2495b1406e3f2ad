//! The tokens that this server signs, and the identifiers of keys (RFC 7638).

use super::*;
use crate::base::Secret;
use crate::jose::{SigningKeyError, key_is_in, same_key, sign, thumbprint};

/// RFC 8037 appendix A.1. The public half is in the fixtures.
const EDWARDS_PRIVATE: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

#[test]
fn signatures_of_every_key_verify() {
    let secret = Secret::new("s".repeat(64));
    for algorithm in Algorithm::ALL {
        let (key, keys) = if algorithm.is_symmetric() {
            let key = SigningKey::from_secret(&secret, *algorithm).unwrap();
            (key, KeySet::from_secret(&secret).unwrap())
        } else {
            let key = SigningKey::generate(*algorithm).unwrap();
            let keys = set(&[key.public_jwk().unwrap()]);
            (key, keys)
        };
        let header = object(json!({"typ": "x+jwt", "alg": "none", "kid": "mine"}));
        let mut claims = object(json!({"iss": "https://i.example"}));
        // Short numbers in a signature must be padded. One in 128 signatures contains one.
        for number in 0..if *algorithm == Algorithm::Es512 {
            200
        } else {
            3
        } {
            claims.insert("n".to_owned(), number.into());
            let text = sign(&header, &claims, &key).unwrap();
            let expected = Expectations {
                algorithms: &[*algorithm],
                ..Expectations::default()
            };
            check(&text, &keys, &expected, Ok(()));
        }
        let token = Compact::parse(&sign(&header, &claims, &key).unwrap()).unwrap();
        assert_eq!(
            (token.algorithm(), token.typ()),
            (*algorithm, Some("x+jwt"))
        );
        assert_eq!(token.kid(), key.kid().or(Some("mine")));
    }
}

#[test]
fn a_stored_key_is_the_same_key() {
    for algorithm in Algorithm::STATEMENTS {
        let key = SigningKey::generate(*algorithm).unwrap();
        let again = SigningKey::from_pem(key.to_pem().unwrap(), *algorithm).unwrap();
        assert_eq!(again.public_jwk(), key.public_jwk());
    }
}

#[test]
fn a_private_jwk_signs() {
    let fixtures: Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/keys/jwk.json")).unwrap();
    let private = &fixtures["ec_private"];
    let key = SigningKey::from_jwk(private, Algorithm::Es256).unwrap();
    assert_eq!(key.kid(), private["kid"].as_str());
    assert!(key.public_jwk().unwrap().get("d").is_none());
    let text = token(
        &json!({"alg": "ES256"}),
        &json!({"iss": "https://i.example"}),
        &key,
    );
    check(
        &text,
        &set(&[key.public_jwk().unwrap()]),
        &Expectations::default(),
        Ok(()),
    );
}

#[test]
fn keys_that_cannot_sign_are_rejected() {
    let fixtures: Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/keys/jwk.json")).unwrap();
    let jwk = |jwk: &Value, algorithm| SigningKey::from_jwk(jwk, algorithm).unwrap_err();
    let private = &fixtures["ec_private"];
    assert_eq!(
        jwk(private, Algorithm::Es384),
        SigningKeyError::Unfit(Algorithm::Es384)
    );
    assert_eq!(
        jwk(private, Algorithm::Rs256),
        SigningKeyError::Unfit(Algorithm::Rs256)
    );
    assert_eq!(
        jwk(private, Algorithm::Hs256),
        SigningKeyError::Unfit(Algorithm::Hs256)
    );
    assert_eq!(
        jwk(&fixtures["ec"], Algorithm::Es256),
        SigningKeyError::Unreadable
    );
    assert_eq!(
        jwk(&json!("x"), Algorithm::Es256),
        SigningKeyError::Unreadable
    );
    let bound = merged(private.clone(), json!({"alg": "ES384"}));
    assert_eq!(
        jwk(&bound, Algorithm::Es256),
        SigningKeyError::Unfit(Algorithm::Es256)
    );
    let other = EC.public_jwk().unwrap();
    let torn = merged(private.clone(), json!({"x": other["x"], "y": other["y"]}));
    assert!(matches!(
        jwk(&torn, Algorithm::Es256),
        SigningKeyError::Weak | SigningKeyError::Unreadable
    ));
    let mut edwards = fixtures["ed25519"].clone();
    edwards["d"] = json!(EDWARDS_PRIVATE);
    assert!(SigningKey::from_jwk(&edwards, Algorithm::Ed25519).is_ok());
    edwards["x"] = SigningKey::generate(Algorithm::Ed25519)
        .unwrap()
        .public_jwk()
        .unwrap()["x"]
        .clone();
    assert_eq!(jwk(&edwards, Algorithm::Ed25519), SigningKeyError::Weak);
    for pem in [
        "",
        "x",
        "-----BEGIN PRIVATE KEY-----\nAQAB\n-----END PRIVATE KEY-----\n",
    ] {
        let error =
            SigningKey::from_pem(&Secret::new(pem.to_owned()), Algorithm::Es256).unwrap_err();
        assert_eq!(error, SigningKeyError::Unreadable);
    }
    let ed448 = SigningKey::generate(Algorithm::Ed448).unwrap();
    let error = SigningKey::from_pem(ed448.to_pem().unwrap(), Algorithm::Ed25519).unwrap_err();
    assert_eq!(error, SigningKeyError::Unfit(Algorithm::Ed25519));
    let short = Secret::new("s".repeat(47));
    assert!(SigningKey::from_secret(&short, Algorithm::Hs256).is_ok());
    assert!(SigningKey::from_secret(&short, Algorithm::Hs384).is_err());
    assert!(SigningKey::generate(Algorithm::Hs256).is_err());
}

#[test]
fn an_encrypted_pem_is_rejected_without_a_prompt() {
    let key = openssl::pkey::PKey::private_key_from_pem(EC.to_pem().unwrap().expose().as_bytes())
        .unwrap();
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let pem = key
        .private_key_to_pem_pkcs8_passphrase(cipher, b"word")
        .unwrap();
    let pem = Secret::new(String::from_utf8(pem).unwrap());
    assert_eq!(
        SigningKey::from_pem(&pem, Algorithm::Es256).unwrap_err(),
        SigningKeyError::Unreadable
    );
}

#[test]
fn a_thumbprint_is_that_of_the_rfc() {
    // RFC 7638 section 3.1, RFC 8037 appendix A.3.
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let rsa = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
    assert_eq!(
        thumbprint(&rsa).as_deref(),
        Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
    );
    let ed =
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    assert_eq!(
        thumbprint(&ed).as_deref(),
        Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
    );
    for none in [
        json!({"kty": "oct", "k": "AQAB"}),
        json!({"kty": "RSA", "n": n}),
        json!({"kty": "EC", "x": 5}),
        json!(1),
    ] {
        assert_eq!(thumbprint(&none), None, "{none}");
    }
}

#[test]
fn the_same_key_is_recognised() {
    let (one, other) = (EC.public_jwk().unwrap(), RSA.public_jwk().unwrap());
    let renamed = merged(one.clone(), json!({"kid": "x", "use": null, "alg": null}));
    assert!(same_key(&one, &renamed));
    assert!(!same_key(&one, &other));
    assert!(!same_key(&json!({}), &json!({})));
    let secret = json!({"kty": "oct", "k": "AQAB"});
    assert!(!same_key(&secret, &secret));
    assert!(key_is_in(&renamed, &json!({"keys": [other, one]})));
    assert!(!key_is_in(&renamed, &json!({"keys": [other]})));
    assert!(!key_is_in(&renamed, &json!({})));
}
