//! Client documents (Client ID Metadata Documents): a server that resolves URLs of an origin with TLS.

mod answers;
mod decisions;
mod downgrades;
mod fetching;
mod hosts;
mod limits;
mod listing;
mod own;
mod policy;
mod refusals;
mod rejected;
mod restart;
mod review;
mod revisions;

use std::sync::Arc;

use registrar::config::{ClientDocuments, Configuration};
use registrar::testing::FakeNames;
use serde_json::{Value, json};

use crate::support::certificates::Files;
use crate::support::{Answer, Origin, Reply, TestServer, development_with, registering, with};

/// The path of the document of most tests.
pub(crate) const PATH: &str = "/oauth/client.json";

/// Returns `text` as a part of a URL.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Returns the path of the client with the identifier `id` in the admin API.
fn client_path(id: &str) -> String {
    format!("/admin/v1/clients/{}", encoded(id))
}

/// Returns the path of `url`.
fn path_of(url: &str) -> &str {
    let rest = url.strip_prefix("https://").unwrap();
    &rest[rest.find('/').unwrap()..]
}

/// Returns the smallest document of `url`, with these members on top.
fn smallest(url: &str, more: Value) -> Value {
    let document = json!({
        "client_id": url, "client_name": "Editor",
        "redirect_uris": ["http://127.0.0.1/callback", "https://editor.example.org/cb"],
    });
    with(document, more)
}

/// A server that resolves documents, and the origin that has them.
pub(crate) struct World {
    pub(crate) server: TestServer,
    origin: Origin,
    files: Files,
    names: Arc<FakeNames>,
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
        Self::at(&[], scripts, members, change).await
    }

    /// The same, with an origin that has these host names.
    async fn at(
        hosts: &[&str],
        scripts: &[(&str, &str)],
        members: Value,
        change: impl FnOnce(&mut Configuration),
    ) -> Self {
        let files = Files::new();
        files.write(&files.authority.hosts(hosts));
        let origin = Origin::with_tls(&files).await;
        let names = Arc::new(FakeNames::default());
        for host in hosts {
            names.set(host, [vec![origin.address()]]);
        }
        let server = TestServer::naming(&names, scripts, |configuration| {
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
            names,
        }
    }

    /// Returns the smallest document of the URL of `path`, with these members on top.
    fn document(&self, path: &str, more: Value) -> Value {
        smallest(&self.origin.url(path), more)
    }

    /// Publishes such a document at `url`, whose host is one of the origin.
    fn publish_at(&self, url: &str, more: Value) {
        let reply = Reply::json(smallest(url, more));
        self.origin.set(path_of(url), reply);
    }

    /// Publishes that document at `path`, and returns its URL.
    pub(crate) fn publish(&self, path: &str, more: Value) -> String {
        self.origin.at(path, Reply::json(self.document(path, more)))
    }

    /// Publishes another version of that document, and lets so much time pass that it is fetched before it is used.
    fn change(&self, path: &str, more: Value) {
        self.publish(path, more);
        self.server.clock.advance(400);
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

    /// Approves the octets with this digest.
    async fn approve(&self, url: &str, digest: &Value) {
        let approval = json!({"client_id": url, "digest": digest});
        self.order("approve", approval).await.expect_status(200);
    }

    /// Checks that `url` waits for an administrator, and returns the answer that says so.
    async fn expect_pending(&self, url: &str) -> Answer {
        let answer = self.resolve(url).await;
        answer.expect_error(403, &["document_pending"]);
        answer
    }

    /// Checks that `url` is denied.
    async fn expect_denied(&self, url: &str) {
        let answer = self.resolve(url).await;
        answer.expect_error(403, &["document_denied"]);
    }

    /// Returns the document at `url` that waits.
    pub(crate) async fn candidate(&self, url: &str) -> Value {
        let path = format!(
            "/admin/v1/client-documents/candidate?client_id={}",
            encoded(url)
        );
        let answer = self.ask("GET", &path).await;
        answer.expect_status(200);
        answer.body
    }

    /// Changes these members of a client, whose record is `client`, as an administrator.
    async fn change_client(&self, client: &Value, more: Value) {
        let path = client_path(client["client_id"].as_str().unwrap());
        let metadata = with(client["metadata"].clone(), more);
        let request = self.server.ask("PUT", &path).json(&metadata);
        self.send(request).await.expect_status(200);
    }

    /// Returns the identifiers of the clients that documents made.
    async fn clients(&self) -> Vec<String> {
        let path = "/admin/v1/clients?trust_level=document";
        let listed = self.ask("GET", path).await;
        let clients = listed.body["clients"].as_array().unwrap().clone();
        let ids = clients
            .iter()
            .map(|client| client["client_id"].as_str().unwrap());
        ids.map(str::to_owned).collect()
    }

    /// Returns the events in the audit log that concern documents.
    async fn events(&self) -> Vec<Value> {
        let answer = self.ask("GET", "/admin/v1/audit?limit=500").await;
        let events = answer.member("events").as_array().unwrap().clone();
        let is_documents =
            |event: &Value| event["action"].as_str().unwrap().starts_with("document_");
        events.into_iter().filter(is_documents).collect()
    }

    /// Returns the actions in the audit log that concern documents.
    async fn actions(&self) -> Vec<String> {
        let events = self.events().await;
        let actions = events.iter().map(|event| event["action"].as_str().unwrap());
        actions.map(str::to_owned).collect()
    }

    /// Waits until the origin got this number of requests for `path`.
    async fn until_hits(&self, path: &str, hits: usize) {
        crate::events::until(async || self.origin.hits(path) >= hits).await;
    }
}
