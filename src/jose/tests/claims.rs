//! The validity period, audience and issuer of a token (RFC 7519 section 4.1).

use super::*;

/// Checks a token with `claims` in addition to a valid `iss`.
fn check_claims(claims: Value, expected: &Expectations<'_>, result: Result<(), &str>) {
    check(
        &with_claims(claims),
        &EC_SET,
        expected,
        result.map_err(|words| ("claims", words)),
    );
}

#[test]
fn a_token_needs_an_issuer() {
    let any = Expectations::default();
    check_claims(json!({}), &any, Ok(()));
    check_claims(json!({"iss": null}), &any, Err("`iss`"));
    check_claims(json!({"iss": ""}), &any, Err("`iss`"));
    check_claims(json!({"iss": 5}), &any, Err("`iss`"));
    check_claims(json!({"iss": ["https://i.example"]}), &any, Err("`iss`"));
    check_claims(json!({"iss": "x".repeat(2_049)}), &any, Err("`iss`"));
    let one = Expectations {
        issuer: Some("https://i.example"),
        required: &[],
        ..any
    };
    check_claims(json!({}), &one, Ok(()));
    check_claims(json!({"iss": null}), &one, Err("https://i.example"));
    check_claims(
        json!({"iss": "https://i.example/"}),
        &one,
        Err("https://i.example"),
    );
    check_claims(
        json!({"iss": "https://I.example"}),
        &one,
        Err("https://i.example"),
    );
}

#[test]
fn a_token_is_valid_within_its_time() {
    let any = Expectations::default();
    check_claims(
        json!({"exp": NOW + 1, "nbf": NOW - 1, "iat": NOW}),
        &any,
        Ok(()),
    );
    check_claims(json!({"exp": NOW - 59}), &any, Ok(()));
    check_claims(json!({"exp": NOW - 60}), &any, Err("expired"));
    check_claims(json!({"exp": NOW - 3_600}), &any, Err("expired"));
    check_claims(json!({"exp": -1}), &any, Err("expired"));
    check_claims(json!({"nbf": NOW + 60}), &any, Ok(()));
    check_claims(json!({"nbf": NOW + 61}), &any, Err("not valid yet"));
    check_claims(json!({"iat": NOW + 5}), &any, Ok(()));
    check_claims(json!({"iat": NOW + 60}), &any, Ok(()));
    check_claims(json!({"iat": NOW + 61}), &any, Err("future"));
    check_claims(json!({"iat": 1e300}), &any, Err("future"));
    check_claims(
        json!({"exp": 1_700_000_000.5, "iat": 1_699_999_999.25}),
        &any,
        Ok(()),
    );
    check_claims(json!({"exp": 1e300, "iat": -1e300}), &any, Ok(()));
    let strict = Expectations { skew: 0, ..any };
    check_claims(json!({"exp": NOW}), &strict, Err("expired"));
    check_claims(json!({"exp": 1_700_000_000.5}), &strict, Ok(()));
}

#[test]
fn times_must_be_numbers() {
    for name in ["exp", "nbf", "iat"] {
        for value in [json!("1700000100"), json!([]), json!({}), json!(true)] {
            let words = format!("a number of seconds in `{name}`");
            check_claims(
                json!({ name: value }),
                &Expectations::default(),
                Err(&words),
            );
        }
    }
    let null = sign_bytes(
        br#"{"alg":"ES256"}"#,
        br#"{"iss":"https://i.example","exp":null}"#,
        &EC,
    )
    .unwrap();
    check(
        &null,
        &EC_SET,
        &Expectations::default(),
        Err(("claims", "a number of seconds in `exp`")),
    );
    let huge = sign_bytes(
        br#"{"alg":"ES256"}"#,
        br#"{"iss":"https://i.example","exp":1e999}"#,
        &EC,
    )
    .unwrap();
    check(
        &huge,
        &EC_SET,
        &Expectations::default(),
        Err(("malformed", "JSON")),
    );
}

#[test]
fn an_old_token_is_rejected_if_its_age_is_limited() {
    let fresh = Expectations {
        max_age: Some(300),
        ..Expectations::default()
    };
    check_claims(json!({"iat": NOW - 300}), &fresh, Ok(()));
    check_claims(
        json!({"iat": NOW - 301}),
        &fresh,
        Err("older than 300 seconds"),
    );
    check_claims(json!({}), &fresh, Err("`iat`"));
    check_claims(json!({"iat": NOW - 301}), &Expectations::default(), Ok(()));
}

#[test]
fn a_token_for_others_is_rejected() {
    let us = [
        "https://us.example".to_owned(),
        "https://us.example/register".to_owned(),
    ];
    let ours = Expectations {
        audiences: &us,
        ..Expectations::default()
    };
    check_claims(json!({}), &ours, Ok(()));
    check_claims(json!({"aud": "https://us.example"}), &ours, Ok(()));
    check_claims(
        json!({"aud": ["https://other.example", "https://us.example/register"]}),
        &ours,
        Ok(()),
    );
    check_claims(
        json!({"aud": "https://other.example"}),
        &ours,
        Err("https://us.example"),
    );
    check_claims(
        json!({"aud": "https://us.example/"}),
        &ours,
        Err("another audience"),
    );
    check_claims(json!({"aud": []}), &ours, Err("another audience"));
    check_claims(
        json!({"aud": ["https://us.example", 5]}),
        &ours,
        Err("array of strings"),
    );
    check_claims(
        json!({"aud": {"https://us.example": 1}}),
        &ours,
        Err("array of strings"),
    );
    check_claims(
        json!({"aud": "https://us.example"}),
        &Expectations::default(),
        Err("no `aud` is accepted"),
    );
    let required = Expectations {
        required: &["iss", "aud"],
        ..ours
    };
    check_claims(json!({}), &required, Err("`aud`"));
    check_claims(json!({"aud": "https://us.example"}), &required, Ok(()));
}

#[test]
fn required_claims_must_be_present() {
    let signed_request = Expectations {
        required: &["iss", "iat", "exp", "jti"],
        ..Expectations::default()
    };
    check_claims(
        json!({"iat": NOW, "exp": NOW + 60, "jti": "a"}),
        &signed_request,
        Ok(()),
    );
    check_claims(
        json!({"iat": NOW, "exp": NOW + 60}),
        &signed_request,
        Err("`jti`"),
    );
    check_claims(
        json!({"iat": NOW, "jti": "a"}),
        &signed_request,
        Err("`exp`"),
    );
    check_claims(
        json!({"iat": NOW, "exp": NOW + 60, "jti": ""}),
        &signed_request,
        Err("`jti`"),
    );
    check_claims(json!({"sub": 7}), &Expectations::default(), Err("`sub`"));
}

#[test]
fn the_type_of_a_token_is_enforced() {
    let check_typ = |typ: Value, rule: TypRule<'_>, result: Result<(), &str>| {
        let expected = Expectations {
            typ: rule,
            ..Expectations::default()
        };
        let result = result.map_err(|words| ("claims", words));
        check(
            &with_header(json!({ "typ": typ })),
            &EC_SET,
            &expected,
            result,
        );
    };
    let statement = TypRule::Required("software-statement+jwt");
    check_typ(json!("software-statement+jwt"), statement, Ok(()));
    check_typ(
        json!("application/Software-Statement+JWT"),
        statement,
        Ok(()),
    );
    check_typ(Value::Null, statement, Err("software-statement+jwt"));
    check_typ(json!("JWT"), statement, Err("software-statement+jwt"));
    check_typ(json!("jwt"), TypRule::Required("JWT"), Ok(()));
    for typ in [
        json!("JWT"),
        json!("software-statement+jwt"),
        json!(""),
        Value::Null,
    ] {
        check_typ(typ, TypRule::Any, Ok(()));
    }
    for typ in [
        "at+jwt",
        "application/AT+jwt",
        "dpop+jwt",
        "logout+jwt",
        "client-authentication+jwt",
        "eat+jwt",
    ] {
        check_typ(json!(typ), TypRule::Any, Err("according to its `typ`"));
    }
    let result = TypRule::OneOf(&["eat+jwt"]);
    check_typ(json!("application/eat+jwt"), result, Ok(()));
    check_typ(json!("JWT"), result, Ok(()));
    check_typ(Value::Null, result, Ok(()));
    check_typ(json!("at+jwt"), result, Err("eat+jwt"));
}

#[test]
fn an_error_text_is_printable_whatever_the_operator_calls_us() {
    let us = ["https://\u{fc}s.example/\"".to_owned()];
    let expected = Expectations {
        audiences: &us,
        issuer: Some("i\u{e9}"),
        ..Expectations::default()
    };
    check_claims(
        json!({"aud": "x"}),
        &Expectations {
            issuer: None,
            ..expected
        },
        Err("https://?s.example"),
    );
    check_claims(json!({}), &expected, Err("i?"));
}

#[test]
fn the_expiry_of_a_token_is_given_in_whole_seconds() {
    let expiry = |exp: Value| {
        let token = Compact::parse(&with_claims(json!({ "exp": exp }))).unwrap();
        verify(
            &token,
            &EC_SET,
            &Expectations::default(),
            Timestamp::from_unix(0),
        )
        .unwrap()
        .expiry()
    };
    assert_eq!(expiry(json!(NOW)), Some(Timestamp::from_unix(NOW)));
    assert_eq!(expiry(json!(1.5)), Some(Timestamp::from_unix(2)));
    assert_eq!(expiry(json!(1e300)), Some(Timestamp::from_unix(u64::MAX)));
    assert_eq!(expiry(Value::Null), None);
}
