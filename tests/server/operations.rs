//! The server from the view of its operators.

use registrar::config::ClientCertificates;
use registrar::testing::Algorithm;
use serde_json::json;

use crate::statements::keys_at;
use crate::support::certificates::Files;
use crate::support::{Answer, Origin, Reply, Signer, TestServer, minimal, with};

fn issued_by(issuer: &'static str) -> impl Future<Output = TestServer> {
    TestServer::configured(move |configuration| {
        configuration.settings.server.issuer = Some(issuer.to_owned());
    })
}

#[tokio::test]
async fn an_https_issuer_sends_strict_transport_security() {
    let server = issued_by("https://register.example.org").await;
    for path in [
        "/register",
        "/.well-known/oauth-authorization-server",
        "/nothing",
        "/healthz",
    ] {
        let answer = Answer::of(server.ask("GET", path)).await;
        assert_eq!(
            answer.header("strict-transport-security"),
            "max-age=31536000",
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("server"), "", "{path}");
    }
    let server = issued_by("http://register.example.org").await;
    let answer = Answer::of(server.ask("GET", "/healthz")).await;
    assert_eq!(answer.header("strict-transport-security"), "");
}

#[tokio::test]
async fn every_answer_has_a_unique_correlation_id() {
    let server = TestServer::new().await;
    let mut seen = std::collections::BTreeSet::new();
    for path in ["/register", "/nothing", "/healthz", "/healthz"] {
        let answer = Answer::of(server.ask("GET", path).header("x-correlation-id", "mine")).await;
        let id = answer.header("x-correlation-id").to_owned();
        assert!(uuid_like(&id), "{id}");
        assert!(seen.insert(id), "two answers have the same id");
    }
}

fn uuid_like(text: &str) -> bool {
    text.len() == 36
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[tokio::test]
async fn the_admin_listener_has_the_probes_and_the_admin_api_to_itself() {
    let server = TestServer::configured(|configuration| {
        configuration.settings.admin.listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let admin = server.server().admin_address().expect("an admin listener");
    for path in ["/healthz", "/readyz", "/metrics"] {
        Answer::of(server.ask("GET", &format!("http://{admin}{path}")))
            .await
            .expect_status(200);
        Answer::of(server.ask("GET", path))
            .await
            .expect_error(404, &["not_found"]);
        let post = server
            .ask("POST", &format!("http://{admin}{path}"))
            .json(&json!({}));
        Answer::of(post)
            .await
            .expect_error(405, &["method_not_allowed"]);
    }
    let administrator = server.administrator_token().await;
    let list =
        async |url: &str| Answer::of(server.ask("GET", url).bearer_auth(&administrator)).await;
    list(&format!("http://{admin}/admin/v1/clients"))
        .await
        .expect_status(200);
    list("/admin/v1/clients")
        .await
        .expect_error(404, &["not_found"]);
    server.post(&minimal()).await.expect_status(201);
    let elsewhere = server
        .ask("POST", &format!("http://{admin}/register"))
        .json(&minimal());
    Answer::of(elsewhere)
        .await
        .expect_error(404, &["not_found"]);
}

#[tokio::test]
async fn probes_need_no_certificate_even_if_clients_do() {
    let files = Files::new();
    let server = TestServer::configured(|configuration| {
        files.switch_on(configuration, ClientCertificates::Required);
        configuration.settings.admin.listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let admin = server.server().admin_address().expect("an admin listener");
    let http = files.client(None);
    assert_eq!(
        http.get(format!("http://{admin}/readyz"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert!(
        http.post(server.url("/register"))
            .json(&minimal())
            .send()
            .await
            .is_err()
    );
}

/// Returns the metric `registrar_` + `name`. Other tests in this process add to the same metrics, so
/// tests can only assert that a metric has grown.
async fn count(server: &TestServer, name: &str) -> u64 {
    let text = Answer::of(server.ask("GET", "/metrics")).await.text;
    let name = format!("registrar_{name} ");
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name.as_str()));
    value.map_or(0, |value| value.parse().expect("a number"))
}

#[tokio::test]
async fn fetches_key_lookups_and_registrations_are_counted() {
    let issuer = Signer::new("https://directory.example", Algorithm::Es256);
    let origin = Origin::new().await;
    let url = origin.at("/jwks", Reply::json(issuer.jwks()));
    let server =
        TestServer::configured(|configuration| keys_at(configuration, &issuer, &url)).await;
    let names = [
        r#"fetches_total{outcome="ok"}"#,
        "fetch_duration_seconds_count",
        r#"key_lookups_total{outcome="miss"}"#,
        r#"key_lookups_total{outcome="hit"}"#,
        r#"client_changes_total{change="registered",trust_level="statement"}"#,
    ];
    let mut before = Vec::new();
    for name in names {
        before.push(count(&server, name).await);
    }
    for _ in 0..2 {
        let statement = issuer.token(json!({}));
        server
            .post(&with(minimal(), json!({"software_statement": statement})))
            .await
            .expect_status(201);
    }
    assert_eq!(origin.hits("/jwks"), 1);
    for (name, before) in names.into_iter().zip(before) {
        assert!(count(&server, name).await > before, "{name} did not grow");
    }
}

#[tokio::test]
async fn two_servers_in_one_process_share_their_metrics() {
    let (one, other) = (TestServer::new().await, TestServer::new().await);
    one.register(&minimal()).await;
    other.register(&minimal()).await;
    for server in [&one, &other] {
        let registered = r#"client_changes_total{change="registered",trust_level="open"}"#;
        assert!(count(server, registered).await >= 2);
    }
}
