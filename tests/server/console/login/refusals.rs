//! Sign-ins that prove nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use registrar::testing::Algorithm;
use serde_json::{Value, json};

use super::{Provider, SECRET, Visitor, expect_refused, server_of, server_with};
use crate::console::CANARY;
use crate::support::{Reply, START, Signer, with};

#[tokio::test]
async fn an_id_token_that_proves_nothing_signs_nobody_in() {
    let provider = Provider::new().await;
    let server = server_of(&provider).await;
    let other = Signer::new(&provider.signer.iss, Algorithm::Es256);
    let shared = Signer::sharing(&provider.signer.iss, SECRET);
    for (more, expected) in [
        (json!({"nonce": "other"}), "(`nonce`)"),
        (json!({"nonce": null}), "(`nonce`)"),
        (json!({"aud": "other"}), "`aud`"),
        (json!({"aud": ["registrar", "other"]}), "(`azp`)"),
        (json!({"azp": "other"}), "(`azp`)"),
        (json!({"iss": "https://other.example"}), "`iss`"),
        (json!({"exp": START - 61}), "has expired"),
        (json!({"iat": START - 601}), "is older than"),
        (json!({"iat": START + 61}), "issued in the future"),
        (json!({"sub": ""}), "`sub`"),
        (json!({"sub": "a\nb"}), "`sub`"),
    ] {
        let mut visitor = Visitor::new(&server);
        let answer = visitor.sign_in(&provider, more).await;
        expect_refused(&visitor, &answer, expected);
    }
    for missing in ["iss", "sub", "aud", "exp", "iat", "nonce"] {
        let mut visitor = Visitor::new(&server);
        let begun = visitor.begin().await;
        let mut claims = provider.claims(&begun);
        claims.as_object_mut().unwrap().remove(missing);
        provider.tells(claims);
        let answer = visitor.come_back_to(&begun).await;
        expect_refused(&visitor, &answer, "must have the claim");
    }
    let unsigned = |claims: &Value| {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", encode(&json!({"alg": "none"})), encode(claims))
    };
    for kind in ["other key", "shared secret", "none", "no token", "no JWT"] {
        let mut visitor = Visitor::new(&server);
        let begun = visitor.begin().await;
        let claims = provider.claims(&begun);
        match kind {
            "other key" => provider.issues(&other.raw(&json!({}), claims)),
            "shared secret" => provider.issues(&shared.raw(&json!({}), claims)),
            "none" => provider.issues(&unsigned(&claims)),
            "no token" => provider.origin.set("/token", Reply::json(json!({}))),
            _ => provider.issues("a.b"),
        }
        let answer = visitor.come_back_to(&begun).await;
        expect_refused(&visitor, &answer, "ID token");
    }
    let actions = server.actions().await;
    let refused = actions
        .iter()
        .filter(|event| event["action"] == "authentication_refused");
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused.len(), 22);
    for event in refused {
        assert_eq!(event["error"], "access_denied");
        assert_eq!(event["subject"], provider.signer.iss);
        assert_eq!(event["actor"], Value::Null);
    }
}

#[tokio::test]
async fn an_answer_is_used_once_and_only_in_the_browser_that_asked() {
    let provider = Provider::new().await;
    let server = server_of(&provider).await;
    let ended = "This sign-in has ended, or began in another browser.";
    let mut visitor = Visitor::new(&server);
    let begun = visitor.begin().await;
    provider.tells(provider.claims(&begun));
    let cookies = visitor.cookies.clone();

    let mut other = Visitor::new(&server);
    let answer = other.come_back_to(&begun).await;
    expect_refused(&other, &answer, ended);
    other.begin().await;
    let answer = other.come_back_to(&begun).await;
    expect_refused(&other, &answer, ended);
    let state = begun.parameters["state"].clone();
    let (at, mark) = state.split_once('.').unwrap();
    let later = format!("{}.{mark}", at.parse::<u64>().unwrap() + 1);
    for state in ["", "x", "x.y", mark, later.as_str()] {
        let parameters = [("code", "c"), ("state", state)];
        let answer = visitor.come_back(&parameters).await;
        expect_refused(&visitor, &answer, ended);
    }
    let twice = format!("callback?code=c&state={state}&state={state}");
    let answer = visitor.get(&twice).await;
    expect_refused(&visitor, &answer, "cannot be read");
    assert_eq!(provider.origin.hits("/token"), 0);

    visitor.come_back_to(&begun).await.expect_status(200);
    assert!(visitor.is_signed_in());
    let mut again = Visitor::new(&server);
    let answer = again.come_back_to(&begun).await;
    expect_refused(&again, &answer, ended);
    again.cookies = cookies;
    let answer = again.come_back_to(&begun).await;
    expect_refused(&again, &answer, "This sign-in was already used.");

    let mut slow = Visitor::new(&server);
    let begun = slow.begin().await;
    provider.tells(provider.claims(&begun));
    server.clock.advance(600);
    let answer = slow.come_back_to(&begun).await;
    expect_refused(&slow, &answer, ended);
}

#[tokio::test]
async fn an_answer_that_is_an_error_or_of_another_issuer_is_shown_and_not_used() {
    let provider = Provider::new().await;
    provider.has(json!({"authorization_response_iss_parameter_supported": true}));
    let server = server_of(&provider).await;
    let mut visitor = Visitor::new(&server);
    let begun = visitor.begin().await;
    provider.tells(provider.claims(&begun));
    let (state, iss) = (
        begun.parameters["state"].as_str(),
        provider.signer.iss.as_str(),
    );
    for (parameters, expected) in [
        (
            &[
                ("error", "access_denied"),
                ("error_description", CANARY),
                ("iss", iss),
            ][..],
            "did not sign you in: access_denied: &#60;script&#62;",
        ),
        (&[("code", "c")], "does not name it"),
        (
            &[("code", "c"), ("iss", "https://other.example")],
            "another issuer",
        ),
        (&[("iss", iss)], "has no code"),
    ] {
        let all = [parameters, &[("state", state)]].concat();
        let answer = visitor.come_back(&all).await;
        expect_refused(&visitor, &answer, expected);
    }
    assert_eq!(provider.origin.hits("/token"), 0);
    provider.origin.set(
        "/token",
        Reply::json(json!({"error": "invalid_grant"})).with_status(400),
    );
    let good = [("code", "c"), ("state", state), ("iss", iss)];
    let answer = visitor.come_back(&good).await;
    expect_refused(
        &visitor,
        &answer,
        "rejects the code: invalid_grant (status 400)",
    );
    provider.tells(provider.claims(&begun));
    visitor.come_back(&good).await.expect_status(200);
}

#[tokio::test]
async fn failures_are_limited() {
    let provider = Provider::new().await;
    let server = server_with(&provider, |configuration| {
        configuration
            .live
            .registration
            .rate_limit_authentication_failure_count = Some(3);
    })
    .await;
    // Any page can send a browser here.
    for _ in 0..6 {
        let stranger = Visitor::new(&server).get("callback?code=c&state=1.x").await;
        stranger.expect_status(403);
        Visitor::new(&server)
            .get("callback?%zz")
            .await
            .expect_status(403);
    }
    let mut visitor = Visitor::new(&server);
    let begun = visitor.begin().await;
    provider.tells(with(provider.claims(&begun), json!({"nonce": "other"})));
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(visitor.come_back_to(&begun).await.status);
    }
    assert_eq!(statuses[0], 403);
    assert_eq!(statuses[5], 429);
    let asked = provider.origin.hits("/token");
    assert!(asked < 6, "the provider is asked no more: {asked}");
    let answer = visitor.come_back_to(&begun).await;
    assert!(!answer.header("retry-after").is_empty());
}
