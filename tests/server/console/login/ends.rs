//! How sessions of people end, and where a sign-in begins.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registrar::config::{ConsoleUse, LoginSettings};
use serde_json::json;
use url::Url;

use super::{Provider, Visitor, expect_refused, server_of, server_with, write_secret};
use crate::console::{Browser, expect_sign_in};
use crate::support::{Answer, Reply};

#[tokio::test]
async fn a_session_of_a_person_is_listed_revoked_and_ends_with_its_mapping() {
    let provider = Provider::new().await;
    let server = server_of(&provider).await;
    let (mut first, mut second) = (Visitor::new(&server), Visitor::new(&server));
    for visitor in [&mut first, &mut second] {
        visitor
            .sign_in(&provider, json!({}))
            .await
            .expect_status(200);
    }
    let mut admin = Browser::new(&server);
    admin.sign_in(&server.administrator()).await;
    let shown = admin.get("sessions").await;
    assert_eq!(shown.text.matches("Ada Lovelace").count(), 2);
    let form = shown
        .text
        .split("<form")
        .find(|form| form.contains("End the session of oidc:ada-1"))
        .expect("a form");
    let (_, rest) = form.split_once("name=\"id\" value=\"").unwrap();
    let id = rest.split('"').next().unwrap().to_owned();
    let ended = admin.post(&shown, "sessions", &[("id", &id)]).await;
    ended.expect_status(303);
    let mut left = Vec::new();
    for visitor in [&mut first, &mut second] {
        if visitor.get("clients").await.status == 200 {
            left.push(visitor.cookies.clone());
        }
    }
    assert_eq!(left.len(), 1);
    let actions = server.actions().await;
    let revoked = actions
        .iter()
        .find(|event| event["action"] == "session_revoked");
    assert_eq!(revoked.unwrap()["subject"], "oidc:ada-1");

    let kept = server.stop_and_keep().await;
    for (change, is_kept) in [
        ("nothing", true),
        ("more", true),
        ("less", false),
        ("nothing", false),
    ] {
        let url = format!("sled:{}", kept.path().join("data").display());
        let server = server_with(&provider, |configuration| {
            configuration.settings.store.url = url.into();
            let values = &mut configuration.settings.admin.login.scopes_from.values;
            let scopes = values.get_mut("help-desk").unwrap();
            match change {
                "more" => scopes.push("tokens.write".to_owned()),
                "less" => scopes.truncate(1),
                _ => {}
            }
        })
        .await;
        let mut visitor = Visitor::new(&server);
        visitor.cookies.clone_from(&left[0]);
        let status = visitor.get("clients").await.status;
        assert_eq!(status, if is_kept { 200 } else { 401 }, "{change}");
        if is_kept {
            visitor.get("tokens").await.expect_status(403);
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_session_ends_when_the_sign_in_is_switched_off() {
    let provider = Provider::new().await;
    let server = server_of(&provider).await;
    let mut visitor = Visitor::new(&server);
    visitor
        .sign_in(&provider, json!({}))
        .await
        .expect_status(200);
    let cookies = visitor.cookies.clone();
    let kept = server.stop_and_keep().await;
    for change in ["off", "client", "claim"] {
        let url = format!("sled:{}", kept.path().join("data").display());
        let server = server_with(&provider, |configuration| {
            configuration.settings.store.url = url.into();
            let login = &mut configuration.settings.admin.login;
            match change {
                "off" => *login = LoginSettings::default(),
                "client" => login.client_id = Some("other".to_owned()),
                _ => login.scopes_from.claim = "roles".to_owned(),
            }
        })
        .await;
        let mut visitor = Visitor::new(&server);
        visitor.cookies.clone_from(&cookies);
        expect_sign_in(&visitor.get("clients").await);
        if change == "off" {
            let shown = visitor.get("login").await;
            expect_sign_in(&shown);
            assert!(!shown.text.contains("Sign in with"));
            expect_sign_in(&visitor.get("callback?code=c&state=s").await);
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_used_is_named_and_nothing_is_counted() {
    let provider = Provider::new().await;
    let server = server_of(&provider).await;
    let mut visitor = Visitor::new(&server);
    let elsewhere = server
        .ask("GET", "/console/login")
        .header("sec-fetch-site", "cross-site");
    expect_sign_in(&Visitor::new(&server).send(elsewhere).await);
    assert_eq!(provider.origin.hits("/.well-known/openid-configuration"), 0);
    let own = server
        .ask("GET", "/console/login")
        .header("sec-fetch-site", "same-origin");
    visitor.send(own).await.expect_status(303);

    provider.has(json!({"issuer": "https://other.example"}));
    let stranger = server_of(&provider).await;
    let answer = Visitor::new(&stranger).get("login").await;
    answer.expect_status(503);
    assert!(
        answer
            .text
            .contains("must have the issuer that admin.login.issuer names"),
        "{}",
        answer.text
    );
    let begun = visitor.begin().await;
    provider.origin.set("/token", Reply::status(302));
    let answer = visitor.come_back_to(&begun).await;
    expect_refused(&visitor, &answer, "rejects the code");
    let file = server.folder.path().join("login-secret");
    std::fs::remove_file(&file).unwrap();
    let answer = visitor.come_back_to(&begun).await;
    answer.expect_status(503);
    assert!(answer.text.contains("cannot read its secret"));
    assert!(!answer.text.contains("login-secret"), "{}", answer.text);
    // A new secret needs no restart.
    write_secret(&file, "another");
    provider.tells(provider.claims(&begun));
    visitor.come_back_to(&begun).await.expect_status(200);
    let basic = format!("Basic {}", STANDARD.encode("registrar:another"));
    assert_eq!(
        provider.origin.asked("/token", "authorization"),
        Some(basic)
    );

    let request = server.administrate("GET", "/admin/v1/doctor").await;
    let found = Answer::of(request).await;
    let checks = found.member("checks").as_array().unwrap().clone();
    let login = checks.iter().find(|check| check["subject"] == "login");
    assert_eq!(login.unwrap()["verdict"], "ok");
}

#[tokio::test]
async fn the_provider_leads_back_to_the_issuer_or_to_the_host_that_the_browser_asked_for() {
    let provider = Provider::new().await;
    let server = server_with(&provider, |configuration| {
        configuration.settings.admin.console = ConsoleUse::On;
        configuration.settings.server.issuer = Some("https://register.example.org".to_owned());
    })
    .await;
    let begun = Visitor::new(&server).begin().await;
    assert_eq!(
        begun.parameters["redirect_uri"],
        "https://register.example.org/console/callback"
    );
    let server = server_with(&provider, |configuration| {
        configuration.settings.admin.listen = Some("127.0.0.1:0".parse().unwrap());
        configuration.settings.server.issuer = Some("https://register.example.org".to_owned());
    })
    .await;
    let url = format!(
        "http://{}/console/login",
        server.server().admin_address().unwrap()
    );
    for (host, expected) in [
        (
            "console.example:8443",
            Some("http://console.example:8443/console/callback"),
        ),
        ("[::1]:8081", Some("http://[::1]:8081/console/callback")),
        ("a@evil.example", None),
        ("evil.example/x?", None),
    ] {
        let request = server.ask("GET", &url).header("host", host);
        let answer = Answer::of(request).await;
        let location = Url::parse(answer.header("location")).ok();
        let uri = location.and_then(|url| {
            let mut pairs = url.query_pairs().into_owned();
            pairs
                .find(|(name, _)| name == "redirect_uri")
                .map(|(_, uri)| uri)
        });
        assert_eq!(uri.as_deref(), expected, "{host}");
    }
}
