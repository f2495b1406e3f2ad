//! Documents at hosts with names: those of well-known clients, slow hosts, and hosts whose addresses change.

use std::net::SocketAddr;
use std::path::Path;

use futures_util::future::{join_all, select};
use registrar::config::ClientDocuments;
use serde_json::{Value, json};

use super::{World, encoded, path_of};
use crate::support::{Answer, Canary, Reply, TestServer, development_with, registering};

/// Reads the document of a well-known client.
fn real(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/client_documents");
    let text = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[tokio::test]
async fn the_documents_of_well_known_clients_become_clients() {
    const LOOPBACK: bool = true;
    let hosts = [
        "claude.ai",
        "vscode.dev",
        "chatgpt.com",
        "opencode.ai",
        "zed.dev",
        "grok.com",
        "lovable.dev",
    ];
    let world = World::at(&hosts, &[], json!({}), |_| {}).await;
    let others = |uris: &[&str]| json!(uris);
    let public = ("none", "native", LOOPBACK);
    let hosted = ("none", "web", !LOOPBACK);
    let keyed = ("private_key_jwt", "web", !LOOPBACK);
    for (name, host, (method, kind, is_loopback), cross_host) in [
        ("claude_code", "claude.ai", public, others(&[])),
        ("claude", "claude.ai", hosted, others(&[])),
        (
            "visual_studio_code",
            "vscode.dev",
            ("none", "native", !LOOPBACK),
            others(&[]),
        ),
        ("chatgpt_connector", "chatgpt.com", keyed, others(&[])),
        ("chatgpt", "chatgpt.com", keyed, others(&[])),
        ("codex", "chatgpt.com", public, others(&[])),
        ("opencode", "opencode.ai", public, others(&[])),
        ("zed", "zed.dev", public, others(&[])),
        (
            "grok",
            "grok.com",
            hosted,
            others(&["https://x.ai/mcp/callback"]),
        ),
        ("lovable", "lovable.dev", hosted, others(&[])),
    ] {
        let document = real(name);
        let url = document["client_id"].as_str().unwrap();
        world
            .origin
            .set(path_of(url), Reply::json(document.clone()));
        let client = world.client(url).await;
        assert_eq!(client["client_id"], url, "{name}");
        let (metadata, shown) = (&client["metadata"], &client["document"]);
        for member in ["client_name", "redirect_uris"] {
            assert_eq!(metadata[member], document[member], "{member} of {name}");
        }
        assert_eq!(metadata["token_endpoint_auth_method"], method, "{name}");
        assert_eq!(metadata["application_type"], kind, "{name}");
        assert_eq!(shown["host"], host, "{name}");
        assert_eq!(shown["loopback_only"], is_loopback, "{name}");
        assert_eq!(shown["cross_host_redirects"], cross_host, "{name}");
        for member in [
            "code_challenge_methods_used",
            "token_endpoint_auth_methods_supported",
        ] {
            assert_eq!(metadata.get(member), None, "{member} of {name}");
        }
    }
    assert_eq!(world.clients().await.len(), 10);
}

#[tokio::test]
async fn a_host_that_hangs_or_drips_delays_no_other() {
    let hosts = ["hangs.example.org", "drips.example.org", "good.example.org"];
    let world = World::at(&hosts, &[], json!({}), |configuration| {
        // None of them is given up while the others are resolved.
        configuration.settings.fetch.timeout_ms = 300_000;
    })
    .await;
    let mut slow = Vec::new();
    for number in 0..20 {
        for (host, reply) in [
            ("hangs", Reply::never()),
            ("drips", Reply::slow(" ".repeat(4_000))),
        ] {
            let path = format!("/{host}/{number}");
            world.origin.set(&path, reply);
            slow.push(format!("https://{host}.example.org{path}"));
        }
    }
    let waiting = join_all(slow.iter().map(|url| world.resolve(url)));
    let others = async {
        // As many as one host may have at a time are being answered.
        world.until_hits("/hangs/0", 1).await;
        world.until_hits("/drips/0", 1).await;
        let urls: Vec<String> = (0..10)
            .map(|number| format!("https://good.example.org/{number}"))
            .collect();
        for url in &urls {
            world.publish_at(url, json!({}));
        }
        for answer in join_all(urls.iter().map(|url| world.resolve(url))).await {
            answer.expect_status(200);
        }
        // What is known needs no fetch.
        world.client(&urls[0]).await;
    };
    match select(Box::pin(others), Box::pin(waiting)).await {
        futures_util::future::Either::Left(_) => {}
        futures_util::future::Either::Right((answers, _)) => {
            let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
            panic!("the slow hosts have answered first: {statuses:?}");
        }
    }
}

#[tokio::test]
async fn a_host_whose_address_becomes_private_is_not_connected_to() {
    const URL: &str = "https://moves.example.org/oauth/client.json";
    let settings = json!({"clientDocumentStaleSeconds": 1_000});
    let world = World::at(&["moves.example.org"], &[], settings.clone(), |_| {}).await;
    world.publish_at(URL, json!({}));
    let first = world.client(URL).await;
    // From now on, the address of the origin counts as one of a private network.
    let administrator = world.server.administrator();
    let data = world.server.folder.path().join("data");
    let kept = world.server.stop_and_keep().await;
    let canary = Canary::new();
    let address = SocketAddr::from(([127, 0, 0, 1], canary.port()));
    let public = SocketAddr::from(([8, 8, 8, 8], canary.port()));
    world
        .names
        .set("moves.example.org", [vec![address], vec![public, address]]);
    let server = TestServer::naming(&world.names, &[], |configuration| {
        configuration.settings.fetch = development_with(&world.files);
        configuration.settings.fetch.allow_private_addresses = false;
        configuration.settings.store.url = format!("sled:{}", data.display()).into();
        configuration.live.registration.client_documents = ClientDocuments::Any;
        registering(configuration, settings);
    })
    .await;
    let resolve = async || {
        let token = server.access_token(&administrator).await;
        let path = format!("/admin/v1/clients/resolve?client_id={}", encoded(URL));
        Answer::of(server.ask("GET", &path).bearer_auth(token)).await
    };
    server.clock.advance(400);
    let stale = resolve().await;
    stale.expect_status(200);
    assert_eq!(stale.body["document"]["stale"], json!(true));
    assert_eq!(stale.body["metadata"], first["metadata"]);
    server.clock.advance(1_000);
    // One private address is enough, and the answer is that of a host out of reach.
    let over = resolve().await;
    over.expect_error(503, &["document_unavailable"]);
    assert_eq!(over.member("fetch"), &json!(null));
    world.names.set("moves.example.org", [Vec::new()]);
    server.clock.advance(100);
    let nowhere = resolve().await;
    assert_eq!((nowhere.status, &nowhere.text), (over.status, &over.text));
    canary.expect_untouched();
    assert_eq!(world.origin.hits("/oauth/client.json"), 1);
    drop(kept);
}
