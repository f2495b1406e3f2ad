//! Tokens that are not software statements (RFC 8725 section 3.12).

use super::*;
use crate::jose::kind::looks_like_other_token;

fn check_kind(header: Value, claims: &Value, expected: Option<&str>) {
    let found = looks_like_other_token(&object(header), &object(claims.clone()));
    match (found, expected) {
        (None, None) => {}
        (Some(found), Some(words)) => assert!(
            found.contains(words),
            "'{found}' does not contain '{words}'"
        ),
        (found, expected) => panic!("{claims}: {found:?} is not {expected:?}"),
    }
}

#[test]
fn a_statement_is_accepted_as_a_statement() {
    let untyped = |claims: Value| check_kind(json!({"alg": "PS256"}), &claims, None);
    untyped(json!({"iss": "a", "software_id": "x"}));
    untyped(json!({"iss": "a", "iat": 1, "client_name": "x", "redirect_uris": []}));
    // A statement of the UK directory, and a signed request in the UK.
    untyped(
        json!({"iss": "OpenBanking Ltd", "iat": 1, "jti": "x", "software_client_id": "c", "software_id": "c"}),
    );
    untyped(
        json!({"iss": "c", "aud": "us", "jti": "x", "scope": "openid accounts", "software_statement": "e"}),
    );
    // A registry that puts the software into `sub`, and one that sends every claim.
    untyped(json!({"iss": "a", "sub": "software", "client_name": "x"}));
    untyped(
        json!({"iss": "a", "sub": "s", "client_id": "s", "scope": "openid", "redirect_uris": ["https://a/"]}),
    );
    check_kind(json!({"typ": "JWT"}), &json!({"iss": "a"}), None);
    check_kind(
        json!({"typ": "software-statement+jwt"}),
        &json!({"iss": "a"}),
        None,
    );
}

#[test]
fn other_tokens_are_recognised_by_their_type() {
    let typed = |typ: &str, words| {
        check_kind(
            json!({ "typ": typ }),
            &json!({"software_id": "x"}),
            Some(words),
        );
    };
    typed("at+jwt", "access token");
    typed("application/AT+JWT", "access token");
    typed("client-authentication+jwt", "client assertion");
    typed("oauth-client-attestation+jwt", "client attestation");
    typed("dpop+jwt", "DPoP");
    typed("logout+jwt", "logout");
    typed("eat+jwt", "attestation result");
}

#[test]
fn other_tokens_are_recognised_by_their_claims() {
    let untyped = |claims: Value, words| check_kind(json!({"typ": "JWT"}), &claims, Some(words));
    for name in ["nonce", "at_hash", "c_hash", "s_hash", "auth_time", "azp"] {
        untyped(
            json!({"iss": "a", "sub": "u", "aud": "c", name: "x"}),
            "ID token",
        );
    }
    for name in [
        "eat_profile",
        "submods",
        "ear.verifier-id",
        "ear_verifier_id",
        "eat_nonce",
    ] {
        untyped(json!({"iat": 1, name: {}}), "attestation result");
    }
    untyped(
        json!({"iss": "a", "sub": "u", "client_id": "c", "scope": "openid", "exp": 1}),
        "access token",
    );
    untyped(
        json!({"iss": "c", "sub": "c", "aud": "us", "exp": 1, "jti": "x"}),
        "client assertion",
    );
    untyped(
        json!({"jti": "x", "htm": "POST", "htu": "https://us.example", "iat": 1}),
        "DPoP",
    );
}
