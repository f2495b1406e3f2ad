//! Client documents that several servers resolve: what one has fetched or decided counts for the other.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join;
use registrar::clock::{ManualClock, Timestamp};
use registrar::config::{Sources, load};
use registrar::server::{Server, Start, start};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::database::{Database, note_secrets};
use crate::support::{Files, Origin, Reply};

const PATH: &str = "/oauth/client.json";

/// Two servers on one database, with one clock, and the host of the documents.
struct Pair {
    one: Node,
    two: Node,
    clock: Arc<ManualClock>,
    origin: Origin,
    database: Database,
    _files: (Files, TempDir),
}

/// A server of this process.
struct Node {
    server: Server,
    http: reqwest::Client,
    credentials: PathBuf,
}

impl Node {
    /// Sends a call of the administrator, and returns the status and the answer.
    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let base = format!("http://{}", self.server.address());
        let credentials = std::fs::read(&self.credentials).unwrap();
        let credentials: Value = serde_json::from_slice(&credentials).unwrap();
        let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
        let request = self.http.post(format!("{base}/token"));
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .basic_auth(text("client_id"), Some(text("client_secret")));
        let answer = request.body("grant_type=client_credentials").send().await;
        let token: Value = answer.unwrap().json().await.unwrap();
        note_secrets(&token);
        let url = format!("{base}{path}");
        let mut request = self.http.request(method.parse().unwrap(), url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let token = token["access_token"].as_str().unwrap();
        let answer = request.bearer_auth(token).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    async fn resolve(&self, url: &str) -> (u16, Value) {
        let url: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
        let path = format!("/admin/v1/clients/resolve?client_id={url}");
        self.call("GET", &path, None).await
    }

    /// Resolves `url`, which must be a client.
    async fn client(&self, url: &str) -> Value {
        let (status, client) = self.resolve(url).await;
        assert_eq!(status, 200, "{client}");
        client
    }

    /// Checks that `url` is refused with this status and code.
    async fn expect_refused(&self, url: &str, (status, code): (u16, &str)) {
        let (found, answer) = self.resolve(url).await;
        assert_eq!(
            (found, &answer["error"]),
            (status, &json!(code)),
            "{answer}"
        );
    }

    async fn order(&self, word: &str, body: Value) {
        let path = format!("/admin/v1/client-documents/{word}");
        let (status, answer) = self.call("POST", &path, Some(&body)).await;
        assert!([200, 204].contains(&status), "{answer}");
    }

    /// Returns the document of `url` that waits.
    async fn candidate(&self, url: &str) -> Value {
        let url: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
        let path = format!("/admin/v1/client-documents/candidate?client_id={url}");
        let (status, candidate) = self.call("GET", &path, None).await;
        assert_eq!(status, 200, "{candidate}");
        candidate
    }
}

/// Starts a server on `database`, with these options of `[registration]`.
async fn node(
    (database, files, folder): (&Database, &Files, &TempDir),
    clock: &Arc<ManualClock>,
    options: &[(&str, &str)],
) -> Node {
    let credentials = folder.path().join("administrator.json");
    let fixed = [
        ("server.listen", "127.0.0.1:0".to_owned()),
        ("store.url", database.url.clone()),
        ("store.keyFile", database.key_file().display().to_string()),
        ("admin.credentialsFile", credentials.display().to_string()),
        ("fetch.allowPrivateAddresses", "true".to_owned()),
        ("fetch.caFile", files.path("ca.pem").display().to_string()),
        ("registration.clientDocuments", "any".to_owned()),
    ];
    let mut overrides: Vec<(String, String)> =
        fixed.map(|(key, value)| (key.to_owned(), value)).to_vec();
    for (name, value) in options {
        overrides.push((format!("registration.{name}"), (*value).to_owned()));
    }
    let sources = Sources {
        overrides,
        ..Sources::default()
    };
    let configuration = load(&sources).unwrap();
    let started = start(Start {
        configuration,
        sources,
        clock: clock.clone(),
    });
    Node {
        server: Box::pin(started).await.unwrap(),
        http: reqwest::Client::new(),
        credentials,
    }
}

impl Pair {
    /// Starts two servers; none without a database.
    async fn new(options: &[(&str, &str)]) -> Option<Self> {
        let database = Database::new().await?;
        let (files, folder) = (Files::new(), TempDir::new().unwrap());
        let origin = Origin::with_tls(&files).await;
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix(1_767_225_600)));
        let place = (&database, &files, &folder);
        let one = node(place, &clock, options).await;
        let two = node(place, &clock, options).await;
        Some(Self {
            one,
            two,
            clock,
            origin,
            database,
            _files: (files, folder),
        })
    }

    /// Publishes the document with this name of the client and this entity tag.
    fn publish(&self, path: &str, name: &str, tag: &'static str) -> String {
        let url = self.origin.url(path);
        let document = json!({
            "client_id": url, "client_name": name, "redirect_uris": ["https://editor.example.org/cb"],
        });
        let reply = Reply::json(document).header("etag", tag);
        self.origin.at(path, reply)
    }

    async fn stop(self) {
        self.one.server.stop().await;
        self.two.server.stop().await;
        drop(self.database);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_of_one_server_counts_for_the_other() {
    let Some(pair) = Pair::new(&[]).await else {
        return;
    };
    let url = pair.publish(PATH, "Editor", "\"a\"");
    let first = pair.one.client(&url).await;
    assert_eq!(pair.two.client(&url).await, first);
    assert_eq!(pair.origin.hits(PATH), 1);
    // The other one goes on with the validators of the first, and an answer without octets.
    pair.clock.advance(400);
    pair.origin.set(PATH, Reply::status(304));
    let second = pair.two.client(&url).await;
    assert_eq!(pair.origin.hits(PATH), 2);
    let known = pair.origin.asked(PATH, "if-none-match");
    assert_eq!(known.as_deref(), Some("\"a\""));
    assert_eq!(second["revision"], first["revision"]);
    assert_ne!(
        second["document"]["fetched_at"],
        first["document"]["fetched_at"]
    );
    // A change that one fetched is what the other answers with, in the same revision.
    pair.clock.advance(400);
    pair.publish(PATH, "Other", "\"b\"");
    let changed = pair.one.client(&url).await;
    assert_eq!(changed["metadata"]["client_name"], "Other");
    let other = pair.two.client(&url).await;
    for name in ["metadata", "revision", "client_id"] {
        assert_eq!(other[name], changed[name], "{name}");
    }
    // Each may fetch once, and the first version can still be read at both.
    assert!(pair.origin.hits(PATH) <= 4);
    let revision = &first["revision"];
    let encoded: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
    let path = format!("/admin/v1/clients/resolve?client_id={encoded}&revision={revision}");
    for node in [&pair.one, &pair.two] {
        let (status, before) = node.call("GET", &path, None).await;
        assert_eq!(status, 200, "{before}");
        assert_eq!(before["metadata"]["client_name"], "Editor");
    }
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_that_fetch_a_new_url_at_once_make_one_client() {
    let Some(pair) = Pair::new(&[]).await else {
        return;
    };
    for number in 0..5 {
        let path = format!("/{number}");
        let url = pair.publish(&path, "Editor", "\"a\"");
        let (one, two) = join(pair.one.client(&url), pair.two.client(&url)).await;
        for name in ["metadata", "revision", "client_id_issued_at"] {
            assert_eq!(one[name], two[name], "{name}");
        }
        assert!(pair.origin.hits(&path) <= 2);
    }
    let path = "/admin/v1/clients?trust_level=document";
    let (_, listed) = pair.two.call("GET", path, None).await;
    assert_eq!(listed["clients"].as_array().unwrap().len(), 5);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_waits_at_one_server_is_approved_at_the_other() {
    let options = [
        ("clientDocumentApproval", "first"),
        ("clientDocumentHold", "keep"),
    ];
    let Some(pair) = Pair::new(&options).await else {
        return;
    };
    let url = pair.publish(PATH, "Editor", "\"a\"");
    pair.one
        .expect_refused(&url, (403, "document_pending"))
        .await;
    let waiting = pair.two.candidate(&url).await;
    assert_eq!(waiting["metadata"]["client_name"], "Editor");
    let approval = json!({"client_id": url, "digest": waiting["digest"]});
    pair.two.order("approve", approval).await;
    for node in [&pair.one, &pair.two] {
        let client = node.client(&url).await;
        assert_eq!(client["document"]["approved"]["digest"], waiting["digest"]);
    }
    assert_eq!(pair.origin.hits(PATH), 1);
    // So is a change.
    pair.clock.advance(400);
    pair.publish(PATH, "Other", "\"b\"");
    let held = pair.one.client(&url).await;
    assert_eq!(held["document"]["held_change"], json!(["client_name"]));
    let client = pair.two.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Editor");
    assert_eq!(client["document"]["held_change"], json!(["client_name"]));
    let candidate = pair.two.candidate(&url).await;
    let approval = json!({"client_id": url, "digest": candidate["digest"]});
    pair.two.order("approve", approval).await;
    for node in [&pair.one, &pair.two] {
        let client = node.client(&url).await;
        assert_eq!(client["metadata"]["client_name"], "Other");
        assert_eq!(client["document"].get("held_change"), None);
    }
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_server_denies_or_pins_the_other_does_not_fetch() {
    let Some(pair) = Pair::new(&[]).await else {
        return;
    };
    let (denied, pinned) = ("/denied", "/pinned");
    let url = pair.publish(denied, "Editor", "\"a\"");
    pair.one.client(&url).await;
    pair.two.client(&url).await;
    pair.two.order("deny", json!({"client_id": url})).await;
    pair.clock.advance(400);
    for node in [&pair.one, &pair.two] {
        node.expect_refused(&url, (403, "document_denied")).await;
    }
    assert_eq!(pair.origin.hits(denied), 1);
    let url = pair.publish(pinned, "Editor", "\"a\"");
    pair.one.client(&url).await;
    let document = json!({
        "client_id": url, "client_name": "Pinned", "redirect_uris": ["https://editor.example.org/cb"],
    });
    let pin = json!({"client_id": url, "document": document});
    pair.two.order("pin", pin).await;
    pair.clock.advance(100_000);
    let client = pair.one.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Pinned");
    assert_eq!(pair.origin.hits(pinned), 1);
    pair.two.order("unpin", json!({"client_id": url})).await;
    let client = pair.one.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Editor");
    assert_eq!(pair.origin.asked(pinned, "if-none-match"), None);
    pair.stop().await;
}
