//! Client documents (Client ID Metadata Documents): a server that resolves URLs of an origin with TLS.

mod answers;
mod decisions;
mod fetching;
mod listing;
mod policy;
mod restart;
mod review;

use registrar::config::{ClientDocuments, Configuration};
use serde_json::{Value, json};

use crate::support::certificates::Files;
use crate::support::{Answer, Origin, Reply, TestServer, development_with, registering, with};

/// The path of the document of most tests.
pub(crate) const PATH: &str = "/oauth/client.json";

/// Returns `text` as a part of a URL.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A server that resolves documents, and the origin that has them.
pub(crate) struct World {
    pub(crate) server: TestServer,
    origin: Origin,
    files: Files,
}

impl World {
    /// Accepts documents from any URL, with these members on top of `[registration]`.
    pub(crate) async fn new(members: Value) -> Self {
        Self::with(&[], members, |_| {}).await
    }

    pub(crate) async fn with(
        scripts: &[(&str, &str)],
        members: Value,
        change: impl FnOnce(&mut Configuration),
    ) -> Self {
        let files = Files::new();
        let origin = Origin::with_tls(&files).await;
        let server = TestServer::scripted(scripts, |configuration| {
            configuration.settings.fetch = development_with(&files);
            configuration.live.registration.client_documents = ClientDocuments::Any;
            registering(configuration, members);
            change(configuration);
        })
        .await;
        Self {
            server,
            origin,
            files,
        }
    }

    /// Returns the smallest document of the URL of `path`, with these members on top.
    fn document(&self, path: &str, more: Value) -> Value {
        let document = json!({
            "client_id": self.origin.url(path), "client_name": "Editor",
            "redirect_uris": ["http://127.0.0.1/callback", "https://editor.example.org/cb"],
        });
        with(document, more)
    }

    /// Publishes that document at `path`, and returns its URL.
    pub(crate) fn publish(&self, path: &str, more: Value) -> String {
        self.origin.at(path, Reply::json(self.document(path, more)))
    }

    /// Sends a request of the administrator.
    pub(crate) async fn ask(&self, method: &str, url: &str) -> Answer {
        self.send(self.server.ask(method, url)).await
    }

    /// Sends `request` with a new token of the administrator, since the clock jumps.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let token = self.server.administrator_token().await;
        Answer::of(request.bearer_auth(token)).await
    }

    /// Resolves `url`.
    pub(crate) async fn resolve(&self, url: &str) -> Answer {
        self.resolve_with(url, &[]).await
    }

    async fn resolve_with(&self, url: &str, more: &[(&str, &str)]) -> Answer {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", url).extend_pairs(more);
        let path = format!("/admin/v1/clients/resolve?{}", query.finish());
        self.ask("GET", &path).await
    }

    /// Resolves `url`, which must be a client, and returns its record.
    pub(crate) async fn client(&self, url: &str) -> Value {
        let answer = self.resolve(url).await;
        answer.expect_status(200);
        answer.body
    }

    /// Sends an order about a document.
    pub(crate) async fn order(&self, word: &str, body: Value) -> Answer {
        let url = format!("/admin/v1/client-documents/{word}");
        let request = self.server.ask("POST", &url).json(&body);
        self.send(request).await
    }

    /// Returns the actions in the audit log that concern documents.
    async fn actions(&self) -> Vec<String> {
        let answer = self.ask("GET", "/admin/v1/audit?limit=500").await;
        let events = answer.member("events").as_array().unwrap();
        let actions = events.iter().map(|event| event["action"].as_str().unwrap());
        let of_documents = actions.filter(|action| action.starts_with("document_"));
        of_documents.map(str::to_owned).collect()
    }

    /// Waits until the origin got this number of requests for `path`.
    async fn until_hits(&self, path: &str, hits: usize) {
        crate::events::until(async || self.origin.hits(path) >= hits).await;
    }
}
