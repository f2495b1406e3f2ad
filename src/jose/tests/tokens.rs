//! The format of tokens, and input that must not pass as a signature (RFC 7515 section 7.1).

use super::*;
use crate::base::Secret;
use crate::jose::{
    MAXIMUM_TOKEN_BYTES, compact::MAXIMUM_CHAIN_HEADER_BYTES, compact::MAXIMUM_DEPTH,
    compact::MAXIMUM_HEADER_BYTES,
};

/// Checks a token against the key that signed it.
fn check_form(text: &str, result: Result<(), (&str, &str)>) {
    check(text, &EC_SET, &Expectations::default(), result);
}

#[test]
fn a_valid_token_verifies() {
    check_form(&with_header(json!({})), Ok(()));
    check_form(
        &with_header(json!({"x5t#S256": "abc", "cty": "x", "typ": "JWT"})),
        Ok(()),
    );
}

#[test]
fn anything_but_a_compact_jws_is_rejected() {
    let good = with_header(json!({}));
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let three = Err(("malformed", "three parts"));
    check_form("", three);
    check_form("abc", three);
    check_form("5", three);
    check_form("..", three);
    check_form(&format!("{header}.{payload}"), three);
    check_form(
        &format!("{header}.{payload}."),
        Err(("malformed", "not signed")),
    );
    check_form(&format!("{header}..{signature}"), three);
    check_form(&format!("{good}.x"), three);
    check_form(&format!("{{\"payload\":\"{payload}\"}}"), three);
    check_form(
        &format!("{header}.{payload}.x.y.z"),
        Err(("malformed", "encrypted")),
    );
    for changed in [
        format!("{good}="),
        format!(" {good}"),
        format!("{good}\n"),
        good.replacen('.', "+.", 1),
    ] {
        check_form(&changed, Err(("malformed", "base64url")));
    }
    check_form(&"a".repeat(20_000), three);
    check_form(&".".repeat(20_000), three);
    check_form(
        &format!("{}.a.a", "a".repeat(24_000)),
        Err(("malformed", "16 KiB")),
    );
    check_form(
        &format!("{header}.{}.a", "\u{e9}".repeat(10_000)),
        Err(("malformed", "base64url")),
    );
    check_form(
        &"a".repeat(MAXIMUM_TOKEN_BYTES + 1),
        Err(("malformed", "64 KiB")),
    );
}

#[test]
fn a_header_is_limited_and_may_be_longer_only_for_certificates() {
    let too_long = |name| Err(("malformed", name));
    check_form(
        &with_header(json!({"x": "y".repeat(MAXIMUM_HEADER_BYTES - 200)})),
        Ok(()),
    );
    for name in ["x", "jwk", "x5t", "x5u"] {
        check_form(
            &with_header(json!({name: "y".repeat(MAXIMUM_HEADER_BYTES)})),
            too_long("4 KiB"),
        );
    }
    let chain = |bytes| with_header(json!({"x5c": ["y".repeat(bytes)]}));
    check_form(&chain(MAXIMUM_CHAIN_HEADER_BYTES - 200), Ok(()));
    check_form(&chain(MAXIMUM_CHAIN_HEADER_BYTES), too_long("16 KiB"));
}

#[test]
fn a_base64_text_has_one_spelling() {
    let good = with_header(json!({}));
    // The last of 86 characters carries 2 bits, and the other 4 must be 0.
    let last = good.chars().next_back().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).unwrap();
    let other = &alphabet[at + 1..at + 2];
    check_form(
        &format!("{}{other}", &good[..good.len() - 1]),
        Err(("malformed", "base64url")),
    );
}

#[test]
fn header_and_claims_are_one_object_each() {
    let signed = |header: &str, payload: &str| {
        sign_bytes(header.as_bytes(), payload.as_bytes(), &EC).unwrap()
    };
    let iss = r#"{"iss":"https://i.example"}"#;
    let header = r#"{"alg":"ES256"}"#;
    check_form(&signed(header, iss), Ok(()));
    check_form(
        &signed("[]", iss),
        Err(("malformed", "header is not a JSON object")),
    );
    check_form(&signed("x", iss), Err(("malformed", "header is not JSON")));
    check_form(
        &signed(r#"{"alg":"ES256","alg":"ES256"}"#, iss),
        Err(("malformed", "duplicate member")),
    );
    check_form(
        &signed(r#"{"alg":"ES256","kid":5}"#, iss),
        Err(("malformed", "strings")),
    );
    check_form(
        &signed(r#"{"alg":"ES256","typ":null}"#, iss),
        Err(("malformed", "strings")),
    );
    check_form(
        &signed(header, r#"{"iss":"a","iss":"https://i.example"}"#),
        Err(("malformed", "duplicate member")),
    );
    check_form(
        &signed(header, "[]"),
        Err(("malformed", "payload is not a JSON object")),
    );
    check_form(
        &signed(header, "x"),
        Err(("malformed", "payload is not JSON")),
    );
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    check_form(
        &signed(header, &nested(MAXIMUM_DEPTH)),
        Err(("malformed", "nested too deep")),
    );
    check_form(
        &signed(header, &nested(MAXIMUM_DEPTH - 1)),
        Err(("claims", "`iss`")),
    );
    check_form(
        &signed(&nested(20_000 / 10), iss),
        Err(("malformed", "nested too deep")),
    );
    let not_utf8 = sign_bytes(header.as_bytes(), b"{\"a\":\"\xff\"}", &EC).unwrap();
    check_form(&not_utf8, Err(("malformed", "UTF-8")));
}

#[test]
fn a_header_cannot_change_the_rules() {
    let refused =
        |more: Value, name: &str| check_form(&with_header(more), Err(("malformed", name)));
    refused(json!({"crit": ["x"], "x": 1}), "`crit`");
    refused(json!({"crit": []}), "`crit`");
    refused(json!({"b64": false}), "`b64`");
    refused(json!({"b64": false, "crit": ["b64"]}), "`crit`");
}

#[test]
fn a_key_in_a_header_changes_nothing() {
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let shown = |key: &SigningKey| {
        let at = "https://attacker.example/key";
        let jwk = key.public_jwk().unwrap();
        let members = [
            json!({"jwk": jwk}),
            json!({"jwk": "no key"}),
            json!({"x5c": ["AQAB"]}),
            json!({"x5c": 5}),
            json!({"jku": at}),
            json!({"x5u": at}),
            json!({"x5t": "abc"}),
            json!({"x5t#S256": null}),
        ];
        let all = members
            .iter()
            .fold(json!({}), |all, one| merged(all, one.clone()));
        members.into_iter().chain([all]).collect::<Vec<_>>()
    };
    for header in shown(&EC).into_iter().chain(shown(&other)) {
        let claims = json!({"iss": "https://i.example"});
        check_form(&with_header(header.clone()), Ok(()));
        let unnamed = merged(json!({"alg": "ES256"}), header.clone());
        check_form(
            &token(&unnamed, &claims, &other),
            Err(("signature", "invalid signature")),
        );
        let named = merged(json!({"kid": other.kid()}), unnamed);
        check_form(
            &token(&named, &claims, &other),
            Err(("unknown key", "`kid`")),
        );
    }
}

#[test]
fn unsigned_tokens_are_rejected() {
    for alg in [
        "none", "None", "NONE", "nOnE", "", "es256", "ES256 ", "RS1", "dir",
    ] {
        check_form(
            &with_header(json!({ "alg": alg })),
            Err(("algorithm", "`alg`")),
        );
    }
    check_form(
        &with_header(json!({"alg": null})),
        Err(("algorithm", "`alg`")),
    );
    let unsigned = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSJ9.";
    check_form(unsigned, Err(("malformed", "not signed")));
    check_form(&format!("{unsigned}AAAA"), Err(("algorithm", "`alg`")));
}

#[test]
fn a_public_key_is_never_used_as_a_secret() {
    let pem = openssl::pkey::PKey::private_key_from_pem(RSA.to_pem().unwrap().expose().as_bytes())
        .and_then(|key| key.public_key_to_pem())
        .unwrap();
    let pem = Secret::new(String::from_utf8(pem).unwrap());
    let jwk = Secret::new(RSA.public_jwk().unwrap().to_string());
    let all = Expectations {
        algorithms: Algorithm::ALL,
        ..Expectations::default()
    };
    let claims = json!({"iss": "https://i.example"});
    for secret in [&pem, &jwk] {
        for algorithm in Algorithm::SHARED_SECRET {
            let key = SigningKey::from_secret(secret, *algorithm).unwrap();
            let forged = token(
                &json!({"alg": algorithm.as_str(), "kid": RSA.kid()}),
                &claims,
                &key,
            );
            check(&forged, &RSA_SET, &all, Err(("algorithm", "shared secret")));
            check(&forged, &KeySet::from_secret(secret).unwrap(), &all, Ok(()));
        }
    }
    let shared = KeySet::from_secret(&pem).unwrap();
    check(
        &token(&json!({"alg": "RS256"}), &claims, &RSA),
        &shared,
        &all,
        Err(("algorithm", "shared secret")),
    );
}

#[test]
fn a_flipped_bit_does_not_verify() {
    let good = with_header(json!({}));
    let payload_starts = good.find('.').unwrap() + 1;
    let signature_starts = good.rfind('.').unwrap() + 1;
    for at in [signature_starts, signature_starts + 43, good.len() - 2] {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        check_form(
            &String::from_utf8(bytes).unwrap(),
            Err(("signature", "invalid signature")),
        );
    }
    let mut bytes = good.clone().into_bytes();
    bytes[payload_starts + 4] ^= 1;
    check_form(
        &String::from_utf8(bytes).unwrap(),
        Err(("signature", "invalid signature")),
    );
    let (input, _) = good.rsplit_once('.').unwrap();
    for signature in ["AA".to_owned(), "A".repeat(86), "A".repeat(8_000)] {
        check_form(
            &format!("{input}.{signature}"),
            Err(("signature", "invalid signature")),
        );
    }
}

#[test]
fn only_allowed_algorithms_are_used() {
    let claims = json!({"iss": "https://i.example"});
    let only = |algorithms| Expectations {
        algorithms,
        ..Expectations::default()
    };
    let rs256 = token(&json!({"alg": "RS256"}), &claims, &RSA);
    check(&rs256, &RSA_SET, &only(&[Algorithm::Rs256]), Ok(()));
    check(
        &rs256,
        &RSA_SET,
        &only(&[Algorithm::Ps256, Algorithm::Es256]),
        Err(("algorithm", "PS256, ES256")),
    );
    check(&rs256, &RSA_SET, &only(&[]), Err(("algorithm", "allowed")));
    let es256k = SigningKey::generate(Algorithm::Es256k).unwrap();
    let keys = set(&[es256k.public_jwk().unwrap()]);
    let signed = token(&json!({"alg": "ES256K"}), &claims, &es256k);
    check(
        &signed,
        &keys,
        &Expectations::default(),
        Err(("algorithm", "ES256K; the allowed algorithms are RS256")),
    );
    check(&signed, &keys, &only(&[Algorithm::Es256k]), Ok(()));
}

#[test]
fn no_part_of_a_token_is_printed() {
    let text = with_claims(json!({"private": "do-not-print"}));
    let token = Compact::parse(&text).unwrap();
    let claims = verify(
        &token,
        &EC_SET,
        &Expectations::default(),
        Timestamp::from_unix(NOW),
    )
    .unwrap();
    let shown = format!("{token:?} {claims:?} {:?} {:?}", *EC_SET, *EC);
    assert_eq!(
        shown,
        "Compact(ES256, ..) Verified(Claims(2 of them, ..)) KeySet(1 public) SigningKey(ES256, ..)"
    );
    assert_eq!(token.as_str(), text);
    assert_eq!(
        token.unverified_claims().unwrap()["private"],
        "do-not-print"
    );
}
