//! What a sign-in asks the provider for, and what the session can do.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::header::SET_COOKIE;
use serde_json::json;
use url::Url;

use super::{Begun, Provider, SECRET, Visitor, expect_refused, server_of};
use crate::console::{CANARY, expect_sign_in, pages};
use crate::support::{Reply, minimal, with};

#[tokio::test]
async fn a_person_signs_in_at_the_provider_and_has_the_scopes_of_the_mapping() {
    let provider = Provider::new().await;
    let server = server_of(&provider).await;
    let client = server.register(&minimal()).await;
    let mut visitor = Visitor::new(&server);
    let shown = visitor.get("client?id=a%26b").await;
    expect_sign_in(&shown);
    let host = provider.origin.address().to_string();
    let link = format!("href=\"login?next=client%3Fid%3Da%2526b\">Sign in with {host}</a>");
    assert!(shown.text.contains(&link), "{}", shown.text);
    visitor.cookies.clear();

    let answer = visitor.get("login?next=client%3Fid%3Da%2526b").await;
    answer.expect_status(303);
    let cookie = answer.header("set-cookie");
    let (_, attributes) = cookie.split_once(';').unwrap();
    assert_eq!(
        attributes,
        " Path=/console/; HttpOnly; SameSite=Lax; Max-Age=600"
    );
    let page = Url::parse(answer.header("location")).unwrap();
    let parameters: BTreeMap<String, String> = page.query_pairs().into_owned().collect();
    let redirect_uri = server.url("/console/callback");
    for (name, expected) in [
        ("tenant", "a"),
        ("response_type", "code"),
        ("client_id", "registrar"),
        ("scope", "openid profile email"),
        ("redirect_uri", redirect_uri.as_str()),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(parameters[name], expected, "{name}");
    }
    let begun = Begun { page, parameters };
    assert_eq!(begun.page.path(), "/authorize");
    provider.tells(provider.claims(&begun));
    let answer = visitor.come_back_to(&begun).await;
    answer.expect_status(200);
    assert_eq!(answer.header("refresh"), "0; url=client?id=a%26b");
    assert!(answer.text.contains("href=\"client?id=a%26b\""));
    assert!(answer.header("content-security-policy").contains("'self'"));
    let cookies: Vec<_> = answer.headers.get_all(SET_COOKIE).iter().collect();
    let session = cookies[0].to_str().unwrap();
    assert!(session.ends_with("; Path=/console/; HttpOnly; SameSite=Strict"));
    assert_eq!(
        visitor.cookies.len(),
        1,
        "the cookie of the sign-in is gone"
    );

    let redeemed = provider.redeemed();
    let challenge =
        URL_SAFE_NO_PAD.encode(openssl::sha::sha256(redeemed["code_verifier"].as_bytes()));
    assert_eq!(begun.parameters["code_challenge"], challenge);
    assert_eq!(redeemed["grant_type"], "authorization_code");
    assert_eq!(redeemed["code"], "c");
    assert_eq!(redeemed["redirect_uri"], redirect_uri);
    assert!(!redeemed.contains_key("client_secret"));
    let basic =
        "registrar:a+secret+of+the+server+that+is+long+enough+for+every+HMAC%2C+100+%25%3A+yes";
    assert_eq!(
        provider.origin.asked("/token", "authorization").unwrap(),
        format!("Basic {}", STANDARD.encode(basic))
    );
    server.must_not_leak(SECRET);
    server.must_not_leak(&redeemed["code_verifier"]);
    server.must_not_leak(&visitor.cookies["registrar"]);

    let mut browser = visitor.browser();
    let clients = browser.get("clients").await;
    clients.expect_status(200);
    assert!(clients.text.contains("Ada Lovelace"), "{}", clients.text);
    let tokens = browser.get("tokens").await;
    tokens.expect_status(403);
    assert!(tokens.text.contains("You lack the scope tokens.write."));
    let order = [
        ("id", client.id.as_str()),
        ("revision", "1"),
        ("order", "disable"),
    ];
    browser
        .post(&clients, "client", &order)
        .await
        .expect_status(403);

    let sessions = browser.get("sessions").await;
    assert!(sessions.text.contains("oidc:ada-1"), "{}", sessions.text);
    browser
        .post(&sessions, "sign-out", &[])
        .await
        .expect_status(303);
    expect_sign_in(&visitor.get("clients").await);
    let actions = server.actions().await;
    for action in [
        "administrator_signed_in",
        "administration_refused",
        "administrator_signed_out",
    ] {
        let event = actions.iter().find(|event| event["action"] == action);
        let event = event.unwrap_or_else(|| panic!("{action}: {actions:?}"));
        assert_eq!(event["actor"], "oidc:ada-1", "{event}");
        assert_eq!(event["actor_name"], "Ada Lovelace", "{event}");
    }
    let signed = actions
        .iter()
        .find(|event| event["action"] == "administrator_signed_in");
    let details = &signed.unwrap()["details"];
    assert_eq!(details["issuer"], provider.signer.iss);
    assert_eq!(details["scopes"], json!(["clients.read", "audit.read"]));
}

#[tokio::test]
async fn a_person_with_all_scopes_changes_what_an_administrator_could() {
    let provider = Provider::new().await;
    let server = server_of(&provider).await;
    let client = server.register(&minimal()).await;
    let mut visitor = Visitor::new(&server);
    let admins = json!({"groups": "registrar-admins", "name": CANARY});
    visitor.sign_in(&provider, admins).await.expect_status(200);
    let mut browser = visitor.browser();
    for page in pages() {
        let answer = browser.get(&page).await;
        assert_ne!(answer.status, 403, "{page}");
        assert!(!answer.text.contains("<script>alert"), "{page}");
    }
    let shown = browser.get("").await;
    let order = [
        ("id", client.id.as_str()),
        ("revision", "1"),
        ("order", "disable"),
    ];
    browser
        .post(&shown, "client", &order)
        .await
        .expect_status(303);
    assert_eq!(
        server.stored(&client.id).await["metadata"]["disabled"],
        true
    );
    let actions = server.actions().await;
    let updated = actions
        .iter()
        .find(|event| event["action"] == "client_updated");
    assert_eq!(updated.unwrap()["actor"], "oidc:ada-1");
}

#[tokio::test]
async fn only_a_mapped_value_gives_access() {
    let provider = Provider::new().await;
    let server = server_of(&provider).await;
    for (claim, pages) in [
        (json!("help-desk"), &["clients", "audit"][..]),
        (json!(["auditors"]), &["audit", "scripts"]),
        (
            json!(["auditors", 1, "help-desk", "x"]),
            &["clients", "audit", "scripts"],
        ),
    ] {
        let mut visitor = Visitor::new(&server);
        let answer = visitor.sign_in(&provider, json!({"groups": claim})).await;
        answer.expect_status(200);
        for page in ["clients", "audit", "scripts", "trust"] {
            let status = visitor.get(page).await.status;
            let expected = if pages.contains(&page) { 200 } else { 403 };
            assert_eq!(status, expected, "{claim} {page}");
        }
    }
    for claim in [
        json!([]),
        json!("*"),
        json!(["staff", "Help-Desk"]),
        json!({"help-desk": true}),
    ] {
        let mut visitor = Visitor::new(&server);
        let answer = visitor.sign_in(&provider, json!({"groups": claim})).await;
        let expected =
            "has signed you in as Ada Lovelace, but nothing in your groups gives you access";
        expect_refused(&visitor, &answer, expected);
    }
    let actions = server.actions().await;
    let refused = actions.iter().find(|event| event["error"] == "no_scopes");
    let refused = refused.expect("an event");
    assert_eq!(refused["action"], "authentication_refused");
    assert_eq!(refused["subject"], "oidc:ada-1");
    assert_eq!(refused["actor"], "oidc:ada-1");
    assert_eq!(refused["actor_name"], "Ada Lovelace");
}

#[tokio::test]
async fn a_claim_that_the_id_token_lacks_is_asked_for() {
    let provider = Provider::new().await;
    provider.has(json!({
        "scopes_supported": ["openid", "groups", "offline_access"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    }));
    let server = server_of(&provider).await;
    let mut visitor = Visitor::new(&server);
    let told =
        json!({"sub": "ada-1", "name": "Other", "email": "ada@example.org", "groups": "auditors"});
    provider.origin.set("/userinfo", Reply::json(told.clone()));
    let bare = async |visitor: &mut Visitor<'_>| {
        let begun = visitor.begin().await;
        assert_eq!(begun.parameters["scope"], "openid groups");
        let mut claims = provider.claims(&begun);
        claims.as_object_mut().unwrap().remove("groups");
        provider.tells(claims);
        visitor.come_back_to(&begun).await
    };
    bare(&mut visitor).await.expect_status(200);
    assert_eq!(
        provider.origin.asked("/userinfo", "authorization").unwrap(),
        "Bearer opaque"
    );
    assert_eq!(provider.redeemed()["client_secret"], SECRET);
    assert_eq!(provider.origin.asked("/token", "authorization"), None);
    let page = visitor.get("scripts").await;
    page.expect_status(200);
    assert!(
        page.text.contains("Ada Lovelace"),
        "the ID token takes precedence"
    );

    let somebody_else = with(told, json!({"sub": "eve"}));
    for reply in [
        Reply::json(somebody_else),
        Reply::status(401),
        Reply::text("application/jwt", "a.b.c"),
    ] {
        provider.origin.set("/userinfo", reply);
        let mut visitor = Visitor::new(&server);
        let answer = bare(&mut visitor).await;
        expect_refused(&visitor, &answer, "UserInfo endpoint does not describe");
    }
}
