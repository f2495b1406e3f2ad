//! No input causes a panic: tokens, key sets, JSON, client metadata.
//!
//! A test run tries a few hundred inputs of each type. To run as long as a fuzzer would, set their
//! number; three million take about an hour on two cores:
//!
//! ```sh
//! PROPTEST_CASES=3000000 cargo test --lib random_input
//! ```
//!
//! A failing input is printed after it was made as small as possible.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::base::{Secret, Timestamp, json};
use crate::client::{MEMBERS, Requested, Rules};
use crate::config::{FetchSettings, Limits, Registration};
use crate::jose::{Algorithm, Compact, Expectations, KeySet, SigningKey, sign, thumbprint, verify};

/// A valid token and the keys that verify it.
struct Good {
    token: String,
    keys: KeySet,
}

/// One of each family of algorithms.
static GOOD: LazyLock<Vec<Good>> = LazyLock::new(|| {
    let claims = json!({"iss": "https://issuer.example", "client_name": "x"});
    let signed = |key: &SigningKey| sign(&Map::new(), claims.as_object().unwrap(), key).unwrap();
    let of_key = |algorithm: &Algorithm| {
        let key = SigningKey::generate(*algorithm).unwrap();
        let keys = KeySet::parse(&json!({"keys": [key.public_jwk()]}), 1).unwrap();
        Good {
            token: signed(&key),
            keys,
        }
    };
    let families = [
        Algorithm::Rs256,
        Algorithm::Ps256,
        Algorithm::Es256,
        Algorithm::EdDsa,
    ];
    let mut all: Vec<Good> = families.iter().map(of_key).collect();
    let secret = Secret::new("s".repeat(64));
    let key = SigningKey::from_secret(&secret, Algorithm::Hs256).unwrap();
    all.push(Good {
        token: signed(&key),
        keys: KeySet::from_secret(&secret).unwrap(),
    });
    all
});

fn is_taken(text: &str, keys: &KeySet) -> bool {
    let expected = Expectations {
        algorithms: Algorithm::ALL,
        ..Expectations::default()
    };
    Compact::parse(text).is_ok_and(|token| {
        verify(&token, keys, &expected, Timestamp::from_unix(1_700_000_000)).is_ok()
    })
}

/// A change of a valid token.
#[derive(Debug, Clone)]
enum Change {
    Replace(prop::sample::Index, char),
    Insert(prop::sample::Index, String),
    Remove(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
    Swap(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    let near = prop_oneof![4 => prop::char::ranges(vec!['A'..='Z', 'a'..='z', '0'..='9', '-'..='.'].into()), 1 => any::<char>()];
    prop_oneof![
        4 => (at(), near).prop_map(|(at, to)| Change::Replace(at, to)),
        1 => (at(), "\\PC{1,4}").prop_map(|(at, more)| Change::Insert(at, more)),
        1 => (at(), 1..40_usize).prop_map(|(at, bytes)| Change::Remove(at, bytes)),
        1 => (at(), 1..40_usize).prop_map(|(at, bytes)| Change::Repeat(at, bytes)),
        1 => (at(), at()).prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

fn changed(token: &str, changes: &[Change]) -> String {
    let mut text: Vec<char> = token.chars().collect();
    for change in changes {
        let bytes = text.len().max(1);
        let place = |at: &prop::sample::Index| at.index(bytes).min(text.len());
        match change {
            Change::Replace(at, to) => {
                let at = place(at);
                text.splice(at..(at + 1).min(text.len()), [*to]);
            }
            Change::Insert(at, more) => {
                let at = place(at);
                text.splice(at..at, more.chars());
            }
            Change::Remove(at, count) => {
                let at = place(at);
                text.drain(at..(at + count).min(text.len()));
            }
            Change::Repeat(at, count) => {
                let at = place(at);
                let again = text
                    .iter()
                    .skip(at)
                    .take(*count)
                    .copied()
                    .collect::<Vec<_>>();
                text.splice(at..at, again);
            }
            Change::Swap(one, other) if !text.is_empty() => {
                let (one, other) = (one.index(text.len()), other.index(text.len()));
                text.swap(one, other);
            }
            Change::Swap(..) => {}
        }
    }
    text.into_iter().collect()
}

/// JSON that contains some of `names`.
fn value(names: Vec<&'static str>) -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "",
        "none",
        "ES256",
        "RS256",
        "RSA",
        "EC",
        "OKP",
        "oct",
        "P-256",
        "Ed25519",
        "sig",
        "AQAB",
        "AA",
        "JWT",
        "https://a.example/cb",
        "code",
        "openid",
    ]);
    let leaf = prop_oneof![
        4 => words.prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => ".{0,20}".prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        let name =
            prop_oneof![4 => prop::sample::select(names.clone()).prop_map(str::to_owned), 1 => ".{0,6}"];
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            2 => prop::collection::btree_map(name, inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn of_token() -> impl Strategy<Value = Value> {
    value(vec![
        "alg", "kid", "typ", "crit", "b64", "jwk", "iss", "aud", "exp", "nbf", "iat", "jti", "sub",
    ])
}

fn of_keys() -> impl Strategy<Value = Value> {
    value(vec![
        "keys", "kty", "crv", "x", "y", "n", "e", "d", "k", "alg", "use", "key_ops", "kid", "x5c",
    ])
}

fn of_metadata() -> impl Strategy<Value = Value> {
    value(MEMBERS.iter().map(|member| member.name).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_a_token(text in ".*") {
        prop_assert!(GOOD.iter().all(|good| !is_taken(&text, &good.keys)));
    }

    #[test]
    fn nothing_that_looks_like_a_token_is_one(text in "[A-Za-z0-9_.=+/-]{0,300}") {
        prop_assert!(GOOD.iter().all(|good| !is_taken(&text, &good.keys)));
    }

    #[test]
    fn a_made_up_token_is_rejected(
        header in of_token(), claims in of_token(), signature in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}.{}", part(&header), part(&claims), URL_SAFE_NO_PAD.encode(signature));
        prop_assert!(GOOD.iter().all(|good| !is_taken(&text, &good.keys)));
    }

    #[test]
    fn a_changed_token_is_rejected(
        which in any::<prop::sample::Index>(), changes in prop::collection::vec(change(), 1..4)
    ) {
        let good = which.get(&GOOD);
        let text = changed(&good.token, &changes);
        prop_assert_eq!(is_taken(&text, &good.keys), text == good.token);
    }

    #[test]
    fn signed_claims_of_any_shape_are_handled(header in of_token(), claims in of_token()) {
        let (Value::Object(header), Value::Object(claims)) = (header, claims) else { return Ok(()) };
        let secret = Secret::new("s".repeat(64));
        let key = SigningKey::from_secret(&secret, Algorithm::Hs256).unwrap();
        let text = sign(&header, &claims, &key).unwrap();
        if is_taken(&text, &KeySet::from_secret(&secret).unwrap()) {
            prop_assert!(claims["iss"].is_string() && !header.contains_key("crit"));
        }
    }

    #[test]
    fn a_set_of_anything_is_read_or_rejected(set in of_keys(), keys in prop::collection::vec(of_keys(), 0..4)) {
        for set in [set, json!({ "keys": keys })] {
            if let Err(rule) = KeySet::parse(&set, 10) {
                prop_assert!(!rule.is_empty());
            }
            if let Some(print) = thumbprint(&set) {
                prop_assert_eq!(print.len(), 43);
            }
        }
    }

    #[test]
    fn bytes_are_parsed_as_json_or_rejected(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = json::parse(&bytes) {
            prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
        }
    }

    #[test]
    fn brackets_and_quotes_are_parsed_as_json_or_rejected(text in "[\\[\\]{}\":,\\\\ a0.e+-]{0,200}") {
        if let Ok(value) = json::parse(text.as_bytes()) {
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn written_json_is_parsed_back(value in of_metadata()) {
        // Not compared with `value` itself: the library may parse a fraction that differs in the 17th digit.
        let text = value.to_string();
        prop_assert_eq!(json::parse(text.as_bytes()), Ok(serde_json::from_str(&text).unwrap()));
    }

    #[test]
    fn a_request_becomes_valid_metadata_or_violations(request in of_metadata()) {
        let Ok(object) = json::parse_object(request.to_string().as_bytes()) else { return Ok(()) };
        let (settings, limits) = (Registration::default(), Limits::default());
        let fetch = FetchSettings::default();
        let rules = Rules { settings: &settings, scopes: &[], limits: &limits, fetch: &fetch, initial_access: None, registered: None, is_certified: false, document: None };
        match rules.validate(Requested::read(object, &[])) {
            Ok(valid) => prop_assert!(rules.validate_changed(valid.metadata().clone()).is_ok()),
            Err(found) => prop_assert!(!found.is_empty() && found.iter().all(|one| !one.rule.is_empty())),
        }
    }
}
