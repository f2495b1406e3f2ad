//! The token endpoint (RFC 6749 section 4.4), introspection (RFC 7662), revocation (RFC 7009) and the
//! public keys of the server.

use registrar::config::SecretSource;
use registrar::testing::{Algorithm, Key};
use serde_json::{Value, json};

use crate::support::{
    Answer, GRANT, Registered, START, TestServer, form, machine, minimal, registering, with,
};

#[tokio::test]
async fn a_client_gets_a_token_and_all_its_scopes() {
    let server = TestServer::new().await;
    let client = server.register(&machine()).await;
    let answer = server.basic(&client, "/token", &[GRANT]).await;
    answer.expect_status(200);
    assert_eq!(
        (answer.header("cache-control"), answer.header("pragma")),
        ("no-store", "no-cache")
    );
    assert_eq!(answer.member("token_type"), "Bearer");
    assert_eq!(answer.member("expires_in"), 3_600);
    assert_eq!(answer.member("scope"), "profile email");
    let token = answer.member("access_token").as_str().unwrap();
    assert!(token.len() >= 43, "256 bits");
    let some = server
        .basic(&client, "/token", &[GRANT, ("scope", "email")])
        .await;
    assert_eq!(some.member("scope"), "email");
    assert_ne!(some.member("access_token"), answer.member("access_token"));
}

#[tokio::test]
async fn errors_are_those_of_rfc_6749() {
    let server = TestServer::new().await;
    let client = server.register(&machine()).await;
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[("grant_type", "authorization_code")],
            "unsupported_grant_type",
        ),
        (&[("grant_type", "")], "invalid_request"),
        (&[], "invalid_request"),
        (&[GRANT, GRANT], "invalid_request"),
        (&[GRANT, ("scope", "email openid")], "invalid_scope"),
        (&[GRANT, ("scope", "clients.write")], "invalid_scope"),
        (&[GRANT, ("scope", "email  profile")], "invalid_scope"),
    ];
    for (parameters, code) in cases {
        server
            .basic(&client, "/token", parameters)
            .await
            .expect_error(400, &[code]);
    }
    let other = server.register(&minimal()).await;
    server
        .basic(&other, "/token", &[GRANT])
        .await
        .expect_error(400, &["unauthorized_client"]);
    let secret = client.body["client_secret"].as_str().unwrap();
    let json = server
        .ask("POST", "/token")
        .basic_auth(&client.id, Some(secret))
        .json(&json!({"grant_type": "x"}));
    Answer::of(json)
        .await
        .expect_error(400, &["invalid_request"]);
    let large = server
        .basic(&client, "/token", &[GRANT, ("x", &"x".repeat(70_000))])
        .await;
    large.expect_error(413, &["invalid_request"]);
    for path in ["/token", "/introspect", "/revoke"] {
        let get = Answer::of(server.ask("GET", path)).await;
        get.expect_error(405, &["method_not_allowed"]);
        assert_eq!(get.header("allow"), "POST");
    }
}

#[tokio::test]
async fn the_lifetime_of_a_token_is_the_shortest_configured_one() {
    let server = TestServer::registering(json!({"accessTokenLifetime": 600})).await;
    for (own, seconds) in [(60, 60), (0, 600), (6_000, 600)] {
        let client = server
            .register(&with(machine(), json!({"access_token_lifetime": own})))
            .await;
        assert_eq!(
            server
                .basic(&client, "/token", &[GRANT])
                .await
                .member("expires_in"),
            seconds,
            "{own}"
        );
    }
    let client = server
        .register(&with(machine(), json!({"lifetime": 100})))
        .await;
    assert_eq!(
        server
            .basic(&client, "/token", &[GRANT])
            .await
            .member("expires_in"),
        100
    );
}

#[tokio::test]
async fn a_token_is_invalid_when_it_or_its_client_expires() {
    let server = TestServer::new().await;
    let (client, short) = (
        server.register(&machine()).await,
        server
            .register(&with(machine(), json!({"lifetime": 100})))
            .await,
    );
    let (token, other) = (
        server.access_token(&client).await,
        server.access_token(&short).await,
    );
    let (admin, admin_token) = (server.administrator(), server.administrator_token().await);
    assert!(server.is_active(&client, &token).await && server.is_active(&admin, &other).await);
    server.clock.advance(100);
    assert!(server.is_active(&client, &token).await && !server.is_active(&admin, &other).await);
    server
        .basic(&short, "/token", &[GRANT])
        .await
        .expect_error(401, &["invalid_client"]);
    server.clock.advance(3_499);
    assert!(server.is_active(&client, &token).await);
    server.clock.advance(1);
    assert!(!server.is_active(&client, &token).await);
    let fresh = server.access_token(&client).await;
    assert!(server.is_active(&admin, &fresh).await);
    server.delete(&client).await.expect_status(204);
    assert!(!server.is_active(&admin, &fresh).await);
    server
        .basic(&client, "/token", &[GRANT])
        .await
        .expect_error(401, &["invalid_client"]);
    // A caller with an expired token is not authenticated.
    let asked = form(
        server.ask("POST", "/introspect").bearer_auth(&admin_token),
        &[("token", &fresh)],
    );
    let answer = Answer::of(asked).await;
    answer.expect_error(401, &["invalid_token"]);
    assert!(answer.header("www-authenticate").starts_with("Bearer "));
}

#[tokio::test]
async fn a_client_sees_its_own_tokens_and_an_administrator_all() {
    let server = TestServer::new().await;
    let (client, other) = (
        server.register(&machine()).await,
        server.register(&machine()).await,
    );
    let token = server.access_token(&client).await;
    let answer = server
        .basic(
            &client,
            "/introspect",
            &[("token", &token), ("token_type_hint", "x")],
        )
        .await;
    answer.expect_status(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let expected = json!({
        "active": true,
        "iss": server.server().url(),
        "client_id": client.id,
        "sub": client.id,
        "token_type": "Bearer",
        "iat": START,
        "exp": START + 3_600,
        "scope": "profile email",
    });
    assert_eq!(answer.body, expected);
    let unseen = server
        .basic(&other, "/introspect", &[("token", &token)])
        .await;
    assert_eq!(unseen.body, json!({"active": false}));
    for nothing in ["no token", &client.token] {
        let answer = server
            .basic(&client, "/introspect", &[("token", nothing)])
            .await;
        assert_eq!(answer.body, json!({"active": false}));
    }
    assert!(server.is_active(&server.administrator(), &token).await);
    let bearers = [
        (server.administrator_token().await, true),
        (token.clone(), true),
        (server.access_token(&other).await, false),
    ];
    for (bearer, sees) in bearers {
        let asked = form(
            server.ask("POST", "/introspect").bearer_auth(bearer),
            &[("token", &token)],
        );
        assert_eq!(Answer::of(asked).await.member("active"), sees);
    }
    server
        .basic(&client, "/introspect", &[])
        .await
        .expect_error(400, &["invalid_request"]);
    server
        .form("/introspect", &[("token", &token)])
        .await
        .expect_error(401, &["invalid_client"]);
    let public = server
        .register(&with(
            minimal(),
            json!({"token_endpoint_auth_method": "none"}),
        ))
        .await;
    let asked = server
        .form(
            "/introspect",
            &[("token", &token), ("client_id", &public.id)],
        )
        .await;
    asked.expect_error(401, &["invalid_client"]);
}

#[tokio::test]
async fn a_client_can_revoke_its_own_tokens_only() {
    let server = TestServer::new().await;
    let (client, other) = (
        server.register(&machine()).await,
        server.register(&machine()).await,
    );
    let (token, kept) = (
        server.access_token(&client).await,
        server.access_token(&client).await,
    );
    server
        .basic(&other, "/revoke", &[("token", &token)])
        .await
        .expect_status(200);
    assert!(server.is_active(&client, &token).await);
    let answer = server
        .basic(
            &client,
            "/revoke",
            &[("token", &token), ("token_type_hint", "access_token")],
        )
        .await;
    answer.expect_status(200);
    assert!(!server.is_active(&client, &token).await && server.is_active(&client, &kept).await);
    server
        .basic(&client, "/revoke", &[("token", &token)])
        .await
        .expect_status(200);
    server
        .basic(&client, "/revoke", &[])
        .await
        .expect_error(400, &["invalid_request"]);
    server
        .form("/revoke", &[("token", &kept)])
        .await
        .expect_error(401, &["invalid_client"]);
    assert!(server.is_active(&client, &kept).await);
}

#[tokio::test]
async fn token_requests_have_their_own_quota() {
    let members = json!({
        "rateLimitRegistrationRequestCount": 2, "rateLimitRegistrationPeriodInSeconds": 3_600,
        "rateLimitTokenRequestCount": 3, "rateLimitTokenPeriodInSeconds": 3_600,
    });
    let server = TestServer::registering(members).await;
    let client = server.register(&machine()).await;
    for _ in 0..3 {
        server
            .basic(&client, "/token", &[GRANT])
            .await
            .expect_status(200);
    }
    let limited = server.basic(&client, "/token", &[GRANT]).await;
    limited.expect_error(429, &["too_many_requests"]);
    assert!(limited.header("retry-after").parse::<u64>().unwrap() >= 1);
    server.register(&machine()).await;
    server
        .basic(&client, "/introspect", &[("token", "x")])
        .await
        .expect_status(200);
}

#[tokio::test]
async fn the_published_keys_belong_to_the_configured_private_keys() {
    let empty = TestServer::new().await;
    assert_eq!(
        Answer::of(empty.ask("GET", "/jwks")).await.body,
        json!({"keys": []})
    );
    let key = Key::generate(Algorithm::Es256).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("key.pem");
    std::fs::write(&file, key.to_pem().unwrap()).unwrap();
    let server = TestServer::configured(|configuration| {
        configuration
            .settings
            .scripts
            .secrets
            .insert("signer".to_owned(), SecretSource::File(file));
    })
    .await;
    let answer = Answer::of(server.ask("GET", "/jwks")).await;
    assert_eq!(answer.body, json!({"keys": [key.public_jwk().unwrap()]}));
    assert!(answer.header("cache-control").contains("max-age"));
    assert!(answer.body["keys"][0].get("d").is_none());
}

#[tokio::test]
async fn discovery_publishes_the_endpoints_unless_others_are_configured() {
    let server = TestServer::new().await;
    let document =
        |server: &TestServer| server.ask("GET", "/.well-known/oauth-authorization-server");
    let found = Answer::of(document(&server)).await.body;
    for (name, path) in [
        ("token_endpoint", "/token"),
        ("introspection_endpoint", "/introspect"),
        ("revocation_endpoint", "/revoke"),
        ("jwks_uri", "/jwks"),
    ] {
        assert_eq!(
            found[name],
            json!(format!("{}{path}", server.server().url()))
        );
    }
    let server = TestServer::configured(|configuration| {
        let other: Value = "https://as.example.org/token".into();
        configuration
            .settings
            .discovery
            .insert("token_endpoint".to_owned(), other);
    })
    .await;
    let found = Answer::of(document(&server)).await.body;
    assert_eq!(found["token_endpoint"], "https://as.example.org/token");
    assert_eq!(
        found["jwks_uri"],
        json!(format!("{}/jwks", server.server().url()))
    );
}

#[tokio::test]
async fn the_paths_are_configurable() {
    let server = TestServer::configured(|configuration| {
        configuration.settings.server.paths.token = "/jans-auth/restv1/token".to_owned();
        registering(configuration, json!({}));
    })
    .await;
    let client: Registered = server.register(&machine()).await;
    server
        .basic(&client, "/jans-auth/restv1/token", &[GRANT])
        .await
        .expect_status(200);
    Answer::of(server.ask("POST", "/token"))
        .await
        .expect_error(404, &["not_found"]);
}

#[tokio::test]
async fn a_client_that_requires_dpop_bound_tokens_gets_no_others() {
    let server = TestServer::new().await;
    let client = server
        .register(&with(machine(), json!({"dpop_bound_access_tokens": true})))
        .await;
    let answer = server.basic(&client, "/token", &[GRANT]).await;
    answer.expect_error(400, &["unauthorized_client"]);
    assert!(
        answer.text.contains("dpop_bound_access_tokens"),
        "{}",
        answer.text
    );
}
