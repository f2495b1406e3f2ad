//! Client authentication: exactly by the registered method, with real signatures and certificates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registrar::config::ClientCertificates::Optional;
use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::support::certificates::{Authority, CLIENT, CLIENT_DN, Files, Pair};
use crate::support::{
    Answer, GRANT, Origin, Registered, Reply, START, Signer, TestServer, fetches_locally, form,
    machine, minimal, with,
};

const JWT: (&str, &str) = (
    "client_assertion_type",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
);

fn method(name: &str) -> Value {
    with(machine(), json!({"token_endpoint_auth_method": name}))
}

/// Returns the claims of a valid assertion of `client`.
fn claims(server: &TestServer, client: &Registered, jti: &str) -> Value {
    json!({
        "iss": client.id, "sub": client.id, "aud": server.server().url(), "jti": jti,
        "iat": START, "exp": START + 300,
    })
}

async fn assert_with(server: &TestServer, assertion: &str) -> Answer {
    server
        .form("/token", &[GRANT, JWT, ("client_assertion", assertion)])
        .await
}

/// Asserts 401 `invalid_client`, with a challenge when the header was used.
#[track_caller]
fn expect_refused(answer: &Answer, by_header: bool) {
    answer.expect_error(401, &["invalid_client"]);
    let challenge = if by_header {
        r#"Basic realm="registrar""#
    } else {
        ""
    };
    assert_eq!(answer.header("www-authenticate"), challenge);
}

#[tokio::test]
async fn a_secret_is_accepted_only_by_the_registered_method() {
    let server = TestServer::new().await;
    let (basic, post) = (
        server.register(&method("client_secret_basic")).await,
        server.register(&method("client_secret_post")).await,
    );
    let secret = |client: &Registered| client.body["client_secret"].as_str().unwrap().to_owned();
    let by_post = async |client: &Registered, secret: &str| {
        server
            .form(
                "/token",
                &[GRANT, ("client_id", &client.id), ("client_secret", secret)],
            )
            .await
    };
    server
        .basic(&basic, "/token", &[GRANT])
        .await
        .expect_status(200);
    server
        .basic(&basic, "/token", &[GRANT, ("client_id", &basic.id)])
        .await
        .expect_status(200);
    by_post(&post, &secret(&post)).await.expect_status(200);
    expect_refused(&server.basic(&post, "/token", &[GRANT]).await, true);
    expect_refused(&by_post(&basic, &secret(&basic)).await, false);
    expect_refused(&by_post(&post, &secret(&basic)).await, false);
    expect_refused(&by_post(&post, "").await, false);
    let wrong = server
        .ask("POST", "/token")
        .basic_auth(&basic.id, Some("wrong"));
    expect_refused(&Answer::of(form(wrong, &[GRANT])).await, true);
    for id in ["11111111-1111-4111-8111-111111111111", "no such client", ""] {
        let unknown = server
            .ask("POST", "/token")
            .basic_auth(id, Some(secret(&basic)));
        let answer = Answer::of(form(unknown, &[GRANT])).await;
        expect_refused(&answer, true);
        let known = server
            .ask("POST", "/token")
            .basic_auth(&basic.id, Some("wrong"));
        assert_eq!(
            answer.text,
            Answer::of(form(known, &[GRANT])).await.text,
            "the answer does not reveal whether the client exists"
        );
    }
}

#[tokio::test]
async fn basic_credentials_are_form_encoded() {
    let server = TestServer::new().await;
    let client = server.register(&machine()).await;
    let encoded: String = client
        .id
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect::<Vec<_>>()
        .concat();
    let pair = format!(
        "{encoded}:{}",
        client.body["client_secret"].as_str().unwrap()
    );
    for (value, status) in [
        (format!("Basic {}", STANDARD.encode(&pair)), 200),
        (format!("bAsIc {}", STANDARD.encode(&pair)), 200),
        (format!("Basic {pair}"), 401),
        ("Basic".to_owned(), 401),
        ("Digest x".to_owned(), 401),
        (format!("Bearer {}", client.token), 401),
    ] {
        let request = server.ask("POST", "/token").header("authorization", value);
        let answer = Answer::of(form(request, &[GRANT])).await;
        if status == 200 {
            answer.expect_status(200);
        } else {
            expect_refused(&answer, true);
        }
    }
}

#[tokio::test]
async fn several_methods_at_once_are_rejected() {
    let server = TestServer::new().await;
    let client = server.register(&machine()).await;
    let secret = client.body["client_secret"].as_str().unwrap();
    for more in [
        ("client_secret", secret),
        ("client_assertion", "a.b.c"),
        ("client_id", "another"),
    ] {
        server
            .basic(&client, "/token", &[GRANT, JWT, more])
            .await
            .expect_error(400, &["invalid_request"]);
    }
    let both = [
        GRANT,
        JWT,
        ("client_secret", secret),
        ("client_assertion", "a.b.c"),
    ];
    server
        .form("/token", &both)
        .await
        .expect_error(400, &["invalid_request"]);
    let untyped = server
        .form("/token", &[GRANT, ("client_assertion", "a.b.c")])
        .await;
    untyped.expect_error(400, &["invalid_request"]);
}

#[tokio::test]
async fn private_key_jwt_is_signed_with_a_registered_key() {
    let server = TestServer::new().await;
    let signer = Signer::new("", Algorithm::Es256);
    let body = with(method("private_key_jwt"), json!({"jwks": signer.jwks()}));
    let client = server.register(&body).await;
    let good = [
        (json!({}), json!({})),
        (json!({"typ": "JWT"}), json!({})),
        (json!({"typ": "client-authentication+jwt"}), json!({})),
        (json!({}), json!({"exp": START + 3_600})),
    ];
    for (number, (header, more)) in good.into_iter().enumerate() {
        let assertion = signer.raw(
            &header,
            with(claims(&server, &client, &format!("good-{number}")), more),
        );
        assert_with(&server, &assertion).await.expect_status(200);
    }
    let mistakes = [
        json!({"aud": "https://other.example"}),
        json!({"aud": null}),
        json!({"iss": "another"}),
        json!({"exp": START - 61}),
        json!({"exp": START + 3_661}),
        json!({"exp": null}),
        json!({"jti": null}),
        json!({"jti": ""}),
        json!({"nbf": START + 300}),
    ];
    for (number, more) in mistakes.into_iter().enumerate() {
        let mut bad = with(
            claims(&server, &client, &format!("bad-{number}")),
            more.clone(),
        );
        bad.as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        let answer = assert_with(&server, &signer.raw(&json!({}), bad)).await;
        assert_eq!(answer.status, 401, "{more}");
        expect_refused(&answer, false);
    }
    let typed = signer.raw(&json!({"typ": "at+jwt"}), claims(&server, &client, "typed"));
    expect_refused(&assert_with(&server, &typed).await, false);
    let stranger = Signer::new("", Algorithm::Es256);
    for signer in [&stranger, &Signer::sharing("", &"x".repeat(64))] {
        let forged = signer.raw(&json!({}), claims(&server, &client, "forged"));
        expect_refused(&assert_with(&server, &forged).await, false);
    }
    let nobody = Registered {
        id: "11111111-1111-4111-8111-111111111111".to_owned(),
        ..client.clone()
    };
    let of_nobody = signer.raw(&json!({}), claims(&server, &nobody, "nobody"));
    expect_refused(&assert_with(&server, &of_nobody).await, false);
    expect_refused(&assert_with(&server, "not.a.jwt").await, false);
}

/// RFC 7523bis section 3: an assertion for another server must not be valid here because it names both.
#[tokio::test]
async fn an_assertion_is_for_this_issuer_alone_unless_the_operator_allows_others() {
    let signer = Signer::new("", Algorithm::Es256);
    let body = with(method("private_key_jwt"), json!({"jwks": signer.jwks()}));
    for (setting, token_endpoint, several) in [(None, 401, 401), (Some("any"), 200, 200)] {
        let members =
            setting.map_or_else(|| json!({}), |any| json!({"clientAssertionAudience": any}));
        let server = TestServer::registering(members).await;
        let client = server.register(&body).await;
        let issuer = server.server().url().to_owned();
        let (other, endpoint) = ("https://other.example", format!("{issuer}/token"));
        let audiences = [
            (json!(issuer), 200),
            (json!([issuer]), 200),
            (json!(endpoint), token_endpoint),
            (json!([endpoint]), token_endpoint),
            (json!([issuer, other]), several),
            (json!([issuer, endpoint]), several),
            (json!(other), 401),
            (json!([other]), 401),
            (json!([]), 401),
            (json!(format!("{issuer}/")), 401),
        ];
        for (number, (audience, status)) in audiences.into_iter().enumerate() {
            let named = with(
                claims(&server, &client, &number.to_string()),
                json!({"aud": audience}),
            );
            let answer = assert_with(&server, &signer.raw(&json!({}), named)).await;
            assert_eq!(
                answer.status, status,
                "{setting:?} {audience}: {}",
                answer.text
            );
        }
    }
}

#[tokio::test]
async fn an_assertion_is_valid_once() {
    let server = TestServer::new().await;
    let signer = Signer::new("", Algorithm::EdDsa);
    let body = with(method("private_key_jwt"), json!({"jwks": signer.jwks()}));
    let (client, other) = (server.register(&body).await, server.register(&body).await);
    let assertion = |client: &Registered| signer.raw(&json!({}), claims(&server, client, "once"));
    assert_with(&server, &assertion(&client))
        .await
        .expect_status(200);
    expect_refused(&assert_with(&server, &assertion(&client)).await, false);
    // Another signature over the same identifier is the same assertion; an assertion of another client is
    // not.
    expect_refused(&assert_with(&server, &assertion(&client)).await, false);
    let assertions: Vec<String> = (0..20).map(|_| assertion(&other)).collect();
    let answers = assertions
        .iter()
        .map(|assertion| assert_with(&server, assertion));
    let answers = futures_util::future::join_all(answers).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 200).count(),
        1
    );
    // It is remembered for as long as it would be accepted.
    server.clock.advance(359);
    expect_refused(&assert_with(&server, &assertion(&client)).await, false);
}

#[tokio::test]
async fn only_the_registered_algorithm_is_accepted() {
    let server = TestServer::new().await;
    let (es256, rs256) = (
        Signer::new("", Algorithm::Es256),
        Signer::new("", Algorithm::Rs256),
    );
    let keys = json!({"keys": [es256.jwk(), rs256.jwk()]});
    let body = with(
        method("private_key_jwt"),
        json!({"jwks": keys, "token_endpoint_auth_signing_alg": "ES256"}),
    );
    let client = server.register(&body).await;
    assert_with(
        &server,
        &es256.raw(&json!({}), claims(&server, &client, "1")),
    )
    .await
    .expect_status(200);
    let other = assert_with(
        &server,
        &rs256.raw(&json!({}), claims(&server, &client, "2")),
    )
    .await;
    expect_refused(&other, false);
}

#[tokio::test]
async fn keys_are_fetched_from_the_jwks_uri_of_the_client() {
    let server = TestServer::configured(fetches_locally).await;
    let origin = Origin::new().await;
    let (first, second) = (
        Signer::new("", Algorithm::Es256),
        Signer::new("", Algorithm::Es256),
    );
    let url = origin.at("/jwks", Reply::json(first.jwks()));
    let client = server
        .register(&with(method("private_key_jwt"), json!({"jwks_uri": url})))
        .await;
    assert_with(
        &server,
        &first.raw(&json!({}), claims(&server, &client, "1")),
    )
    .await
    .expect_status(200);
    // An unknown key may be in a newer version of the set.
    origin.set("/jwks", Reply::json(second.jwks()));
    assert_with(
        &server,
        &second.raw(&json!({}), claims(&server, &client, "2")),
    )
    .await
    .expect_status(200);
    let down = server
        .register(&with(
            method("private_key_jwt"),
            json!({"jwks_uri": origin.url("/none")}),
        ))
        .await;
    expect_refused(
        &assert_with(&server, &first.raw(&json!({}), claims(&server, &down, "3"))).await,
        false,
    );
}

#[tokio::test]
async fn client_secret_jwt_is_signed_with_the_secret() {
    let server = TestServer::new().await;
    let client = server.register(&method("client_secret_jwt")).await;
    let secret = client.body["client_secret"].as_str().unwrap();
    let own = Signer::sharing("", secret);
    assert_with(&server, &own.raw(&json!({}), claims(&server, &client, "1")))
        .await
        .expect_status(200);
    expect_refused(
        &assert_with(&server, &own.raw(&json!({}), claims(&server, &client, "1"))).await,
        false,
    );
    let other = Signer::sharing("", &"x".repeat(64));
    expect_refused(
        &assert_with(
            &server,
            &other.raw(&json!({}), claims(&server, &client, "2")),
        )
        .await,
        false,
    );
    expect_refused(&server.basic(&client, "/token", &[GRANT]).await, true);
    // A client that registered a secret for the header cannot authenticate by a signature with it.
    let basic = server.register(&machine()).await;
    let signed = Signer::sharing("", basic.body["client_secret"].as_str().unwrap());
    expect_refused(
        &assert_with(
            &server,
            &signed.raw(&json!({}), claims(&server, &basic, "3")),
        )
        .await,
        false,
    );
}

#[tokio::test]
async fn a_public_client_sends_only_its_client_id() {
    let server = TestServer::new().await;
    let client = server
        .register(&with(
            minimal(),
            json!({"token_endpoint_auth_method": "none"}),
        ))
        .await;
    let answer = server
        .form("/token", &[GRANT, ("client_id", &client.id)])
        .await;
    answer.expect_error(400, &["unauthorized_client"]);
    server
        .form("/revoke", &[("token", "x"), ("client_id", &client.id)])
        .await
        .expect_status(200);
    let basic = server.register(&machine()).await;
    expect_refused(
        &server
            .form("/token", &[GRANT, ("client_id", &basic.id)])
            .await,
        false,
    );
    expect_refused(&server.form("/token", &[GRANT]).await, false);
}

async fn show(
    files: &Files,
    server: &TestServer,
    pair: Option<&Pair>,
    client: &Registered,
) -> Answer {
    let request = files.client(pair).post(server.url("/token"));
    Answer::of(form(request, &[GRANT, ("client_id", &client.id)])).await
}

#[tokio::test]
async fn a_certificate_must_match_the_registered_subject_or_key() {
    let files = Files::new();
    let server =
        TestServer::configured(|configuration| files.switch_on(configuration, Optional)).await;
    let register = async |body: Value| {
        let answer = Answer::of(files.client(None).post(server.url("/register")).json(&body)).await;
        answer.expect_status(201);
        Registered::of(answer.body)
    };
    let by_name = register(with(
        method("tls_client_auth"),
        json!({"tls_client_auth_subject_dn": CLIENT_DN}),
    ))
    .await;
    let own = files.authority.client(CLIENT);
    show(&files, &server, Some(&own), &by_name)
        .await
        .expect_status(200);
    let other_name = files.authority.client(&[("CN", "Client Two")]);
    for pair in [
        None,
        Some(&other_name),
        Some(&Pair::self_signed(CLIENT)),
        Some(&Authority::new().client(CLIENT)),
    ] {
        expect_refused(&show(&files, &server, pair, &by_name).await, false);
    }
    let pair = Pair::self_signed(&[("CN", "whatever")]);
    let by_key = register(with(
        method("self_signed_tls_client_auth"),
        json!({"jwks": pair.jwks()}),
    ))
    .await;
    show(&files, &server, Some(&pair), &by_key)
        .await
        .expect_status(200);
    for pair in [
        None,
        Some(&own),
        Some(&Pair::self_signed(&[("CN", "whatever")])),
    ] {
        expect_refused(&show(&files, &server, pair, &by_key).await, false);
    }
    // A certificate does not authenticate a client that registered another method.
    let by_secret = register(machine()).await;
    expect_refused(&show(&files, &server, Some(&own), &by_secret).await, false);
}
