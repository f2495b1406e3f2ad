//! A front: clients are registered at an upstream server in turn. The upstream server is another registrar, which knows
//! nothing of the front.

mod answers;
mod calls;
mod relay;

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use registrar::config::Configuration;
use serde_json::{Value, json};

use crate::support::{Answer, Registered, TestServer, minimal, registering, with};
use crate::transfer;
use relay::{Passage, Relay};

/// A front with its upstream server, and what is between the two.
struct World {
    front: TestServer,
    upstream: TestServer,
    relay: Relay,
}

impl World {
    async fn new() -> Self {
        Self::with(&[], json!({}), json!({})).await
    }

    /// A front with these scripts and `[registration]`, and an upstream server with this one.
    async fn with(scripts: &[(&str, &str)], here: Value, there: Value) -> Self {
        Self::between(scripts, here, TestServer::registering(there).await).await
    }

    async fn between(scripts: &[(&str, &str)], here: Value, upstream: TestServer) -> Self {
        let relay = Relay::to(upstream.server().address()).await;
        let url = relay.url("/register");
        let front = TestServer::scripted(scripts, |configuration| {
            registering(configuration, here);
            configuration.settings.upstream_registration.url = Some(url);
        })
        .await;
        Self {
            front,
            upstream,
            relay,
        }
    }

    /// Returns the client as the upstream server has stored it.
    async fn there(&self, id: &str) -> Option<Value> {
        let found = self.upstream.storage().client(id).await;
        found.expect("the store reads")
    }

    /// Returns how many clients the upstream server has, its administrator included.
    async fn count_there(&self) -> u64 {
        let count = self.upstream.storage().count_clients().await;
        count.expect("the store reads")
    }

    /// Returns the calls that are not finished.
    async fn calls(&self) -> Vec<Value> {
        let answer = self.admin("GET", "/admin/v1/upstream-calls").await;
        answer.expect_status(200);
        answer.body["calls"].as_array().expect("a list").clone()
    }

    /// Sends a request of the administrator of the front.
    async fn admin(&self, method: &str, path: &str) -> Answer {
        self.front.called(method, path).await
    }

    /// Lets the time of every pause pass, and continues what is not finished.
    async fn continue_calls(&self) {
        self.front.clock.advance(1_000);
        self.front.inside().continue_upstream().await;
    }
}

fn write_private(file: &Path, text: &str) {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(file).expect("it opens");
    file.write_all(text.as_bytes()).expect("it is written");
}

#[tokio::test]
async fn a_client_gets_the_identifier_and_the_secret_of_the_upstream_server() {
    let world = World::new().await;
    let request = with(
        minimal(),
        json!({"scope": "openid", "client_name#de": "Kunde"}),
    );
    let answer = world.front.post(&request).await;
    answer.expect_status(201);
    let client = Registered::of(answer.body.clone());
    let there = world
        .there(&client.id)
        .await
        .expect("it is registered there");
    assert_eq!(there["metadata"]["client_name#de"], "Kunde");
    let secret = answer.body["client_secret"].as_str().expect("a secret");
    // The secret works at the upstream server, and so does its digest here.
    for server in [&world.front, &world.upstream] {
        let token = server
            .ask("POST", "/token")
            .basic_auth(&client.id, Some(secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let token = Answer::of(token).await;
        assert_ne!(token.status, 401, "{:?}", token.body);
    }
    assert!(
        client.uri.starts_with(world.front.server().url()),
        "{}",
        client.uri
    );
    let stored = world.front.stored(&client.id).await;
    assert!(stored["upstream"]["uri"].is_string() && stored["upstream"]["token"].is_string());
    assert_eq!(world.calls().await, Vec::<Value>::new());
    world.front.must_not_leak(secret);
}

#[tokio::test]
async fn updates_and_deletions_reach_the_upstream_server_whose_tokens_rotate() {
    for rotation in ["never", "onUpdate", "onUse"] {
        let there = json!({"rotateRegistrationAccessToken": rotation});
        let world = World::with(&[], json!({}), there).await;
        let client = world.front.register(&minimal()).await;
        for name in ["A", "B", "C"] {
            let members = json!({"client_id": client.id, "client_name": name});
            let updated = world.front.update(&client, &with(minimal(), members)).await;
            updated.expect_status(200);
            assert_eq!(updated.body["client_name"], name);
            let there = world.there(&client.id).await.expect("it is there");
            assert_eq!(there["metadata"]["client_name"], name, "{rotation}");
            world.front.read(&client).await.expect_status(200);
        }
        world.front.delete(&client).await.expect_status(204);
        assert_eq!(world.there(&client.id).await, None, "{rotation}");
        assert_eq!(world.calls().await, Vec::<Value>::new());
        world.front.read(&client).await.expect_status(401);
    }
}

#[tokio::test]
async fn an_update_by_an_administrator_reaches_the_upstream_server() {
    let world = World::new().await;
    let client = world.front.register(&minimal()).await;
    let token = world.front.administrator_token().await;
    let path = format!("/admin/v1/clients/{}", client.id);
    let request = world.front.ask("PUT", &path).bearer_auth(&token);
    let request = request.json(&with(minimal(), json!({"client_name": "Renamed"})));
    Answer::of(request).await.expect_status(200);
    let there = world.there(&client.id).await.expect("it is there");
    assert_eq!(there["metadata"]["client_name"], "Renamed");
    let deletion = world.front.ask("DELETE", &path).bearer_auth(&token);
    Answer::of(deletion).await.expect_status(204);
    assert_eq!(world.there(&client.id).await, None);
}

#[tokio::test]
async fn a_client_that_expires_or_is_unused_is_deleted_at_the_upstream_server() {
    let here = json!({"unusedClientLifetime": 5_000});
    let world = World::with(&[], here, json!({})).await;
    let short = with(minimal(), json!({"lifetime": 600}));
    let expiring = world.front.register(&short).await;
    let unused = world.front.register(&minimal()).await;
    world.front.clock.advance(700);
    world.front.inside().sweep().await;
    world.continue_calls().await;
    assert_eq!(world.there(&expiring.id).await, None);
    assert!(world.there(&unused.id).await.is_some());
    world.front.clock.advance(5_000);
    world.front.inside().sweep().await;
    world.continue_calls().await;
    assert_eq!(world.there(&unused.id).await, None);
}

#[tokio::test]
async fn a_rejection_by_the_upstream_server_is_told_with_its_reason() {
    let there = json!({"redirectUriDenyList": ["https://client.example.org/*"]});
    let world = World::with(&[], json!({}), there).await;
    let answer = world.front.post(&minimal()).await;
    answer.expect_status(400);
    assert_eq!(answer.body["error"], "invalid_redirect_uri");
    let description = answer.body["error_description"].as_str().expect("a text");
    let beginning =
        "the authorization server rejected the client (invalid_redirect_uri): redirect_uris[0]";
    assert!(description.starts_with(beginning), "{description}");
    world.front.expect_empty().await;
    assert_eq!(world.calls().await, Vec::<Value>::new());
}

#[tokio::test]
async fn values_that_the_upstream_server_changes_are_registered_and_told() {
    let script = "fn createClient(context) { context.client.client_name = \"Theirs\"; true }";
    let upstream = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    let world = World::between(&[], json!({}), upstream).await;
    let answer = world.front.post(&minimal()).await;
    answer.expect_status(201);
    assert_eq!(answer.body["client_name"], "Theirs");
    let id = answer.body["client_id"].as_str().expect("an id");
    let shown = world.admin("GET", &format!("/admin/v1/clients/{id}")).await;
    assert_eq!(shown.body["metadata"]["client_name"], "Theirs");
    assert_eq!(shown.body["origins"]["client_name"], "upstream");
    assert_eq!(shown.body["origins"]["redirect_uris"], "request");
}

#[tokio::test]
async fn a_read_shows_what_the_upstream_server_has_now() {
    let world = World::with(
        &[],
        json!({}),
        json!({"rotateRegistrationAccessToken": "onUse"}),
    )
    .await;
    let client = world.front.register(&minimal()).await;
    let token = world.upstream.administrator_token().await;
    let path = format!("/admin/v1/clients/{}", client.id);
    let put = world.upstream.ask("PUT", &path).bearer_auth(&token);
    let put = put.json(&with(minimal(), json!({"client_name": "Changed there"})));
    Answer::of(put).await.expect_status(200);
    for _ in 0..3 {
        let read = world.front.read(&client).await;
        read.expect_status(200);
        assert_eq!(read.body["client_name"], "Changed there");
    }
    world.relay.set(Passage::LosesRequests);
    let read = world.front.read(&client).await;
    read.expect_status(200);
    assert_eq!(read.body["client_name"], "K", "as it is stored here");
    world.relay.set(Passage::Open);
    let deletion = world.upstream.ask("DELETE", &path).bearer_auth(&token);
    Answer::of(deletion).await.expect_status(204);
    world.front.read(&client).await.expect_status(401);
}

#[tokio::test]
async fn many_readers_follow_a_token_that_rotates_with_each_read() {
    let world = World::with(
        &[],
        json!({}),
        json!({"rotateRegistrationAccessToken": "onUse"}),
    )
    .await;
    let client = world.front.register(&minimal()).await;
    for _ in 0..4 {
        let (one, other) = tokio::join!(world.front.read(&client), world.front.read(&client));
        one.expect_status(200);
        other.expect_status(200);
    }
    world.front.delete(&client).await.expect_status(204);
    assert_eq!(world.there(&client.id).await, None);
}

#[tokio::test]
async fn the_initial_access_token_is_read_for_each_registration() {
    let there = json!({"initialAccessToken": "required"});
    let upstream = TestServer::registering(there).await;
    let created = upstream
        .administrate("POST", "/admin/v1/initial-access-tokens")
        .await;
    let created = Answer::of(created.json(&json!({"uses": 100}))).await;
    created.expect_status(201);
    let token = created.body["token"].as_str().expect("a token");
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("token");
    write_private(&file, "another");
    let url = upstream.url("/register");
    let change = |configuration: &mut Configuration| {
        let front = &mut configuration.settings.upstream_registration;
        front.url = Some(url);
        front.initial_access_token_file = Some(file.clone());
    };
    let front = TestServer::configured(change).await;
    let answer = front.post(&minimal()).await;
    answer.expect_status(503);
    assert_eq!(answer.body["error"], "temporarily_unavailable");
    front.expect_empty().await;
    write_private(&file, &format!("{token}\n"));
    front.register(&minimal()).await;
    front.must_not_leak(token);
}

#[tokio::test]
async fn only_the_named_members_are_sent() {
    let upstream = TestServer::new().await;
    let url = upstream.url("/register");
    let front = TestServer::configured(|configuration| {
        let front = &mut configuration.settings.upstream_registration;
        front.url = Some(url);
        front.members = vec!["redirect_uris".to_owned(), "client_name".to_owned()];
    })
    .await;
    let request = with(
        minimal(),
        json!({"client_name#de": "Kunde", "software_id": "s", "contacts": ["a@example.org"]}),
    );
    let client = front.register(&request).await;
    let there = upstream.stored(&client.id).await;
    assert_eq!(there["metadata"]["client_name#de"], "Kunde");
    assert_eq!(there["metadata"].get("software_id"), None);
    // What only this server knows stays here.
    let here = front.stored(&client.id).await;
    assert_eq!(here["metadata"]["software_id"], "s");
}

#[tokio::test]
async fn an_export_takes_the_management_at_the_upstream_server_along() {
    let world = World::new().await;
    let client = world.front.register(&minimal()).await;
    let lines = transfer::export(&world.front).await;
    let line = lines
        .lines()
        .find(|line| line.contains(&client.id))
        .expect("its line");
    let url = world.relay.url("/register");
    let other = TestServer::configured(|configuration| {
        configuration.settings.upstream_registration.url = Some(url);
    })
    .await;
    let lines = format!("{line}\n{{\"clients\":1}}\n");
    transfer::import(&other, "", lines).await.expect_status(200);
    let uri = client
        .uri
        .replace(world.front.server().url(), other.server().url());
    let deletion = other.ask("DELETE", &uri).bearer_auth(&client.token);
    Answer::of(deletion).await.expect_status(204);
    assert_eq!(world.there(&client.id).await, None);
}

#[tokio::test]
async fn an_import_that_replaces_a_client_changes_it_at_the_upstream_server() {
    let world = World::with(
        &[],
        json!({}),
        json!({"rotateRegistrationAccessToken": "onUse"}),
    )
    .await;
    let client = world.front.register(&minimal()).await;
    let (clients, _) = transfer::read(&transfer::export(&world.front).await);
    let line = clients.iter().find(|line| line["client_id"] == client.id);
    let mut line = line.expect("its line").clone();
    // The token of the line is older than the one that is stored.
    world.front.read(&client).await.expect_status(200);
    line["metadata"]["client_name"] = "Imported".into();
    let imported =
        transfer::import(&world.front, "?existing=replace", transfer::write(&[line])).await;
    imported.expect_status(200);
    world.continue_calls().await;
    let there = world.there(&client.id).await.expect("it is there");
    assert_eq!(there["metadata"]["client_name"], "Imported");
    assert_eq!(world.calls().await, Vec::<Value>::new());
    world.front.delete(&client).await.expect_status(204);
    assert_eq!(world.there(&client.id).await, None);
}
