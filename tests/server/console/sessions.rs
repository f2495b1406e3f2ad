//! How sessions begin, and how they end.

use registrar::config::ConsoleUse;
use serde_json::{Value, json};

use super::{Browser, expect_sign_in, form_token, secret_of};
use crate::support::{Answer, TestServer};

#[tokio::test]
async fn a_session_begins_with_the_secret_of_an_administrator_and_ends_with_a_sign_out() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let mut browser = Browser::new(&server);
    let shown = browser.get("client?id=a%26b").await;
    let before = browser.cookie.clone();
    assert!(
        shown.text.contains("value=\"client?id=a%26b\""),
        "{}",
        shown.text
    );
    let administrator = server.administrator();
    let fields = [
        ("client_id", administrator.id.as_str()),
        ("client_secret", &secret_of(&administrator)),
        ("next", "client?id=a%26b"),
    ];
    let signed = browser.post(&shown, "sign-in", &fields).await;
    signed.expect_status(303);
    assert_eq!(signed.header("location"), "client?id=a%26b");
    let cookie = signed.header("set-cookie");
    let (_, attributes) = cookie.split_once(';').unwrap();
    assert_eq!(attributes, " Path=/console/; HttpOnly; SameSite=Strict");
    assert_ne!(
        browser.cookie, before,
        "a secret that somebody may have planted is not used"
    );
    let (_, secret) = browser.cookie.split_once('=').unwrap();
    server.must_not_leak(secret);
    let page = browser.get("").await;
    page.expect_status(200);
    assert!(page.text.contains("<h1>Overview</h1>"), "{}", page.text);

    let session = browser.cookie.clone();
    let out = browser.post(&page, "sign-out", &[]).await;
    out.expect_status(303);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    browser.cookie = session;
    expect_sign_in(&browser.get("").await);
    let actions = server.actions().await;
    for action in ["administrator_signed_in", "administrator_signed_out"] {
        let event = actions.iter().find(|event| event["action"] == action);
        let event = event.unwrap_or_else(|| panic!("{action}: {actions:?}"));
        assert_eq!(event["actor"], "administrator");
        assert_eq!(event["address"], "127.0.0.1");
        assert_eq!(event["details"]["session"].as_str().unwrap().len(), 32);
    }
}

#[tokio::test]
async fn a_wrong_secret_and_a_client_are_refused_alike_and_failures_are_limited() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let machine = json!({"grant_types": ["client_credentials"], "scope": "openid"});
    let client = server.register(&machine).await;
    let mut browser = Browser::new(&server);
    let mut texts = Vec::new();
    for (id, secret) in [
        ("administrator", "wrong".to_owned()),
        ("nobody", "wrong".to_owned()),
        (client.id.as_str(), secret_of(&client)),
    ] {
        let answer = browser.sign_in_with(id, &secret).await;
        expect_sign_in(&answer);
        assert!(
            answer
                .text
                .contains("The client ID or the secret is wrong.")
        );
        assert!(
            !answer.text.contains("wrong\""),
            "a secret is not shown again"
        );
        let shown = format!("value=\"{id}\"");
        texts.push(
            answer
                .text
                .replace(&shown, "")
                .replace(&form_token(&answer), ""),
        );
    }
    assert!(texts.windows(2).all(|two| two[0] == two[1]), "{texts:?}");
    let actions = server.actions().await;
    let failed = |event: &&Value| event["action"] == "authentication_refused";
    assert_eq!(
        actions.iter().find(failed).unwrap()["subject"],
        "administrator"
    );
    let mut status = 401;
    for _ in 0..50 {
        status = browser.sign_in_with("administrator", "wrong").await.status;
    }
    assert_eq!(status, 429);
}

#[tokio::test]
async fn a_session_ends_by_itself_and_with_its_administrator() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&server.administrator()).await;
    server.clock.advance(1_799);
    browser.get("").await.expect_status(200);
    server.clock.advance(1_799);
    browser.get("").await.expect_status(200);
    server.clock.advance(1_800);
    expect_sign_in(&browser.get("").await);

    browser.sign_in(&server.administrator()).await;
    for _ in 0..28 {
        server.clock.advance(1_500);
        browser.get("").await.expect_status(200);
    }
    server.clock.advance(1_200);
    expect_sign_in(&browser.get("").await);

    for change in ["disable", "rotate", "scopes", "delete"] {
        let other = server.administrator_with(&["audit.read"]).await;
        let mut browser = Browser::new(&server);
        browser.sign_in(&other).await;
        browser.get("").await.expect_status(200);
        let one = format!("/admin/v1/administrators/{}", other.id);
        let (method, path, body) = match change {
            "disable" => ("PATCH", one, json!({"disabled": true})),
            "scopes" => (
                "PATCH",
                one,
                json!({"scopes": ["audit.read", "clients.read"]}),
            ),
            "rotate" => ("POST", format!("{one}/rotate"), json!({})),
            _ => ("DELETE", one, json!({})),
        };
        let request = server.administrate(method, &path).await;
        let answer = Answer::of(request.json(&body)).await;
        assert!(answer.status < 300, "{}", answer.text);
        expect_sign_in(&browser.get("").await);
    }
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let other = server.administrator_with(&["clients.read"]).await;
    let (mut first, mut second, mut third) = (
        Browser::new(&server),
        Browser::new(&server),
        Browser::new(&server),
    );
    first.sign_in(&server.administrator()).await;
    second.sign_in(&server.administrator()).await;
    third.sign_in(&other).await;
    let shown = first.get("sessions").await;
    assert_eq!(shown.text.matches("End the session of").count(), 2);
    let id = |text: &str, whose: &str| {
        let form = text
            .split("<form")
            .find(|form| form.contains(&format!("End the session of {whose}")))
            .expect("a form");
        let (_, rest) = form.split_once("name=\"id\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let theirs = third.get("sessions").await;
    assert!(!theirs.text.contains("Sessions of other administrators"));
    let own = id(&shown.text, "administrator");
    third
        .post(&theirs, "sessions", &[("id", &own)])
        .await
        .expect_status(403);
    let ended = first.post(&shown, "sessions", &[("id", &own)]).await;
    assert_eq!(ended.header("location"), "sessions?done=ended");
    expect_sign_in(&second.get("").await);
    let again = first.post(&shown, "sessions", &[("id", &own)]).await;
    again.expect_status(404);
    let fields = [("id", id(&shown.text, &other.id))];
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, id)| (*name, id.as_str()))
        .collect();
    first
        .post(&shown, "sessions", &fields)
        .await
        .expect_status(303);
    expect_sign_in(&third.get("").await);
    let actions = server.actions().await;
    let revoked = actions
        .iter()
        .filter(|event| event["action"] == "session_revoked");
    assert_eq!(revoked.count(), 2);
}

#[tokio::test]
async fn one_administrator_has_a_bounded_number_of_sessions() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let mut browser = Browser::new(&server);
    for _ in 0..100 {
        browser.cookie.clear();
        browser.sign_in(&server.administrator()).await;
    }
    browser.cookie.clear();
    let administrator = server.administrator();
    let answer = browser
        .sign_in_with(&administrator.id, &secret_of(&administrator))
        .await;
    answer.expect_status(503);
    assert!(answer.text.contains("There are too many sessions."));
}
