//! Webhooks: events arrive at another system, signed, in order, at least once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use registrar::config::{Configuration, Webhook};
use registrar::testing::judge;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Answer, Origin, PATIENCE, Registered, Reply, START, TestServer, fetches_locally, minimal, with,
};

const ONE: &str = "b25lIHNlY3JldCB0aGF0IHNpZ25zIGFuIGV2ZW50IQ==";
const OTHER: &str = "YW5vdGhlciBzZWNyZXQgd2hpbGUgb25lIHJvdGF0ZXM=";

pub(crate) async fn until(condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waited).await;
    waited.expect("it happens in time");
}

/// Another system with a webhook, and the file with its secrets.
pub(crate) struct Receiver {
    origin: Origin,
    folder: TempDir,
}

impl Receiver {
    pub(crate) async fn new() -> Self {
        let receiver = Self {
            origin: Origin::new().await,
            folder: TempDir::new().unwrap(),
        };
        receiver.write(&[ONE]);
        receiver.answer(Reply::status(204));
        receiver
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("secrets")
    }

    fn write(&self, secrets: &[&str]) {
        write_secrets(&self.file(), secrets);
    }

    fn answer(&self, reply: Reply) {
        self.origin.set("/hook", reply);
    }

    /// Returns the configuration of a webhook with `more` on top.
    pub(crate) fn webhook(&self, name: &str, more: Value) -> Value {
        let own = json!({"name": name, "url": self.origin.url("/hook"), "secretFile": self.file()});
        with(own, more)
    }

    pub(crate) fn count(&self) -> usize {
        self.origin.hits("/hook")
    }

    /// Returns the bodies that were received.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let received = self.origin.received("/hook");
        let bodies = received.iter().map(Request::body);
        bodies
            .map(|body| serde_json::from_slice(body).unwrap())
            .collect()
    }

    /// Returns the types that were received, with the identifiers of their clients.
    fn told(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let bodies = self.bodies().into_iter();
        bodies
            .map(|body| (text(&body["type"]), text(&body["data"]["client_id"])))
            .collect()
    }

    /// Starts a server with these webhooks.
    pub(crate) async fn server(&self, webhooks: Value) -> TestServer {
        let server = TestServer::configured(|configuration| {
            fetches_locally(configuration);
            configuration.settings.fetch.timeout_ms = 3_000;
            configuration.settings.scripts.retry_pauses_ms = vec![20];
            configuration.live.webhooks = parsed(webhooks);
        });
        let server = server.await;
        server.must_not_leak(ONE);
        server.must_not_leak(OTHER);
        server
    }
}

fn parsed(webhooks: Value) -> Vec<Webhook> {
    serde_json::from_value(webhooks).unwrap()
}

fn write_secrets(file: &Path, secrets: &[&str]) {
    let lines: Vec<String> = secrets
        .iter()
        .map(|secret| format!("whsec_{secret}\n"))
        .collect();
    std::fs::write(file, lines.concat()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn header<'a>(request: &'a Request<Bytes>, name: &str) -> &'a str {
    request.headers()[name].to_str().unwrap()
}

/// Returns the signature of a request that is due with `secret`.
fn due(request: &Request<Bytes>, secret: &str) -> String {
    let (id, at) = (
        header(request, "webhook-id"),
        header(request, "webhook-timestamp"),
    );
    let text = [format!("{id}.{at}.").as_bytes(), request.body()].concat();
    let key = PKey::hmac(&STANDARD.decode(secret).unwrap()).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    let hash = signer.sign_oneshot_to_vec(&text).unwrap();
    format!("v1,{}", STANDARD.encode(hash))
}

pub(crate) async fn patch(server: &TestServer, operations: Value) -> Answer {
    let token = server.administrator_token().await;
    let request = server.ask("PATCH", "/admin/v1/config").bearer_auth(token);
    let request = request.header("content-type", "application/json-patch+json");
    Answer::of(request.body(operations.to_string())).await
}

async fn rename(server: &TestServer, client: &Registered, name: &str) {
    let body = client.update(json!({"client_name": name}));
    server.update(client, &body).await.expect_status(200);
}

#[tokio::test]
async fn every_change_arrives_in_order_and_signed() {
    let receiver = Receiver::new().await;
    let server = receiver
        .server(json!([receiver.webhook("gateway", json!({}))]))
        .await;
    let client = server.register(&minimal()).await;
    rename(&server, &client, "Other").await;
    server.delete(&client).await.expect_status(204);
    until(|| receiver.count() == 3).await;
    for request in receiver.origin.received("/hook") {
        assert_eq!(request.method(), "POST");
        assert_eq!(header(&request, "content-type"), "application/json");
        assert_eq!(header(&request, "webhook-timestamp"), START.to_string());
        assert_eq!(header(&request, "webhook-signature"), due(&request, ONE));
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(header(&request, "webhook-id"), body["data"]["id"]);
        assert_eq!(body["timestamp"], "2026-01-01T00:00:00Z");
        assert_eq!(body["data"].get("client"), None);
    }
    let bodies = receiver.bodies();
    let expected = [
        ("client.created", 1, json!([])),
        ("client.updated", 2, json!(["client_name"])),
        ("client.deleted", 2, json!([])),
    ];
    for (at, (body, (kind, revision, changed))) in bodies.iter().zip(expected).enumerate() {
        let data = &body["data"];
        assert_eq!(body["type"], kind);
        assert_eq!(
            (&data["revision"], &data["changed"]),
            (&json!(revision), &changed)
        );
        assert_eq!(data["client_id"], *client.id);
        assert_eq!(
            (&data["position"], &data["reason"]),
            (&json!(at + 1), &json!("request"))
        );
        assert!(data["correlation_id"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn a_webhook_gets_the_types_and_the_clients_that_it_wants() {
    let receiver = Receiver::new().await;
    let wanted = json!({
        "events": ["client.created", "client.deleted"],
        "clients": {"trustLevel": "open", "softwareId": "wanted"},
    });
    let server = receiver
        .server(json!([receiver.webhook("gateway", wanted)]))
        .await;
    let other = server.register(&minimal()).await;
    let metadata = with(minimal(), json!({"software_id": "wanted"}));
    let client = server.register(&metadata).await;
    rename(&server, &client, "Other").await;
    server.delete(&other).await.expect_status(204);
    // The deleted client is no longer stored; its last metadata counts.
    server.delete(&client).await.expect_status(204);
    until(|| receiver.count() == 2).await;
    let expected =
        ["client.created", "client.deleted"].map(|kind| (kind.to_owned(), client.id.clone()));
    assert_eq!(receiver.told(), expected);
}

#[tokio::test]
async fn the_metadata_is_included_without_the_secret() {
    let receiver = Receiver::new().await;
    let server = receiver
        .server(json!([
            receiver.webhook("gateway", json!({"include": "client"}))
        ]))
        .await;
    let client = server.register(&minimal()).await;
    until(|| receiver.count() == 1).await;
    server.delete(&client).await.expect_status(204);
    until(|| receiver.count() == 2).await;
    for body in receiver.bodies() {
        let seen = &body["data"]["client"];
        assert_eq!(
            (
                &seen["client_id"],
                &seen["client_name"],
                &seen["client_id_issued_at"]
            ),
            (&json!(client.id), &json!("K"), &json!(START))
        );
        for name in ["client_secret", "registration_access_token"] {
            let secret = client.body[name].as_str().unwrap();
            assert!(seen.get(name).is_none() && !body.to_string().contains(secret));
        }
    }
}

#[tokio::test]
async fn both_secrets_sign_while_one_rotates_without_a_reload() {
    let receiver = Receiver::new().await;
    let server = receiver
        .server(json!([receiver.webhook("gateway", json!({}))]))
        .await;
    for secrets in [&[ONE][..], &[OTHER, ONE], &[OTHER]] {
        receiver.write(secrets);
        let count = receiver.count();
        server.register(&minimal()).await;
        until(|| receiver.count() == count + 1).await;
        let request = receiver.origin.received("/hook").pop().unwrap();
        let each: Vec<String> = secrets.iter().map(|secret| due(&request, secret)).collect();
        assert_eq!(header(&request, "webhook-signature"), each.join(" "));
    }
    // A file that cannot be used loses no event.
    std::fs::write(receiver.file(), "whsec_short").unwrap();
    let count = receiver.count();
    server.register(&minimal()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(receiver.count(), count);
    receiver.write(&[ONE]);
    until(|| receiver.count() == count + 1).await;
}

#[tokio::test]
async fn a_receiver_that_fails_gets_the_event_again_with_the_same_identifier() {
    let receiver = Receiver::new().await;
    let elsewhere = Reply::status(307).header("location", receiver.origin.url("/elsewhere"));
    receiver.origin.set_each(
        "/hook",
        [
            Reply::never(),
            Reply::status(500),
            elsewhere,
            Reply::text("text/html", "<garbage>").with_status(404),
            // The status counts, whatever follows.
            Reply::endless(),
            Reply::status(200),
        ],
    );
    let server = receiver
        .server(json!([receiver.webhook("gateway", json!({}))]))
        .await;
    let client = server.register(&minimal()).await;
    until(|| receiver.count() == 5).await;
    rename(&server, &client, "Other").await;
    until(|| receiver.count() == 6).await;
    let told: Vec<String> = receiver.told().into_iter().map(|(kind, _)| kind).collect();
    let mut expected = vec!["client.created"; 5];
    expected.push("client.updated");
    assert_eq!(told, expected);
    let bodies = receiver.bodies();
    assert!(bodies[..5].iter().all(|body| *body == bodies[0]));
    assert_eq!(receiver.origin.hits("/elsewhere"), 0);
}

#[tokio::test]
async fn a_receiver_that_was_down_gets_everything_when_it_is_up_and_others_do_not_wait() {
    let (down, up) = (Receiver::new().await, Receiver::new().await);
    down.answer(Reply::status(503));
    let webhooks = json!([down.webhook("down", json!({})), up.webhook("up", json!({}))]);
    let server = up.server(webhooks).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(server.register(&minimal()).await.id);
    }
    until(|| up.count() == 20).await;
    let tried = |times: usize| {
        let bodies = down.bodies();
        let sent: Vec<&Value> = bodies
            .iter()
            .map(|body| &body["data"]["client_id"])
            .collect();
        ids.iter()
            .all(|id| sent.iter().filter(|sent| ***sent == **id).count() >= times)
    };
    until(|| tried(1)).await;
    down.answer(Reply::status(204));
    until(|| tried(2)).await;
}

/// Returns the state of the webhook `gateway` as a consumer.
async fn gateway(server: &TestServer) -> Value {
    let state = server.storage().consumer("webhook:gateway").await;
    state.unwrap().unwrap_or_default()
}

#[tokio::test]
async fn a_receiver_that_is_gone_gets_nothing_until_it_is_enabled() {
    let receiver = Receiver::new().await;
    receiver.answer(Reply::status(410));
    let server = receiver
        .server(json!([receiver.webhook("gateway", json!({}))]))
        .await;
    let client = server.register(&minimal()).await;
    let mut disabled = Value::Null;
    while disabled.is_null() {
        disabled = gateway(&server).await["disabled"].take();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(disabled, "the receiver answered 410 (Gone)");
    receiver.answer(Reply::status(204));
    rename(&server, &client, "Other").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(receiver.count(), 1);
    server.storage().enable("webhook:gateway").await.unwrap();
    until(|| receiver.count() == 3).await;
    let bodies = receiver.bodies();
    let told: Vec<&Value> = bodies.iter().map(|body| &body["type"]).collect();
    assert_eq!(told, ["client.created", "client.created", "client.updated"]);
}

#[tokio::test]
async fn a_private_address_is_refused_unless_the_operator_allows_it() {
    let receiver = Receiver::new().await;
    let address = receiver.origin.address();
    for (is_listed, is_delivered) in [(false, false), (true, true)] {
        let server = TestServer::configured(|configuration: &mut Configuration| {
            configuration.settings.fetch.allow_http = true;
            if is_listed {
                configuration.settings.fetch.allowed_hosts =
                    vec![address.to_string().parse().unwrap()];
            }
            configuration.live.webhooks = parsed(json!([receiver.webhook("gateway", json!({}))]));
        });
        let server = server.await;
        server.register(&minimal()).await;
        if is_delivered {
            until(|| receiver.count() == 1).await;
        }
        let attempt = async || gateway(&server).await["waiting"][0]["error"].clone();
        while !is_delivered && attempt().await.is_null() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(receiver.count(), usize::from(is_delivered));
        if !is_delivered {
            assert_eq!(attempt().await, "the host must be on the public internet");
        }
    }
}

#[tokio::test]
async fn a_patch_adds_a_webhook_that_gets_the_events_from_then_on_and_removes_it() {
    let receiver = Receiver::new().await;
    let server = receiver.server(json!([])).await;
    server.register(&minimal()).await;
    let webhook = receiver.webhook("gateway", json!({"events": ["client.created"]}));
    let operations = json!([{"op": "add", "path": "/webhooks/-", "value": webhook}]);
    let added = patch(&server, operations).await;
    added.expect_status(200);
    let shown = &added.body["webhooks"][0];
    assert_eq!(shown["name"], "gateway");
    assert_eq!(shown["secretFile"], receiver.file().to_str().unwrap());
    assert_eq!(added.body["origins"]["webhooks"], "patch");
    assert!(!added.text.contains(ONE));
    let client = server.register(&minimal()).await;
    until(|| receiver.count() == 1).await;
    assert_eq!(receiver.told()[0].1, client.id);
    let removed = patch(&server, json!([{"op": "remove", "path": "/webhooks/0"}]));
    removed.await.expect_status(200);
    server.register(&minimal()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn a_patch_with_an_unusable_webhook_is_rejected() {
    let receiver = Receiver::new().await;
    let server = receiver.server(json!([])).await;
    for (more, reason) in [
        (
            json!({"name": "A"}),
            "webhooks[0].name: must have 1 to 64 characters",
        ),
        (
            json!({"url": "ftp://a"}),
            "webhooks[0].url: must be an https URL",
        ),
        (
            json!({"url": "https://u:p@a.example"}),
            "webhooks[0].url: must not contain a user name",
        ),
        (
            json!({"secretFile": "missing"}),
            "webhooks[0].secretFile: missing: No such file",
        ),
        (json!({"events": []}), "webhooks[0].events: is empty"),
        (
            json!({"events": ["client.gone"]}),
            "webhooks[0].events: 'client.gone' is not a type of event",
        ),
        (
            json!({"clients": {"trustLevel": "high"}}),
            "webhooks[0].clients: trustLevel must be open",
        ),
        (
            json!({"clients": {"level": "open"}}),
            "unknown field `level`",
        ),
        (
            json!({"include": "secret"}),
            "webhooks[0]: include: must be `client`",
        ),
    ] {
        let value = json!([receiver.webhook("gateway", more)]);
        let operations = json!([{"op": "replace", "path": "/webhooks", "value": value}]);
        let answer = patch(&server, operations).await;
        answer.expect_status(400);
        let description = answer.member("error_description").as_str().unwrap();
        assert!(description.contains(reason), "{description}");
    }
    let twice = ["a", "a"].map(|name| receiver.webhook(name, json!({})));
    let operations = json!([{"op": "replace", "path": "/webhooks", "value": twice}]);
    let answer = patch(&server, operations).await;
    assert!(
        answer.text.contains("webhooks[1].name: 'a' is a duplicate"),
        "{}",
        answer.text
    );
    let many: Vec<Value> = (0..33)
        .map(|number| receiver.webhook(&format!("w{number}"), json!({})))
        .collect();
    let operations = json!([{"op": "replace", "path": "/webhooks", "value": many}]);
    let answer = patch(&server, operations).await;
    assert!(
        answer.text.contains("must have at most 32 entries"),
        "{}",
        answer.text
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_of_secrets_that_others_can_read_is_rejected() {
    use std::os::unix::fs::PermissionsExt as _;
    let receiver = Receiver::new().await;
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(receiver.file(), mode).unwrap();
    let live = registrar::config::Live {
        webhooks: parsed(json!([receiver.webhook("gateway", json!({}))])),
        ..Default::default()
    };
    let error = judge(live).expect_err("others can read it");
    assert!(error.contains("webhooks[0].secretFile: "), "{error}");
    assert!(
        error.contains("chmod 600") && !error.contains(ONE),
        "{error}"
    );
}
