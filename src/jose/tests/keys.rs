//! Which key of a set verifies a token (RFC 7517 sections 4 and 5).

use super::*;
use crate::base::Secret;
use crate::jose::MOST_KEYS_TRIED;

/// Returns a valid token of `key` with `kid` in its header.
fn signed(key: &SigningKey, kid: &Value) -> String {
    let header = merged(
        json!({"alg": key.algorithm().as_str()}),
        json!({ "kid": kid }),
    );
    token(&header, &json!({"iss": "https://i.example"}), key)
}

/// Returns the public half of `key` with the members of `more`. A `null` removes a member.
fn public(key: &SigningKey, more: Value) -> Value {
    merged(key.public_jwk().unwrap(), more)
}

fn check_keys(text: &str, keys: &[Value], result: Result<(), (&str, &str)>) {
    let all = Expectations {
        algorithms: Algorithm::ALL,
        ..Expectations::default()
    };
    check(text, &set(keys), &all, result);
}

fn generate(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap()
}

#[test]
fn a_key_is_found_by_its_identifier() {
    let (one, other) = (generate(Algorithm::Es256), generate(Algorithm::Es256));
    let keys = [
        public(&one, json!({"kid": "1"})),
        public(&other, json!({"kid": "2"})),
    ];
    check_keys(&signed(&other, &json!("2")), &keys, Ok(()));
    check_keys(
        &signed(&other, &json!("1")),
        &keys,
        Err(("signature", "invalid signature")),
    );
    for unknown in ["3", "", "2 ", "../2"] {
        check_keys(
            &signed(&other, &json!(unknown)),
            &keys,
            Err(("unknown key", "`kid`")),
        );
    }
    check_keys(&signed(&other, &Value::Null), &keys, Ok(()));
    check_keys(
        &signed(&one, &json!("1")),
        &[public(&one, json!({"kid": null}))],
        Err(("unknown key", "`kid`")),
    );
}

#[test]
fn several_keys_of_one_identifier_are_tried() {
    let (one, other) = (generate(Algorithm::Es256), generate(Algorithm::Es256));
    let same = json!({"kid": "a"});
    let keys = [
        public(&RSA, same.clone()),
        public(&one, same.clone()),
        public(&other, same),
    ];
    for key in [&*RSA, &one, &other] {
        check_keys(&signed(key, &json!("a")), &keys, Ok(()));
    }
}

#[test]
fn the_number_of_tried_keys_is_limited() {
    let signer = generate(Algorithm::Es256);
    let good = signed(&signer, &Value::Null);
    let mut keys: Vec<_> = (1..MOST_KEYS_TRIED)
        .map(|_| public(&generate(Algorithm::Es256), json!({})))
        .collect();
    keys.insert(0, public(&RSA, json!({})));
    keys.push(public(&signer, json!({})));
    check_keys(&good, &keys, Ok(()));
    keys.insert(0, public(&generate(Algorithm::Es256), json!({})));
    check_keys(&good, &keys, Err(("signature", "invalid signature")));
}

#[test]
fn a_key_is_used_for_its_own_algorithms_only() {
    let rsa = |more: Value| [public(&RSA, more)];
    let ps256 = SigningKey::from_pem(RSA.to_pem().unwrap(), Algorithm::Ps256).unwrap();
    check_keys(
        &signed(&ps256, &json!(RSA.kid())),
        &rsa(json!({"alg": null})),
        Ok(()),
    );
    check_keys(
        &signed(&RSA, &json!(RSA.kid())),
        &rsa(json!({"alg": null})),
        Ok(()),
    );
    check_keys(
        &signed(&ps256, &json!(RSA.kid())),
        &rsa(json!({})),
        Err(("algorithm", "PS256")),
    );
    check_keys(
        &signed(&ps256, &Value::Null),
        &rsa(json!({})),
        Err(("unknown key", "`alg`")),
    );
    let p384 = generate(Algorithm::Es384);
    let es256_on_p384 = token(
        &json!({"alg": "ES256", "kid": "x"}),
        &json!({"iss": "https://i.example"}),
        &p384,
    );
    check_keys(
        &es256_on_p384,
        &[public(&p384, json!({"kid": "x"}))],
        Err(("algorithm", "ES256")),
    );
}

#[test]
fn both_names_of_an_edwards_curve_are_one_algorithm() {
    let named = |key: &SigningKey, alg: &str| {
        token(
            &json!({ "alg": alg }),
            &json!({"iss": "https://i.example"}),
            key,
        )
    };
    let key = generate(Algorithm::Ed25519);
    for alg in [json!("EdDSA"), json!("Ed25519"), Value::Null] {
        let keys = [public(&key, json!({ "alg": alg }))];
        check_keys(&named(&key, "EdDSA"), &keys, Ok(()));
        check_keys(&named(&key, "Ed25519"), &keys, Ok(()));
        check_keys(&named(&key, "Ed448"), &keys, Err(("unknown key", "`alg`")));
    }
    let key = generate(Algorithm::Ed448);
    check_keys(&named(&key, "EdDSA"), &[public(&key, json!({}))], Ok(()));
    check_keys(
        &named(&key, "Ed25519"),
        &[public(&key, json!({}))],
        Err(("unknown key", "`alg`")),
    );
    assert!(
        KeySet::parse(
            &json!({"keys": [public(&key, json!({"alg": "Ed25519"}))]}),
            5
        )
        .is_err()
    );
    let old_name = Expectations {
        algorithms: &[Algorithm::EdDsa],
        ..Expectations::default()
    };
    check(
        &named(&key, "Ed448"),
        &set(&[public(&key, json!({}))]),
        &old_name,
        Ok(()),
    );
}

#[test]
fn keys_for_other_purposes_do_not_verify() {
    let good = signed(&EC, &json!(EC.kid()));
    let spare = public(&RSA, json!({}));
    for more in [
        json!({"use": "enc"}),
        json!({"use": "tls"}),
        json!({"key_ops": ["encrypt"]}),
        json!({"key_ops": "verify"}),
        json!({"alg": "ECDH-ES"}),
        json!({"kty": "FUTURE"}),
    ] {
        check_keys(
            &good,
            &[public(&EC, more), spare.clone()],
            Err(("unknown key", "`kid`")),
        );
    }
    check_keys(
        &good,
        &[public(
            &EC,
            json!({"use": null, "key_ops": ["sign", "verify"]}),
        )],
        Ok(()),
    );
    let parse = |key: Value| KeySet::parse(&json!({"keys": [key]}), 5).unwrap_err();
    assert!(parse(public(&EC, json!({"use": "enc"}))).contains("no key that can verify"));
}

#[test]
fn one_invalid_key_does_not_invalidate_the_others() {
    let fixtures: Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/keys/jwk.json")).unwrap();
    let bad = ["rsa_1024", "ec_off_curve", "rsa_private"].map(|name| fixtures[name].clone());
    let keys = [
        &bad[..],
        &[
            json!("x"),
            json!({"kty": "oct", "k": "AQAB"}),
            public(&EC, json!({})),
        ],
    ]
    .concat();
    let mixed = json!({ "keys": keys });
    let set = KeySet::parse(&mixed, 10).unwrap();
    check(
        &signed(&EC, &json!(EC.kid())),
        &set,
        &Expectations::default(),
        Ok(()),
    );
    let expected = [
        "keys[0] has 1024 bits",
        "keys[1] is not a point",
        "keys[2] is a private",
        "keys[3]",
        "keys[4]",
    ];
    let skipped = KeySet::skipped(&mixed);
    assert_eq!(skipped.len(), expected.len());
    for (rule, words) in skipped.iter().zip(expected) {
        assert!(rule.contains(words), "'{rule}' does not contain '{words}'");
    }
    assert!(
        KeySet::parse(&json!({"keys": [bad[0]]}), 10)
            .unwrap_err()
            .contains("1024 bits")
    );
    assert!(
        KeySet::parse(&json!({ "keys": keys }), 5)
            .unwrap_err()
            .contains("5 are allowed")
    );
}

#[test]
fn a_set_is_parsed_from_strict_json() {
    let text = json!({"keys": [public(&EC, json!({}))]}).to_string();
    assert!(KeySet::parse_text(&text, 5).is_ok());
    for bad in [
        "",
        "x",
        "{}",
        "[]",
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[]}"#,
    ] {
        assert!(KeySet::parse_text(bad, 5).is_err(), "{bad}");
    }
}

#[test]
fn a_secret_must_be_as_long_as_the_hash() {
    let secret = |bytes: usize| Secret::new("s".repeat(bytes));
    assert!(
        KeySet::from_secret(&secret(31))
            .unwrap_err()
            .contains("32 bytes")
    );
    let all = Expectations {
        algorithms: Algorithm::SHARED_SECRET,
        ..Expectations::default()
    };
    for (algorithm, bytes) in Algorithm::SHARED_SECRET.iter().zip([32, 48, 64]) {
        let text = signed(
            &SigningKey::from_secret(&secret(64), *algorithm).unwrap(),
            &json!("ignored"),
        );
        check(
            &text,
            &KeySet::from_secret(&secret(64)).unwrap(),
            &all,
            Ok(()),
        );
        if bytes > 32 {
            let shorter = KeySet::from_secret(&secret(bytes - 1)).unwrap();
            check(
                &text,
                &shorter,
                &all,
                Err(("algorithm", "longer than the shared secret")),
            );
        }
        let other = KeySet::from_secret(&Secret::new("t".repeat(64))).unwrap();
        check(&text, &other, &all, Err(("signature", "invalid signature")));
        check(
            &text,
            &other,
            &Expectations::default(),
            Err(("algorithm", "the allowed algorithms are")),
        );
    }
    let shown = format!("{:?}", KeySet::from_secret(&secret(64)).unwrap());
    assert_eq!(shown, "KeySet(shared secret)");
}
