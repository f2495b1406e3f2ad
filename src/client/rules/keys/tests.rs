use std::sync::LazyLock;

use serde_json::{Value, json};

use super::*;
use crate::client::{rules::testing::check, rules::testing::check_with, rules::testing::with};
use crate::config::Registration;

static KEYS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../tests/fixtures/keys/jwk.json")).unwrap()
});

fn x25519() -> Value {
    json!({"kty": "OKP", "crv": "X25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

/// Returns the fixture called `name` with the members of `more`, without its identifier.
fn key(name: &str, more: &Value) -> Value {
    let mut key = with(KEYS[name].clone(), more);
    key.as_object_mut().unwrap().shift_remove("kid");
    key
}

/// Returns a client whose `member` is `value`, with everything else that this value requires.
fn client(member: &str, value: &str) -> Value {
    let mut client = json!({ member: value });
    if member == "token_endpoint_auth_signing_alg" {
        client["token_endpoint_auth_method"] = "private_key_jwt".into();
    }
    if member.starts_with("backchannel_authentication") {
        client["grant_types"] = json!(["urn:openid:params:grant-type:ciba"]);
        client["redirect_uris"] = Value::Null;
        client["backchannel_token_delivery_mode"] = "poll".into();
    }
    client
}

/// Returns keys, each with an algorithm that it verifies and one for encryption to it, if any.
fn table() -> Vec<(Value, Option<&'static str>, Option<&'static str>)> {
    let plain = json!({});
    vec![
        (key("rsa", &plain), Some("PS256"), Some("RSA-OAEP")),
        (key("rsa", &json!({"use": "sig"})), Some("RS256"), None),
        (
            key("rsa", &json!({"use": "enc"})),
            None,
            Some("RSA-OAEP-256"),
        ),
        (key("rsa", &json!({"alg": "RS256"})), Some("RS256"), None),
        (
            key("rsa", &json!({"key_ops": ["wrapKey"]})),
            None,
            Some("RSA-OAEP"),
        ),
        (key("ec", &plain), Some("ES256"), Some("ECDH-ES")),
        (
            key("ec", &json!({"alg": "ECDH-ES+A256KW"})),
            None,
            Some("ECDH-ES+A256KW"),
        ),
        (
            key("ec", &json!({"key_ops": ["verify"]})),
            Some("ES256"),
            None,
        ),
        (key("ed25519", &plain), Some("EdDSA"), None),
        (x25519(), None, Some("ECDH-ES+A128KW")),
    ]
}

/// Checks every member that names an algorithm of the client's keys, with every type of key. An
/// algorithm of that key is accepted, and the algorithms of the other keys are rejected.
#[test]
fn each_algorithm_member_requires_a_suitable_key() {
    let members = ALGORITHMS
        .iter()
        .filter(|algorithm| algorithm.key_of == KeyOf::Client);
    let members: Vec<_> = members.collect();
    assert_eq!(members.len(), 8, "{members:?}");
    for algorithm in members {
        let is_signed = algorithm.purpose == AlgorithmPurpose::Signature;
        for (key, verifies, encrypts) in table() {
            let own = if is_signed { verifies } else { encrypts };
            let sent = |alg: &str| {
                with(
                    client(algorithm.member, alg),
                    &json!({"jwks": {"keys": [key]}}),
                )
            };
            if let Some(alg) = own {
                check(sent(alg), Ok(json!({algorithm.member: alg})));
            }
            let others = if is_signed {
                ["ES384", "ES512"]
            } else {
                ["RSA-OAEP", "ECDH-ES"]
            };
            for alg in others {
                if !fit::can(key.as_object().unwrap(), work(is_signed), alg) {
                    check(
                        sent(alg),
                        Err(&[&format!("{}: with {alg}", algorithm.member)]),
                    );
                }
            }
        }
        for alg in if is_signed {
            ["ES256", "RS256"]
        } else {
            ["RSA-OAEP", "ECDH-ES"]
        } {
            let keyless = format!("{}: send jwks_uri or jwks", algorithm.member);
            let method = "token_endpoint_auth_method: send jwks_uri or jwks";
            let all = [&*keyless, method];
            let expected = if algorithm.member == methods::SIGNING {
                &all[..]
            } else {
                &all[..1]
            };
            check(client(algorithm.member, alg), Err(expected));
            let elsewhere = with(
                client(algorithm.member, alg),
                &json!({"jwks_uri": "https://a.example/jwks"}),
            );
            check(elsewhere, Ok(json!({algorithm.member: alg})));
        }
    }
}

const fn work(is_signed: bool) -> KeyTask {
    if is_signed {
        KeyTask::Verify
    } else {
        KeyTask::Encrypt
    }
}

#[test]
fn a_method_requires_a_key_for_a_supported_algorithm() {
    let signed = |key: Value| json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key]}});
    for (key, verifies, _) in table() {
        match verifies {
            Some(_) => check(signed(key), Ok(json!({}))),
            None => check(
                signed(key),
                Err(&["token_endpoint_auth_method: to verify with"]),
            ),
        }
    }
    let only = |alg: &str| Registration {
        token_endpoint_auth_signing_alg_values_supported: vec!["HS256".to_owned(), alg.to_owned()],
        ..Registration::default()
    };
    check_with(&only("ES256"), signed(key("ec", &json!({}))), Ok(json!({})));
    let refused: &[&str] = &["token_endpoint_auth_method: with PS256"];
    check_with(&only("PS256"), signed(key("ec", &json!({}))), Err(refused));
    let further = json!({"additional_token_endpoint_auth_methods": ["private_key_jwt"], "jwks": {"keys": [x25519()]}});
    check(
        further,
        Err(&["additional_token_endpoint_auth_methods[0]: to verify with"]),
    );
    let method = "self_signed_tls_client_auth";
    let tls = |key: Value| json!({"token_endpoint_auth_method": method, "jwks": {"keys": [key]}});
    check(tls(key("rsa", &json!({"use": "enc"}))), Ok(json!({})));
    check(
        tls(x25519()),
        Err(&["token_endpoint_auth_method: certificate"]),
    );
    check(
        json!({"token_endpoint_auth_method": method}),
        Err(&["token_endpoint_auth_method: send jwks"]),
    );
}

#[test]
fn required_signed_requests_need_a_suitable_key() {
    let must = |more: Value| with(json!({SIGNED_REQUESTS: true}), &more);
    check(must(json!({})), Ok(json!({})));
    let public = json!({"token_endpoint_auth_method": "none"});
    check(
        must(public.clone()),
        Err(&["require_signed_request_object: send jwks_uri or jwks"]),
    );
    let keyed = |key: Value| with(public.clone(), &json!({"jwks": {"keys": [key]}}));
    check(must(keyed(key("ec", &json!({})))), Ok(json!({})));
    check(
        must(keyed(x25519())),
        Err(&["require_signed_request_object: to verify with"]),
    );
    check(
        must(with(
            public.clone(),
            &json!({"jwks_uri": "https://a.example/jwks"}),
        )),
        Ok(json!({})),
    );
    check(keyed(x25519()), Ok(json!({})));
}

#[test]
fn of_several_algorithms_one_that_fits_a_key_is_chosen() {
    let choice = |list: &str, key: Value, all: &[&str]| json!({"jwks": {"keys": [key]}, list: all});
    let list = "request_object_signing_alg_values_supported";
    let chosen = |alg: &str| Ok(json!({"request_object_signing_alg": alg}));
    check(
        choice(list, key("ec", &json!({})), &["RS256", "ES256"]),
        chosen("ES256"),
    );
    check(
        choice(
            list,
            key("rsa", &json!({"alg": "PS256"})),
            &["RS256", "ES256", "PS256"],
        ),
        chosen("PS256"),
    );
    let refused: &[&str] = &["request_object_signing_alg: with RS256"];
    check(
        choice(list, key("ec", &json!({})), &["RS256"]),
        Err(refused),
    );
    let list = "id_token_encryption_alg_values_supported";
    let sealed = Ok(json!({"id_token_encrypted_response_alg": "ECDH-ES"}));
    check(
        choice(list, key("ec", &json!({})), &["RSA-OAEP", "ECDH-ES"]),
        sealed,
    );
}

#[test]
fn key_members_not_known_to_be_public_are_not_stored() {
    let more = json!({"ext": true, "secret": "x", "seed2": [1]});
    let sent = json!({"jwks": {"keys": [key("ec", &more), {"kty": "NEW", "material": "x"}], "issuer": "x"}});
    check(
        sent,
        Ok(json!({"jwks": {"keys": [key("ec", &json!({"ext": true}))]}})),
    );
    for name in ["d", "seed", "priv", "k", "p"] {
        let key = key("ec", &json!({name: "x"}));
        check(json!({"jwks": {"keys": [key]}}), Err(&["jwks: private"]));
    }
    check(
        json!({"jwks": {"keys": [{"kty": "AKP", "alg": "ML-DSA-44", "pub": "x", "seed": "x"}]}}),
        Err(&["jwks: private"]),
    );
}

#[test]
fn a_certificate_url_must_be_on_the_public_internet() {
    let linked = |link: Value| json!({"jwks": {"keys": [key("ec", &json!({"x5u": link}))]}});
    check(linked(json!("https://client.example/c.pem")), Ok(json!({})));
    for link in [
        "https://169.254.169.254/latest",
        "https://[fe80::1]/",
        "https://10.0.0.1/",
        "https://localhost/",
        "http://client.example/c.pem",
        "file:///etc/passwd",
        "c.pem",
    ] {
        check(
            linked(json!(link)),
            Err(&["jwks: keys[0] has an `x5u` that"]),
        );
    }
    check(linked(json!(5)), Err(&["jwks: string in `x5u`"]));
}
