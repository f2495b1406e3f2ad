//! What those who run the server see of it.

use serde_json::json;

use crate::support::{Answer, TestServer, b0};

fn issued_by(issuer: &'static str) -> impl Future<Output = TestServer> {
    TestServer::configured(move |configuration| {
        configuration.settings.server.issuer = Some(issuer.to_owned());
    })
}

#[tokio::test]
async fn an_https_issuer_is_never_tried_without_again() {
    let server = issued_by("https://register.example.org").await;
    for path in ["/register", "/.well-known/oauth-authorization-server", "/nothing", "/healthz"] {
        let answer = Answer::of(server.ask("GET", path)).await;
        assert_eq!(answer.header("strict-transport-security"), "max-age=31536000", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("server"), "", "{path}");
    }
    let server = issued_by("http://register.example.org").await;
    let answer = Answer::of(server.ask("GET", "/healthz")).await;
    assert_eq!(answer.header("strict-transport-security"), "");
}

#[tokio::test]
async fn every_answer_has_a_name_of_its_own() {
    let server = TestServer::new().await;
    let mut seen = std::collections::BTreeSet::new();
    for path in ["/register", "/nothing", "/healthz", "/healthz"] {
        let answer = Answer::of(server.ask("GET", path).header("x-correlation-id", "mine")).await;
        let id = answer.header("x-correlation-id").to_owned();
        assert!(uuid_like(&id), "{id}");
        assert!(seen.insert(id), "two answers have one name");
    }
}

fn uuid_like(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[tokio::test]
async fn the_admin_listener_has_the_probes_to_itself() {
    let server = TestServer::configured(|configuration| {
        configuration.settings.admin.listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let admin = server.server().admin_address().expect("an admin listener");
    for path in ["/healthz", "/readyz", "/metrics"] {
        Answer::of(server.ask("GET", &format!("http://{admin}{path}"))).await.expect_status(200);
        Answer::of(server.ask("GET", path)).await.expect_error(404, &["not_found"]);
        let post = server.ask("POST", &format!("http://{admin}{path}")).json(&json!({}));
        Answer::of(post).await.expect_error(405, &["method_not_allowed"]);
    }
    server.post(&b0()).await.expect_status(201);
    let elsewhere = server.ask("POST", &format!("http://{admin}/register")).json(&b0());
    Answer::of(elsewhere).await.expect_error(404, &["not_found"]);
}

#[tokio::test]
async fn two_servers_in_one_process_add_to_the_same_numbers() {
    let (one, other) = (TestServer::new().await, TestServer::new().await);
    one.register(&b0()).await;
    other.register(&b0()).await;
    for server in [&one, &other] {
        let text = Answer::of(server.ask("GET", "/metrics")).await.text;
        let name = r#"registrar_client_changes_total{change="registered",trust_level="open"} "#;
        let count = text.lines().find_map(|line| line.strip_prefix(name)).expect("clients were registered");
        assert!(count.parse::<u64>().unwrap() >= 2, "{count}");
    }
}
