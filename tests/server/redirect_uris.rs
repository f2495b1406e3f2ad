//! Redirect URIs.

use serde_json::{Value, json};

use crate::support::{TestServer, minimal, with};

async fn check(server: &TestServer, application_type: &str, uri: &str, is_accepted: bool) {
    let body = with(
        minimal(),
        json!({"application_type": application_type, "redirect_uris": [uri]}),
    );
    let answer = server.post(&body).await;
    if is_accepted {
        answer.expect_status(201);
        assert_eq!(
            answer.body["redirect_uris"],
            json!([uri]),
            "the URI is returned byte for byte"
        );
    } else {
        answer.expect_bad_redirect();
    }
}

#[tokio::test]
async fn redirect_uris_are_a_non_empty_array() {
    let server = TestServer::new().await;
    for value in [
        json!("https://client.example.org/cb"),
        json!([]),
        json!([5]),
        json!([""]),
        Value::Null,
    ] {
        let answer = server
            .post(&with(minimal(), json!({"redirect_uris": value})))
            .await;
        answer.expect_bad_redirect();
    }
    server
        .post(&json!({"client_name": "K"}))
        .await
        .expect_bad_redirect();
}

#[tokio::test]
async fn a_redirect_uri_is_an_absolute_https_uri_without_a_fragment() {
    let server = TestServer::new().await;
    let refused = [
        "https://client.example.org/cb#frag",
        "https://client.example.org/cb#",
        "/cb",
        "client.example.org/cb",
        "//client.example.org/cb",
        "https://",
        "https:///cb",
        "https:client.example.org/cb",
        "http://client.example.org/cb",
        "http://localhost/cb",
    ];
    for uri in refused {
        check(&server, "web", uri, false).await;
    }
}

#[tokio::test]
async fn a_native_client_may_use_loopback_and_schemes_with_a_dot() {
    let server = TestServer::new().await;
    let accepted = [
        "http://localhost:8080/cb",
        "http://127.0.0.1/cb",
        "http://[::1]:5000/cb",
        "com.example.app:/cb",
        "com.example.app://callback",
        "https://app.example.org/cb",
    ];
    for uri in accepted {
        check(&server, "native", uri, true).await;
    }
    for uri in [
        "myapp://cb",
        "http://client.example.org/cb",
        "http://127.0.0.1.example.org/cb",
        "com.example.app:/cb#f",
    ] {
        check(&server, "native", uri, false).await;
    }
    check(&server, "web", "com.example.app:/cb", false).await;
    let lenient =
        TestServer::registering(json!({"allowPrivateUseUriSchemesWithoutDot": true})).await;
    check(&lenient, "native", "myapp://cb", true).await;
}

#[tokio::test]
async fn dangerous_schemes_are_rejected() {
    let server =
        TestServer::registering(json!({"allowPrivateUseUriSchemesWithoutDot": true})).await;
    let schemes = [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://a.example/x",
        "about:blank",
        "view-source:https://a.example/",
    ];
    for uri in schemes {
        for application_type in ["web", "native"] {
            check(&server, application_type, uri, false).await;
        }
    }
}

#[tokio::test]
async fn ambiguous_uris_are_rejected() {
    let server = TestServer::new().await;
    let refused = [
        "https://u:p@client.example.org/cb",
        "https://u@client.example.org/cb",
        "https://*.example.org/cb",
        "https://client.example.org\\@evil.example/cb",
        "https://client.example.org/cb\r\nX: y",
        "https://client.example.org/c b",
        "https://client.example.org/cb\t",
        "https://cli\u{e9}nt.example.org/cb",
        "https://client.example.org/\u{e9}",
        "https://client.example.org/a/../cb",
        "https://client.example.org/./cb",
        "https://client.example.org/%2e%2e/cb",
        "https://2130706433/cb",
        "https://0x7f000001/cb",
        "https://client.example.org:99999/cb",
    ];
    for uri in refused {
        check(&server, "web", uri, false).await;
    }
}

#[tokio::test]
async fn an_accepted_uri_is_never_normalised() {
    let server = TestServer::new().await;
    let accepted = [
        "https://client.example.org/cb?x=1&y=%20z",
        "https://client.example.org",
        "https://CLIENT.example.org/CB",
        "https://client.example.org:443/cb",
        "https://client.example.org/cb/",
    ];
    for uri in accepted {
        check(&server, "web", uri, true).await;
    }
}

#[tokio::test]
async fn number_and_length_are_limited() {
    let server = TestServer::new().await;
    let many: Vec<String> = (0..1_000)
        .map(|number| format!("https://client.example.org/{number}"))
        .collect();
    server
        .post(&json!({"redirect_uris": many}))
        .await
        .expect_bad_redirect();
    let long = format!("https://client.example.org/{}", "a".repeat(10_000));
    check(&server, "web", &long, false).await;
    let twice = json!({"redirect_uris": ["https://a.example/cb", "https://a.example/cb"]});
    server.post(&twice).await.expect_bad_redirect();
}

#[tokio::test]
async fn an_implicit_web_client_needs_https_and_no_localhost() {
    let server = TestServer::registering(json!({
        "grantTypesSupported": ["authorization_code", "implicit"],
        "responseTypesSupported": ["code", "token", "id_token", "id_token token"],
    }))
    .await;
    for uri in ["http://client.example.org/cb", "https://localhost/cb"] {
        let body = json!({"redirect_uris": [uri], "grant_types": ["implicit"], "response_types": ["id_token"]});
        server.post(&body).await.expect_bad_redirect();
    }
}

#[tokio::test]
async fn https_for_native_clients_is_an_option() {
    let server = TestServer::registering(json!({"nativeAllowHttps": false})).await;
    check(&server, "native", "https://app.example.org/cb", false).await;
    check(&server, "native", "http://client.example.org/cb", false).await;
}

#[tokio::test]
async fn the_operator_lists_allowed_and_denied_hosts() {
    let server = TestServer::registering(json!({
        "redirectUriAllowList": ["*.example.org"],
        "redirectUriDenyList": ["https://bad.example.org/*"],
    }))
    .await;
    check(&server, "web", "https://client.example.org/cb", true).await;
    check(&server, "web", "https://client.example.com/cb", false).await;
    check(&server, "web", "https://notexample.org/cb", false).await;
    check(&server, "web", "https://bad.example.org/cb", false).await;
}
