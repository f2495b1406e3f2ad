//! The members of a JWK: those of public keys, and those that only private keys have.
//!
//! All other members are removed before a set is stored. RFC 7517 section 4 requires that unknown
//! members be ignored, and many libraries export some, so they are no reason to reject a client.
//! But an unknown member might be the secret half of a new type of key, so none is kept or
//! returned.

use serde_json::{Map, Value, json};

use crate::base::absent::is_absent;
use crate::jose::text;

/// Members that any public key may have: those of RFC 7517 section 4, `ext` of Web Cryptography,
/// and the members of OpenID Federation 1.0 section 8.7 for the validity period of a key.
const OF_ANY: &[&str] = &[
    "kty", "use", "key_ops", "alg", "kid", "x5u", "x5c", "x5t", "x5t#S256", "ext", "iat", "nbf",
    "exp", "revoked",
];

/// The members of the public keys of each type (RFC 7518 section 6, RFC 8037 section 2; AKP is the
/// type of ML-DSA).
const OF_TYPE: &[(&str, &[&str])] = &[
    ("RSA", &["n", "e"]),
    ("EC", &["crv", "x", "y"]),
    ("OKP", &["crv", "x"]),
    ("AKP", &["pub"]),
];

/// Members of private and symmetric keys (RFC 7518 section 6; `priv` and `seed` belong to AKP).
const PRIVATE: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv", "seed"];

/// Returns the first member of `key` that only a private or symmetric key has.
pub(super) fn private(key: &Map<String, Value>) -> Option<&'static str> {
    let mut names = PRIVATE.iter().copied();
    names.find(|name| key.get(*name).is_some_and(|value| !is_absent(value)))
}

/// Returns the JWK Set `set` without everything that is not known to be public: unknown members,
/// and keys of an unknown type if there are others (RFC 7517 section 5). Returns `None` if there is
/// nothing to remove.
///
/// Members of private keys stay, so that the set is rejected and its sender learns why.
pub(crate) fn without_unknown(set: &Value) -> Option<Value> {
    let (members, keys) = (set.as_object()?, set.get("keys")?.as_array()?);
    let has_known = keys.iter().any(|key| !is_ignored(key));
    let is_kept = |key: &Value| !(has_known && is_ignored(key));
    if members.len() == 1 && keys.iter().all(|key| is_kept(key) && is_known(key)) {
        return None;
    }
    let mut known = Vec::new();
    for key in keys.iter().filter(|key| is_kept(key)) {
        known.push(without_unknown_members(key));
    }
    Some(json!({ "keys": known }))
}

/// Whether every member of `key` is kept.
fn is_known(key: &Value) -> bool {
    match key {
        Value::Object(key) => key.iter().all(|one| is_member(key, one)),
        _ => true,
    }
}

fn without_unknown_members(key: &Value) -> Value {
    let Value::Object(members) = key else {
        return key.clone();
    };
    let mut kept = Map::new();
    for (name, value) in members {
        if is_member(members, (name, value)) {
            kept.insert(name.clone(), value.clone());
        }
    }
    Value::Object(kept)
}

/// Whether this is a key of an unknown type with nothing else wrong.
fn is_ignored(key: &Value) -> bool {
    let Value::Object(key) = key else {
        return false;
    };
    match key.get("kty") {
        Some(Value::String(kty)) if kty != "oct" => {
            of_type(kty).is_none() && private(key).is_none()
        }
        _ => false,
    }
}

/// Whether a member of `key` is kept.
fn is_member(key: &Map<String, Value>, (name, value): (&String, &Value)) -> bool {
    if is_absent(value) {
        return false;
    }
    let name = name.as_str();
    if OF_ANY.contains(&name) || PRIVATE.contains(&name) {
        return true;
    }
    match text(key, "kty").and_then(of_type) {
        Some(own) => own.contains(&name),
        None => false,
    }
}

fn of_type(kty: &str) -> Option<&'static [&'static str]> {
    let (_, members) = OF_TYPE.iter().find(|(known, _)| *known == kty)?;
    Some(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a table reads better without borrows"
    )]
    fn check(set: Value, expected: Value) {
        let kept = without_unknown(&set);
        assert_eq!(kept.as_ref().unwrap_or(&set), &expected);
        assert_eq!(kept.is_some(), set != expected, "{set}");
    }

    #[test]
    fn only_members_known_to_be_public_are_kept() {
        let ec = json!({"kty": "EC", "crv": "P-256", "x": "a", "y": "b", "kid": "c", "ext": true, "x5t#S256": "d"});
        check(json!({"keys": [ec]}), json!({"keys": [ec]}));
        for name in [
            "secret",
            "D",
            "seed2",
            "n",
            "pub",
            "issuer",
            "https://a.example/claim",
        ] {
            let mut more = ec.clone();
            more[name] = "x".into();
            check(json!({"keys": [more]}), json!({"keys": [ec]}));
        }
        check(
            json!({"keys": [ec], "d": "x", "issuer": "y"}),
            json!({"keys": [ec]}),
        );
        check(
            json!({"keys": [{"kty": "AKP", "alg": "ML-DSA-44", "pub": "a", "x": "b"}, {"kty": "RSA", "n": "a", "e": "b", "d": null}]}),
            json!({"keys": [{"kty": "AKP", "alg": "ML-DSA-44", "pub": "a"}, {"kty": "RSA", "n": "a", "e": "b"}]}),
        );
    }

    #[test]
    fn keys_of_an_unknown_type_are_left_out_beside_others() {
        let (ec, new) = (
            json!({"kty": "EC", "x": "a"}),
            json!({"kty": "NEW", "material": "a"}),
        );
        check(json!({"keys": [new, ec]}), json!({"keys": [ec]}));
        check(json!({"keys": [new]}), json!({"keys": [{"kty": "NEW"}]}));
    }

    #[test]
    fn invalid_members_are_kept_for_the_error() {
        for key in [
            json!({"kty": "NEW", "d": "x"}),
            json!({"kty": "oct", "k": "x"}),
            json!(5),
            json!({"kid": "a"}),
        ] {
            let set = json!({"keys": [{"kty": "EC"}, key]});
            check(set.clone(), set);
        }
        for set in [json!([]), json!({"keys": {}}), json!({"key": []})] {
            check(set.clone(), set);
        }
        for name in PRIVATE {
            let key = json!({"kty": "AKP", "pub": "a", *name: "secret"});
            assert_eq!(private(key.as_object().unwrap()), Some(*name));
        }
    }
}
