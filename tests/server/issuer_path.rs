//! An issuer with a path: all endpoints answer at the URLs in the metadata, and also without the path,
//! for proxies that remove it.

use serde_json::{Value, json};

use crate::support::{Answer, Registered, TestServer, minimal};

const ISSUER: &str = "https://as.example.org/tenant/one";

async fn server() -> TestServer {
    TestServer::configured(|configuration| {
        configuration.settings.server.issuer = Some(ISSUER.to_owned());
    })
    .await
}

/// Returns the path of one of its own URLs, at which the test calls the server.
fn path(url: &Value) -> String {
    let url = url.as_str().expect("a URL");
    url.strip_prefix("https://as.example.org")
        .unwrap_or_else(|| panic!("{url} is not below the issuer"))
        .to_owned()
}

async fn document(server: &TestServer, path: &str) -> Value {
    let answer = Answer::of(server.ask("GET", path)).await;
    answer.expect_status(200);
    answer.body
}

#[tokio::test]
async fn the_documents_are_wherever_clients_expect_them() {
    let server = server().await;
    let one = document(
        &server,
        "/.well-known/oauth-authorization-server/tenant/one",
    )
    .await;
    assert_eq!(one["issuer"], ISSUER);
    for path in [
        "/.well-known/openid-configuration/tenant/one",
        "/tenant/one/.well-known/openid-configuration",
        "/tenant/one/.well-known/oauth-authorization-server",
        // A proxy has removed the path.
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        assert_eq!(document(&server, path).await, one, "{path}");
        let preflight = server
            .ask("OPTIONS", path)
            .header("origin", "https://app.example.org");
        let preflight = Answer::of(preflight.header("access-control-request-method", "GET")).await;
        assert_eq!(
            preflight.header("access-control-allow-origin"),
            "*",
            "{path}"
        );
    }
    for path in [
        "/.well-known/openid-configuration/tenant",
        "/.well-known/openid-configuration/other",
        "/tenant/.well-known/openid-configuration",
        "/tenant/one/tenant/one/.well-known/openid-configuration",
        "/tenant/one",
        "/tenant/onetoken",
    ] {
        Answer::of(server.ask("GET", path)).await.expect_status(404);
    }
}

#[tokio::test]
async fn every_endpoint_answers_at_its_url_in_the_document() {
    let server = server().await;
    let found = document(&server, "/tenant/one/.well-known/openid-configuration").await;
    let endpoints: Vec<&String> = found
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| name.ends_with("_endpoint"))
        .collect();
    assert_eq!(endpoints.len(), 4, "{endpoints:?}");
    for name in endpoints {
        let answer = Answer::of(server.ask("POST", &path(&found[name]))).await;
        assert!(
            answer.status != 404 && answer.status != 405,
            "{name}: {}",
            answer.status
        );
    }
    Answer::of(server.ask("GET", &path(&found["jwks_uri"])))
        .await
        .expect_status(200);
}

#[tokio::test]
async fn a_client_is_managed_below_the_issuer_and_behind_a_proxy_that_removes_the_path() {
    let server = server().await;
    for base in ["/tenant/one", ""] {
        let body = json!({"grant_types": ["client_credentials"], "response_types": [], "token_endpoint_auth_method": "client_secret_post"});
        let answer = Answer::of(server.ask("POST", &format!("{base}/register")).json(&body)).await;
        answer.expect_status(201);
        let client = Registered::of(answer.body.clone());
        assert!(
            client
                .uri
                .starts_with(&format!("{ISSUER}/register?client_id=")),
            "{}",
            client.uri
        );
        let uri = path(&json!(client.uri));
        let stripped = uri.strip_prefix("/tenant/one").unwrap().to_owned();
        for uri in [&uri, &stripped] {
            let read = Answer::of(server.ask("GET", uri).bearer_auth(&client.token)).await;
            assert_eq!(
                (read.status, read.member("client_id")),
                (200, &json!(client.id)),
                "{uri}"
            );
        }
        let update = crate::support::with(body, json!({"client_id": client.id}));
        Answer::of(
            server
                .ask("PUT", &uri)
                .bearer_auth(&client.token)
                .json(&update),
        )
        .await
        .expect_status(200);
        Answer::of(server.ask("DELETE", &uri).bearer_auth(&client.token))
            .await
            .expect_status(204);
    }
}

#[tokio::test]
async fn a_configured_path_is_not_mistaken_for_one_below_the_issuer() {
    let server = TestServer::configured(|configuration| {
        configuration.settings.server.issuer = Some(ISSUER.to_owned());
        configuration.settings.server.paths.registration = "/tenant/one/register".to_owned();
    })
    .await;
    for path in ["/tenant/one/register", "/tenant/one/tenant/one/register"] {
        Answer::of(server.ask("POST", path).json(&minimal()))
            .await
            .expect_status(201);
    }
}

#[tokio::test]
async fn the_openapi_document_and_the_admin_api_are_below_the_issuer_too() {
    let server = server().await;
    let token = server.administrator_token().await;
    let document = Answer::of(
        server
            .ask("GET", "/tenant/one/admin/v1/openapi.json")
            .bearer_auth(&token),
    )
    .await;
    document.expect_status(200);
    // UDAP metadata exists only if clients register by certificates.
    let is_there = |path: &&String| !path.contains('{') && !path.ends_with("/udap");
    for path in document.body["paths"]
        .as_object()
        .unwrap()
        .keys()
        .filter(is_there)
    {
        let asked = if path.contains("/.well-known/") {
            path.clone()
        } else {
            format!("/tenant/one{path}")
        };
        let answer = Answer::of(server.ask("GET", &asked)).await;
        assert_ne!(answer.status, 404, "{asked}");
    }
    Answer::of(server.ask("GET", "/tenant/one/healthz"))
        .await
        .expect_status(200);
}

/// As Auth0 and Matrix Authentication Service write theirs. The slash is part of the identifier only.
#[tokio::test]
async fn an_issuer_may_end_with_a_slash() {
    let plain = document(&server().await, "/.well-known/openid-configuration").await;
    let issuer = format!("{ISSUER}/");
    let ends = TestServer::configured(|configuration| {
        configuration.settings.server.issuer = Some(issuer.clone());
    })
    .await;
    for path in [
        "/.well-known/oauth-authorization-server/tenant/one",
        "/tenant/one/.well-known/openid-configuration",
    ] {
        let mut found = document(&ends, path).await;
        assert_eq!(found["issuer"], issuer);
        found["issuer"] = plain["issuer"].clone();
        assert_eq!(found, plain, "{path}");
    }
    let client = ends.post(&minimal()).await;
    let uri = client.member("registration_client_uri");
    let expected = format!("{ISSUER}/register?client_id=");
    assert!(uri.as_str().unwrap().starts_with(&expected), "{uri}");
}
