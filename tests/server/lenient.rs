//! Requests of programs that were not written for this server: no `application_type`, every flow that
//! they support, scopes over several lines, pages on the machine of a developer.

use serde_json::{Value, json};

use crate::statements::{builtin, issuer};
use crate::support::{Answer, TestServer, minimal, with};

/// Returns a public client with these redirect URIs and the members that most MCP clients send.
fn public(uris: &[&str], more: Value) -> Value {
    let client = json!({
        "client_name": "Client", "redirect_uris": uris, "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
    });
    with(client, more)
}

/// Asserts that `server` registers `sent` with the members `expected`, where `null` means absent, and that
/// an update with the same body keeps them.
async fn check(server: &TestServer, sent: Value, expected: Value) {
    let client = server.register(&sent).await;
    let updated = server
        .update(
            &client,
            &with(sent.clone(), json!({"client_id": client.id})),
        )
        .await;
    updated.expect_status(200);
    for body in [&client.body, &updated.body] {
        for (name, value) in expected.as_object().expect("members") {
            assert_eq!(
                body.get(name).unwrap_or(&Value::Null),
                value,
                "{name} of {sent}"
            );
        }
    }
}

#[tokio::test]
async fn what_typed_programs_write_for_nothing_is_absent() {
    let server = TestServer::new().await;
    for jwks in [json!({}), json!({"keys": []}), json!({"keys": null})] {
        let client = public(&["https://client.example/cb"], json!({"jwks": jwks}));
        check(&server, client.clone(), json!({"jwks": null})).await;
        let uri = "https://client.example/jwks";
        let with_uri = with(client.clone(), json!({"jwks_uri": uri}));
        check(&server, with_uri, json!({"jwks": null, "jwks_uri": uri})).await;
        let signs = json!({"token_endpoint_auth_method": "private_key_jwt"});
        let answer = server.post(&with(client, signs)).await;
        answer.expect_bad_metadata("needs the client's public keys for ");
    }
    let sent = json!({"contacts": ["", "a@b.example", null], "redirect_uris": ["https://a.example/cb", ""],
        "grant_types": ["authorization_code", ""], "default_acr_values": [""]});
    let kept = json!({"contacts": ["a@b.example"], "redirect_uris": ["https://a.example/cb"],
        "grant_types": ["authorization_code"], "default_acr_values": []});
    check(&server, public(&[], sent), kept).await;
    let answer = server.post(&public(&[""], json!({}))).await;
    answer.expect_error(400, &["invalid_redirect_uri"]);
}

#[tokio::test]
async fn a_byte_order_mark_before_the_body_is_ignored() {
    let server = TestServer::new().await;
    let body = public(&["https://client.example/cb"], json!({}));
    for (mark, status) in [("\u{feff}", 201), ("", 201), ("\u{feff}\u{feff}", 400)] {
        let request = server.ask("POST", "/register");
        let request = request.header("content-type", "application/json; charset=utf-8");
        let answer = Answer::of(request.body(format!("{mark}{body}"))).await;
        answer.expect_status(status);
    }
}

#[tokio::test]
async fn clients_without_an_application_type_may_use_loopback_and_private_schemes() {
    let server = TestServer::new().await;
    let lists: &[&[&str]] = &[
        &["http://127.0.0.1:53219/callback"],
        &[
            "http://localhost:8787/callback",
            "https://www.client.example/callback",
        ],
        &[
            "com.example.app:/oauth/callback",
            "https://www.client.example/callback",
            "http://[::1]/cb",
        ],
        &[
            "https://vscode.dev/redirect",
            "HTTP://LOCALHOST/",
            "http://127.0.0.1:33418/",
        ],
    ];
    for &uris in lists {
        let expected =
            json!({"redirect_uris": uris, "application_type": "native", "client_secret": null});
        check(&server, public(uris, json!({})), expected).await;
    }
    check(
        &server,
        public(&["HTTPS://client.example/cb"], json!({})),
        json!({"application_type": "web"}),
    )
    .await;
    let answer = server
        .post(&public(
            &["cursor://anysphere.cursor-mcp/oauth/callback"],
            json!({}),
        ))
        .await;
    answer.expect_bad_redirect();
    assert!(
        answer.text.contains("allowPrivateUseUriSchemesWithoutDot"),
        "{}",
        answer.text
    );
    let open = TestServer::registering(json!({"allowPrivateUseUriSchemesWithoutDot": true})).await;
    let mixed = [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://www.client.example/cb",
        "http://localhost/cb",
    ];
    check(
        &open,
        public(&mixed, json!({})),
        json!({"redirect_uris": mixed}),
    )
    .await;
}

#[tokio::test]
async fn web_clients_may_use_loopback_if_the_operator_allows_it() {
    let local = || {
        with(
            minimal(),
            json!({"application_type": "web", "redirect_uris": ["http://localhost:4242"]}),
        )
    };
    let answer = TestServer::new().await.post(&local()).await;
    answer.expect_bad_redirect();
    assert!(answer.text.contains("webAllowLoopback"), "{}", answer.text);
    let server = TestServer::registering(json!({"webAllowLoopback": true})).await;
    check(&server, local(), json!({"application_type": "web"})).await;
}

#[tokio::test]
async fn requested_flows_are_reduced_to_those_of_the_server() {
    let sent = with(
        minimal(),
        json!({
            "response_types": ["code", "id_token", "id_token token", "code id_token", "org.example.type"],
            "grant_types": ["authorization_code", "implicit", "refresh_token", "org.example.grant"],
            "response_modes": ["query", "org.example.mode"],
        }),
    );
    let left = json!({
        "response_types": ["code"], "grant_types": ["authorization_code", "refresh_token"],
        "response_modes": ["query"],
    });
    check(&TestServer::new().await, sent.clone(), left).await;
    let strict = TestServer::registering(json!({"unsupportedListValues": "refuse"})).await;
    let answer = strict.post(&sent).await;
    for place in ["response_types[1]", "grant_types[1]", "response_modes[1]"] {
        answer.expect_bad_metadata(place);
    }
    let hopeless = with(
        minimal(),
        json!({"grant_types": ["implicit"], "response_types": ["token"]}),
    );
    let answer = TestServer::new().await.post(&hopeless).await;
    answer.expect_bad_metadata("this server supports authorization_code, refresh_token");
    answer.expect_bad_metadata("this server supports only code");
}

#[tokio::test]
async fn scopes_may_be_separated_by_any_white_space() {
    const LINES: &str = "\n    openid\n    profile\t email \r\n  ";
    let server = TestServer::new().await;
    check(
        &server,
        with(minimal(), json!({"scope": LINES})),
        json!({"scope": "openid profile email"}),
    )
    .await;
    check(
        &server,
        with(minimal(), json!({"scope": " \n\t"})),
        json!({"scope": null}),
    )
    .await;

    let issuer = issuer();
    let entry = json!({"scopes": ["openid", "email"]});
    let believing = TestServer::registering(builtin(&issuer, entry)).await;
    let statement = issuer.token(json!({"scope": LINES, "software_id": "s"}));
    let body = with(minimal(), json!({"software_statement": statement}));
    assert_eq!(
        believing.register(&body).await.body["scope"],
        "openid email"
    );

    let script = r#"fn createClient(context) { context.client.scope = "openid\n   email"; true }"#;
    let scripted = TestServer::scripted(&[("10-scope.rhai", script)], |_| {}).await;
    assert_eq!(
        scripted.register(&minimal()).await.body["scope"],
        "openid email"
    );

    server
        .initial_access("one", json!({"policy": {"scopes": ["openid", "email"]}}))
        .await;
    let answer = server
        .post_with("one", &with(minimal(), json!({"scope": LINES})))
        .await;
    answer.expect_status(201);
    assert_eq!(answer.body["scope"], "openid email");
}

#[tokio::test]
async fn an_application_in_development_registers_with_its_local_pages() {
    let server = TestServer::new().await;
    let local = public(
        &["http://localhost:5173/oauth/callback"],
        json!({"client_uri": "http://localhost:5173", "tos_uri": "http://127.0.0.1:5173/terms",
               "initiate_login_uri": "http://localhost:5173/login", "logo_uri": "http://localhost:5173/logo.png"}),
    );
    let expected = json!({"client_uri": "http://localhost:5173", "tos_uri": "http://127.0.0.1:5173/terms",
                          "initiate_login_uri": "http://localhost:5173/login", "logo_uri": null});
    check(&server, local, expected).await;
    let elsewhere = with(minimal(), json!({"client_uri": "http://localhost:5173"}));
    server
        .post(&elsewhere)
        .await
        .expect_bad_metadata("client_uri");
}

#[tokio::test]
async fn page_uris_follow_the_operator_settings() {
    let on = |host: &str| with(minimal(), json!({"client_uri": format!("https://{host}/")}));
    let table = [
        ("any", 201, 201, 201),
        ("redirectHost", 201, 400, 400),
        ("redirectSite", 201, 201, 400),
    ];
    for (value, host, site, other) in table {
        let server = TestServer::registering(json!({"pageUriHosts": value})).await;
        for (name, status) in [
            ("client.example.org", host),
            ("www.example.org", site),
            ("a.example", other),
        ] {
            assert_eq!(
                server.post(&on(name)).await.status,
                status,
                "{value} {name}"
            );
        }
    }
}

#[tokio::test]
async fn an_error_names_the_value_that_was_sent() {
    let server =
        TestServer::registering(json!({"tokenEndpointAuthMethodsSupported": ["none"]})).await;
    let answer = server.post(&minimal()).await;
    answer.expect_bad_metadata(
        "client_secret_basic is the default for a request without token_endpoint_auth_method",
    );
    let answer = server
        .post(&public(
            &["https://a.example/cb"],
            json!({"grant_types": null, "response_types": []}),
        ))
        .await;
    answer.expect_bad_metadata("response_types: must contain a response type with code");
}

#[tokio::test]
async fn a_uri_that_other_servers_read_as_a_pattern_is_rejected() {
    let server = TestServer::new().await;
    for uri in [
        "https://a.example/*",
        "https://a.example/cb*",
        "http://localhost:*/cb",
        "http://localhost/*",
        "com.example.app:/*",
        "https://a.example/[x]",
        "com.example.app:/[x]",
        "https://a.example/\\x",
    ] {
        server
            .post(&public(&[uri], json!({})))
            .await
            .expect_bad_redirect();
    }
    let logout = json!({"post_logout_redirect_uris": ["https://a.example/*"]});
    server
        .post(&with(minimal(), logout))
        .await
        .expect_bad_metadata("register each URI");
    let open = TestServer::registering(json!({"redirectUriWildcardsEnabled": true})).await;
    check(
        &open,
        public(&["https://a.example/*"], json!({})),
        json!({"redirect_uris": ["https://a.example/*"]}),
    )
    .await;
}

#[tokio::test]
async fn each_type_of_value_has_its_own_limit() {
    let server = TestServer::configured(|configuration| {
        crate::support::registering(
            configuration,
            json!({"dynamicRegistrationCustomAttributes": ["tool"]}),
        );
    })
    .await;
    let large = |bytes: usize| json!({"tool": {"text": "x".repeat(bytes)}});
    assert_eq!(
        server.register(&with(minimal(), large(16_000))).await.body["tool"],
        large(16_000)["tool"]
    );
    server
        .post(&with(minimal(), large(16_384)))
        .await
        .expect_bad_metadata("limits.customAttributeBytes");
    let scopes = vec!["https://scopes.example/one"; 300].join(" ") + " openid";
    check(
        &server,
        with(minimal(), json!({"scope": scopes})),
        json!({"scope": "openid"}),
    )
    .await;
}
