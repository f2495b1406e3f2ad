//! `registrar documents check URL`: what is found by fetching a document.

use registrar::config::{ClientDocumentRedirectUris, FetchSettings, Live};
use registrar::testing::check_client_document;
use serde_json::{Value, json};

use crate::support::certificates::Files;
use crate::support::{Answer, Canary, Origin, Reply, TestServer, development_with};

/// An origin with a certificate that the check trusts.
struct Host {
    files: Files,
    origin: Origin,
}

impl Host {
    async fn new() -> Self {
        let files = Files::new();
        let origin = Origin::with_tls(&files).await;
        Self { files, origin }
    }

    fn document(&self) -> Value {
        json!({
            "client_id": self.origin.url("/client.json"),
            "client_name": "App",
            "redirect_uris": [self.origin.url("/cb")],
            "token_endpoint_auth_method": "none",
            "token_endpoint_auth_methods_supported": ["none"],
        })
    }

    /// Checks the errors and warnings, each as `member: words`, when the host answers with each of `replies`.
    async fn check(&self, replies: &[Reply], errors: &[&str], warnings: &[&str]) -> Value {
        self.origin.set_each("/client.json", replies.to_vec());
        let url = self.origin.url("/client.json");
        let report = check_client_document(development_with(&self.files), &Live::default(), &url)
            .await
            .unwrap();
        for (list, expected) in [("errors", errors), ("warnings", warnings)] {
            let found = report[list].as_array().unwrap();
            assert_eq!(found.len(), expected.len(), "{report:#}");
            for (one, expected) in found.iter().zip(expected) {
                let text = format!(
                    "{}: {}",
                    one["member"].as_str().unwrap(),
                    one["text"].as_str().unwrap()
                );
                assert!(
                    text.contains(expected),
                    "{text} does not contain {expected}"
                );
            }
        }
        assert_eq!(report["valid"], errors.is_empty());
        report
    }
}

fn kept(document: &Value) -> Reply {
    Reply::json(document.clone()).header("cache-control", "max-age=600")
}

#[tokio::test]
async fn a_good_document_is_reported_with_what_is_registered() {
    let host = Host::new().await;
    let document = host.document();
    let report = host.check(&[kept(&document)], &[], &[]).await;
    assert_eq!(report["metadata"]["application_type"], "web");
    assert_eq!(report["client_id"], document["client_id"]);
    assert_eq!(host.origin.hits("/client.json"), 2);
    assert_eq!(
        host.origin.asked("/client.json", "accept").as_deref(),
        Some("application/json")
    );
}

#[tokio::test]
async fn an_answer_that_is_no_document_is_named() {
    let host = Host::new().await;
    let good = host.document();
    let challenge = Reply::text("text/html", "<p>")
        .with_status(403)
        .header("cf-mitigated", "challenge");
    for (reply, error) in [
        (
            challenge,
            ": the document cannot be fetched: the answer has status 403, but must have status 200 (the answer \
                     has the content type text/html); the host wants a browser to solve a challenge",
        ),
        (
            Reply::status(301).header("location", host.origin.url("/good")),
            "redirects are not followed (status 301)",
        ),
        (Reply::status(204), "status 204"),
        (
            Reply::text("text/html", good.to_string()),
            "must have the content type application/json",
        ),
        (
            Reply::text("application/json", "x".repeat(6 * 1024)),
            "larger than 5120 bytes",
        ),
        (
            Reply::text("application/json", "\u{feff}{}"),
            "cannot be read",
        ),
        (
            Reply::text("application/json", r#"{"client_id":"a","client_id":"b"}"#),
            "duplicate member",
        ),
    ] {
        host.check(&[reply.header("cache-control", "max-age=1")], &[error], &[])
            .await;
    }
    assert_eq!(host.origin.hits("/good"), 0);
}

#[tokio::test]
async fn a_host_that_varies_or_states_no_lifetime_is_warned_about() {
    let host = Host::new().await;
    let good = host.document();
    let mut other = good.clone();
    other["client_name"] = json!("Other");
    host.check(&[Reply::json(good.clone())], &[], &["without a lifetime"])
        .await;
    let long = Reply::json(good.clone()).header("cache-control", "max-age=100000");
    host.check(&[long], &[], &["may be kept for 100000 seconds"])
        .await;
    host.check(
        &[kept(&good), kept(&other)],
        &[],
        &["two fetches returned different documents"],
    )
    .await;
    host.check(
        &[kept(&good), Reply::status(500)],
        &[],
        &["a second fetch had status 500"],
    )
    .await;
    let challenged = kept(&good)
        .header("cf-mitigated", "challenge")
        .header("content-encoding", "gzip");
    host.check(
        &[challenged],
        &[],
        &["challenges some requests", "the coding gzip"],
    )
    .await;
}

#[tokio::test]
async fn the_picture_is_fetched_too() {
    let host = Host::new().await;
    let mut document = host.document();
    document["logo_uri"] = json!(host.origin.url("/logo"));
    for (reply, warning) in [
        (
            Reply::status(404),
            "logo_uri: cannot be fetched: the answer has status 404",
        ),
        (
            Reply::text("image/svg+xml", "<svg/>"),
            "logo_uri: is not a PNG",
        ),
        (Reply::endless(), "logo_uri: is larger than 262144 bytes"),
    ] {
        host.origin.set("/logo", reply);
        host.check(&[kept(&document)], &[], &[warning]).await;
    }
    host.origin.set("/logo", Reply::text("image/gif", "GIF89a"));
    host.check(&[kept(&document)], &[], &[]).await;
}

#[tokio::test]
async fn an_administrator_checks_by_the_settings_of_the_server() {
    let host = Host::new().await;
    let server = TestServer::configured(|configuration| {
        configuration.settings.fetch = development_with(&host.files);
        configuration
            .live
            .registration
            .client_document_redirect_uris = ClientDocumentRedirectUris::SameHost;
    })
    .await;
    let mut document = host.document();
    host.origin.set("/client.json", kept(&document));
    let ask = async |body: Value| {
        let request = server
            .administrate("POST", "/admin/v1/client-documents/check")
            .await;
        Answer::of(request.json(&body)).await
    };
    let url = document["client_id"].clone();
    let published = ask(json!({"client_id": url})).await;
    published.expect_status(200);
    assert_eq!(published.member("valid"), &json!(true));
    assert_eq!(published.body["metadata"]["application_type"], "web");
    document["redirect_uris"] = json!(["https://other.example.org/cb"]);
    let other = ask(json!({"client_id": url, "document": document})).await;
    other.expect_status(200);
    assert_eq!(other.body["errors"][0]["member"], "redirect_uris[0]");
    assert!(other.body.get("metadata").is_none());
    assert_eq!(host.origin.hits("/client.json"), 2);
    ask(json!({})).await.expect_status(400);
}

#[tokio::test]
async fn nothing_in_a_private_network_is_fetched() {
    let canary = Canary::new();
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        let url = format!("https://{host}:{}/client.json", canary.port());
        let report = check_client_document(FetchSettings::default(), &Live::default(), &url)
            .await
            .unwrap();
        let text = report["errors"][0]["text"].as_str().unwrap();
        assert!(
            text.contains("must have the name of a host on the public internet"),
            "{text}"
        );
    }
    canary.expect_untouched();
}
