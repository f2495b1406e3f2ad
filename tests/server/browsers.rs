//! Cross-origin requests: what programs in a browser may request, and what they may not.

use crate::support::{Answer, TestServer};

/// The paths that a program in a browser needs: discovery, keys, registration and management, and the
/// challenge for a registration with an attestation.
const OPEN: &[&str] = &[
    "/register",
    "/register?client_id=x",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/udap",
    "/jwks",
    "/challenge",
];

/// The paths for which no web page has credentials.
const CLOSED: &[&str] = &[
    "/token",
    "/introspect",
    "/revoke",
    "/admin/v1/clients",
    "/admin/v1/config",
    "/admin/v1/openapi.json",
    "/healthz",
    "/metrics",
    "/nothing",
];

async fn preflight(server: &TestServer, path: &str, method: &str, headers: &str) -> Answer {
    let request = server
        .ask("OPTIONS", path)
        .header("origin", "https://app.example.org")
        .header("access-control-request-method", method)
        .header("access-control-request-headers", headers);
    Answer::of(request).await
}

#[tokio::test]
async fn options_on_an_open_path_is_answered_with_the_allowed_methods_and_headers() {
    let server = TestServer::new().await;
    let headers = "authorization,content-type,mcp-protocol-version,x-requested-with,traceparent,baggage,x-any";
    for path in OPEN {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let answer = preflight(&server, path, method, headers).await;
            assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text);
            assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
            assert!(
                answer
                    .header("access-control-allow-methods")
                    .contains(method),
                "{path}"
            );
            assert_eq!(
                answer.header("access-control-allow-headers"),
                headers,
                "{path}"
            );
            assert_eq!(
                answer.header("access-control-allow-credentials"),
                "",
                "{path}"
            );
        }
        // The page can read the answer and error responses, too.
        for method in ["GET", "POST", "PATCH", "OPTIONS"] {
            let request = server
                .ask(method, path)
                .header("origin", "https://app.example.org");
            let answer = Answer::of(request).await;
            assert_eq!(
                answer.header("access-control-allow-origin"),
                "*",
                "{method} {path}: {}",
                answer.status
            );
        }
    }
}

#[tokio::test]
async fn requested_headers_are_repeated_only_up_to_a_limit() {
    let server = TestServer::new().await;
    let long = vec!["x-some-header"; 1_000].join(",");
    let answer = preflight(&server, "/jwks", "GET", &long).await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-headers")),
        (200, "")
    );
}

#[tokio::test]
async fn no_web_page_may_call_a_path_that_needs_server_credentials() {
    let server = TestServer::new().await;
    for path in CLOSED {
        for method in ["OPTIONS", "GET", "POST"] {
            let request = server
                .ask(method, path)
                .header("origin", "https://app.example.org");
            let answer = Answer::of(request.header("access-control-request-method", "GET")).await;
            let allowed = answer
                .headers
                .keys()
                .find(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(allowed, None, "{method} {path}");
        }
    }
}
