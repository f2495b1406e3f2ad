//! `registrar documents` with a running server: what waits is listed, shown, approved, denied, refreshed and pinned.

use serde_json::{Value, json};

use crate::access_token;
use crate::process::Registrar;
use crate::remote::Ran;
use crate::support::{Files, Origin, Reply};

/// A server, and the host of the documents.
struct World {
    registrar: Registrar,
    origin: Origin,
    _files: Files,
}

impl World {
    async fn new(options: &str) -> Self {
        let files = Files::new();
        let origin = Origin::with_tls(&files).await;
        let configuration = format!(
            "[fetch]\nallowPrivateAddresses = true\ncaFile = {:?}\n\
             [registration]\nclientDocuments = \"any\"\n{options}",
            files.path("ca.pem").display().to_string(),
        );
        Self {
            registrar: Registrar::start_with(&configuration),
            origin,
            _files: files,
        }
    }

    /// Returns a document with this name of the client.
    fn document(&self, path: &str, name: &str) -> Value {
        json!({
            "client_id": self.origin.url(path), "client_name": name,
            "redirect_uris": ["https://editor.example.org/cb"],
        })
    }

    fn publish(&self, path: &str, name: &str) -> String {
        let document = self.document(path, name);
        self.origin.at(path, Reply::json(document))
    }

    /// Runs `registrar documents` beside the origin, which is served by this process.
    async fn cli(&self, arguments: &[&str]) -> Ran {
        self.run(&[&["documents"], arguments].concat()).await
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.registrar.asked(arguments);
        let output = tokio::task::spawn_blocking(move || command.output());
        Ran::of(&output.await.expect("it ends").expect("the binary runs"))
    }

    /// Resolves `url` as an authorization server does, and returns the status and the answer.
    async fn resolve(&self, url: &str) -> (u16, Value) {
        let credentials = std::fs::read(self.registrar.credentials()).expect("a file");
        let credentials = serde_json::from_slice(&credentials).expect("JSON");
        let token = access_token(&self.registrar, &credentials).await;
        let url: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
        let path = format!("/admin/v1/clients/resolve?client_id={url}");
        let request = reqwest::Client::new().get(self.registrar.url(&path));
        let request = request.bearer_auth(token.expect("a token"));
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// Resolves `url`, which must be a client.
    async fn client(&self, url: &str) -> Value {
        let (status, client) = self.resolve(url).await;
        assert_eq!(status, 200, "{client}");
        client
    }

    /// Checks that `url` is refused with this code.
    async fn expect_refused(&self, url: &str, code: &str) {
        let (status, answer) = self.resolve(url).await;
        let found = answer.get("error").and_then(Value::as_str);
        assert_eq!((status, found), (403, Some(code)), "{answer}");
    }

    async fn listed(&self, state: &str) -> Value {
        let arguments = ["list", "--state", state, "--format", "json"];
        self.cli(&arguments).await.json()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_is_listed_shown_approved_and_refreshed() {
    let world = World::new("clientDocumentApproval = \"first\"\n").await;
    let url = world.publish("/client.json", "Editor");
    world.expect_refused(&url, "document_pending").await;
    let table = world.cli(&["list"]).await.fine();
    assert!(
        table.starts_with("URL") && table.contains(&url) && table.contains("waiting"),
        "{table}"
    );
    let listed = world.listed("waiting").await;
    assert_eq!(
        (&listed[0]["client_id"], &listed[0]["asked"]),
        (&json!(url), &json!(1))
    );
    let shown = world.cli(&["show", &url]).await.json();
    assert_eq!(shown["metadata"]["client_name"], "Editor");
    let octets = world.document("/client.json", "Editor").to_string();
    assert_eq!(shown["document"], json!(octets));
    let digest = shown["digest"].as_str().unwrap();
    let other = world.cli(&["approve", &url, "x"]).await;
    other.failed(1, &["the client document has changed", digest]);
    let approved = world
        .cli(&["approve", &url, digest, "--note", "contract 4711"])
        .await;
    assert_eq!(approved.fine(), "1 approved\n");
    let client = world.client(&url).await;
    assert_eq!(client["document"]["approved"]["note"], "contract 4711");
    assert_eq!(world.origin.hits("/client.json"), 1);
    assert_eq!(world.listed("waiting").await, json!([]));
    let gone = world.cli(&["show", &url]).await;
    gone.failed(1, &["no client document of this URL waits"]);

    world.publish("/client.json", "Other");
    let refreshed = world.cli(&["refresh", &url]).await.json();
    assert_eq!(refreshed["metadata"]["client_name"], "Other");
    let again = world.cli(&["refresh", &url]).await;
    again.failed(1, &["was refreshed a moment ago"]);
    assert_eq!(world.origin.hits("/client.json"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_is_pinned_unpinned_and_denied() {
    let world = World::new("").await;
    let url = world.publish("/client.json", "Editor");
    let file = world.registrar.folder().join("pinned.json");
    let document = world.document("/client.json", "Pinned");
    std::fs::write(&file, document.to_string()).expect("a file");
    let file = file.to_str().expect("a path");
    let pinned = world
        .cli(&["pin", &url, file, "--note", "behind a wall"])
        .await;
    assert_eq!(pinned.fine(), "1 pinned\n");
    let table = world.cli(&["list", "--state", "pinned"]).await.fine();
    assert!(
        table.contains(&url) && table.contains("behind a wall"),
        "{table}"
    );
    let client = world.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Pinned");
    assert_eq!(client["document"]["pinned"], json!(true));
    assert_eq!(client["document"]["approved"]["note"], "behind a wall");
    let refreshed = world.cli(&["refresh", &url]).await;
    refreshed.failed(1, &["no client document"]);
    assert_eq!(world.origin.hits("/client.json"), 0);
    assert_eq!(world.cli(&["unpin", &url]).await.fine(), "1 unpinned\n");
    let client = world.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Editor");
    let again = world.cli(&["unpin", &url]).await;
    again.failed(1, &["no client document"]);

    for past in ["30d", "1", "2026-01-01"] {
        let denial = world.cli(&["deny", &url, "--until", past]).await;
        denial.failed(2, &["--until", "in the past"]);
    }
    world.client(&url).await;
    let until = "4102444800";
    let denied = world
        .cli(&["deny", &url, "--note", "spam", "--until", until])
        .await;
    assert_eq!(denied.fine(), "1 denied\n");
    world.expect_refused(&url, "document_denied").await;
    // What the command for clients shows is what is kept.
    let shown = world.run(&["clients", "show", &url]).await;
    shown.failed(1, &["client not found"]);
    let listed = world.listed("denied").await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(
        (&listed[0]["note"], &listed[0]["until"]),
        (&json!("spam"), &json!(4_102_444_800_u64))
    );
    let table = world.cli(&["list", "--state", "denied"]).await.fine();
    assert!(table.contains(&url) && table.contains("spam"), "{table}");
    let none = world.cli(&["list"]).await.fine();
    assert!(!none.contains(&url), "{none}");
    assert_eq!(world.cli(&["allow", &url]).await.fine(), "1 allowed\n");
    let client = world.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Editor");
    let again = world.cli(&["allow", &url]).await;
    again.failed(1, &["is not denied"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_that_breaks_a_rule_or_is_no_json_is_rejected() {
    let world = World::new("").await;
    let url = world.origin.url("/client.json");
    let folder = world.registrar.folder().to_owned();
    for (name, text, said) in [
        (
            "rule.json",
            json!({"client_id": url}).to_string(),
            "client_name",
        ),
        ("broken.json", "{".to_owned(), "broken.json"),
    ] {
        let file = folder.join(name);
        std::fs::write(&file, text).expect("a file");
        let file = file.to_str().expect("a path");
        let pinned = world.cli(&["pin", &url, file]).await;
        pinned.failed(1, &[said]);
    }
    let bad = world.cli(&["deny", "http://a.example/c"]).await;
    bad.failed(1, &["client_id", "https"]);
}
