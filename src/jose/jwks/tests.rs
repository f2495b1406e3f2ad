use std::sync::LazyLock;

use serde_json::{Value, json};

use super::check_public;

static KEYS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../tests/fixtures/keys/jwk.json")).unwrap()
});

/// Returns a key of the fixtures with the members of `more`. A `null` removes a member.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a table reads better without borrows"
)]
fn key(name: &str, more: Value) -> Value {
    let mut key = KEYS[name].clone();
    for (member, value) in more.as_object().unwrap() {
        key[member] = value.clone();
    }
    key.as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    key
}

fn check(keys: &[Value], expected: Result<(), &str>) {
    match (check_public(&json!({ "keys": keys }), 20), expected) {
        (Ok(()), Ok(())) => {}
        (Err(rule), Err(words)) => {
            assert!(rule.contains(words), "'{rule}' does not contain '{words}'");
        }
        (result, expected) => panic!("{keys:?}: {result:?} is not {expected:?}"),
    }
}

#[test]
fn public_keys_of_every_type_are_accepted() {
    let plain = json!({});
    check(
        &[
            key("rsa", plain.clone()),
            key("ec", plain.clone()),
            key("ed25519", plain),
        ],
        Ok(()),
    );
    check(
        &[
            key("rsa", json!({"alg": "PS256", "use": "sig"})),
            key("ec", json!({"alg": "ECDH-ES", "use": "enc"})),
        ],
        Ok(()),
    );
    check(&[json!({"kty": "FUTURE"}), key("ec", json!({}))], Ok(()));
}

#[test]
fn anything_but_a_key_set_is_rejected() {
    for set in [
        json!({}),
        json!([]),
        json!({"keys": {}}),
        json!("x"),
        json!({"keys": "x"}),
    ] {
        assert!(
            check_public(&set, 20).unwrap_err().contains("JWK Set"),
            "{set}"
        );
    }
    check(&[], Err("at least one"));
    check(&[json!("x")], Err("keys[0] must be an object"));
    check(&[json!({"kty": "FUTURE"})], Err("no key of a known type"));
    check(
        &vec![key("ec", json!({"kid": null})); 21],
        Err("20 are allowed"),
    );
}

#[test]
fn a_secret_key_is_rejected_and_not_repeated() {
    for name in ["rsa_private", "ec_private"] {
        let secret = KEYS[name]["d"].as_str().unwrap();
        let rule = check_public(&json!({"keys": [KEYS[name]]}), 20).unwrap_err();
        assert!(rule.contains("private") && !rule.contains(secret), "{rule}");
    }
    check(&[json!({"kty": "oct", "k": "c2VjcmV0"})], Err("symmetric"));
    check(&[json!({"kty": "oct"})], Err("symmetric"));
    check(&[json!({"kty": "FUTURE", "d": "x"})], Err("private"));
    check(
        &[json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "x", "priv": "x"})],
        Err("private"),
    );
}

#[test]
fn a_weak_or_invalid_key_is_rejected() {
    check(&[key("rsa_1024", json!({}))], Err("1024 bits"));
    check(&[key("rsa", json!({"e": "Ag"}))], Err("odd"));
    check(&[key("rsa", json!({"e": "AQ"}))], Err("odd"));
    check(&[key("rsa", json!({"n": "AQAB="}))], Err("base64url"));
    check(&[key("ec_off_curve", json!({}))], Err("curve"));
    check(&[key("ec", json!({"crv": "P-384"}))], Err("48 bytes"));
    check(&[key("ec", json!({"crv": "P-1"}))], Err("crv"));
    check(&[key("ec", json!({"y": null}))], Err("`y`"));
    check(&[key("ed25519", json!({"x": "AQAB"}))], Err("32 bytes"));
    check(&[key("ed25519", json!({"kid": 5}))], Err("`kid`"));
    check(&[key("rsa", json!({"alg": "ES256"}))], Err("alg"));
    check(&[key("rsa", json!({"x5c": ["AQAB"]}))], Err("x5c"));
}

#[test]
fn keys_must_be_distinguishable() {
    check(
        &[
            key("ec", json!({"kid": "a"})),
            key("ec", json!({"kid": "a"})),
        ],
        Err("same `kid`"),
    );
    check(
        &[
            key("ec", json!({"kid": "a"})),
            key("rsa", json!({"kid": "a"})),
        ],
        Ok(()),
    );
    let uses = [
        key("ec", json!({"kid": "a", "use": "sig"})),
        key("ec", json!({"kid": "b", "use": "enc"})),
    ];
    check(&uses, Ok(()));
    check(
        &[&uses[..], &[key("rsa", json!({}))]].concat(),
        Err("`use` on each key"),
    );
}
