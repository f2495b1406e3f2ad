//! What administrators have decided outlives later versions of a document.

use std::sync::Arc;

use futures_util::future::join;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{PATH, World, client_path};
use crate::support::{Answer, Reply};

#[tokio::test]
async fn no_order_revives_a_disabled_client() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    let client = world.client(&url).await;
    let members = json!({"disabled": true, "groups": ["staff"]});
    world.change_client(&client, members).await;
    world.publish(PATH, json!({"client_name": "Other"}));
    let order = json!({"client_id": url});
    let refreshed = world.order("refresh", order.clone()).await;
    refreshed.expect_error(403, &["document_denied"]);
    world.approve(&url, &client["document"]["digest"]).await;
    let document = world.document(PATH, json!({"client_name": "Third"}));
    let pin = json!({"client_id": url, "document": document});
    let pinned = world.order("pin", pin).await;
    pinned.expect_status(200);
    assert_eq!(pinned.body["metadata"]["client_name"], "Third");
    assert_eq!(pinned.body["metadata"]["disabled"], json!(true));
    world.expect_denied(&url).await;
    world.order("unpin", order).await.expect_status(204);
    world.expect_denied(&url).await;
    let path = client_path(&url);
    let shown = world.ask("GET", &path).await;
    shown.expect_status(200);
    assert_eq!(shown.body["metadata"]["disabled"], json!(true));
    // What else the administrator set is in the versions that are fetched after that.
    let members = json!({"disabled": false, "trusted_client": true});
    world.change_client(&pinned.body, members).await;
    for name in ["Fourth", "Fifth"] {
        world.change(PATH, json!({"client_name": name}));
        let client = world.client(&url).await;
        assert_eq!(client["metadata"]["client_name"], json!(name));
        assert_eq!(client["metadata"]["trusted_client"], json!(true));
        assert_eq!(client["metadata"]["groups"], json!(["staff"]));
    }
}

impl World {
    /// Lets the document at `path` be fetched, does `meanwhile` while the fetch runs, and then lets it arrive. Returns the
    /// answer to who waited for it.
    async fn while_it_is_fetched(&self, path: &str, meanwhile: impl Future<Output = ()>) -> Answer {
        let gate = Arc::new(Semaphore::new(0));
        let document = self.document(path, json!({"client_name": "Late"}));
        let hits = self.origin.hits(path);
        let url = self
            .origin
            .at(path, Reply::gated(document.to_string(), &gate));
        let meanwhile = async {
            self.until_hits(path, hits + 1).await;
            meanwhile.await;
            gate.add_permits(1);
        };
        let (answer, ()) = join(self.resolve(&url), meanwhile).await;
        answer
    }
}

#[tokio::test]
async fn a_fetch_that_was_running_revives_nothing() {
    let world = World::with(&[], json!({}), |configuration| {
        configuration.settings.fetch.timeout_ms = 120_000;
    })
    .await;
    // A new URL is denied.
    let url = world.origin.url("/new");
    let denial = json!({"client_id": url});
    let deny = async { world.order("deny", denial).await.expect_status(204) };
    let answer = world.while_it_is_fetched("/new", deny).await;
    answer.expect_error(403, &["document_denied"]);
    // A client is denied, deleted, or disabled.
    for (path, is_kept) in [("/denied", false), ("/deleted", false), ("/disabled", true)] {
        let url = world.publish(path, json!({}));
        let client = world.client(&url).await;
        world.server.clock.advance(400);
        let end = async {
            match path {
                "/denied" => {
                    let denial = json!({"client_id": url});
                    world.order("deny", denial).await.expect_status(204);
                }
                "/deleted" => {
                    let deleted = world.ask("DELETE", &client_path(&url)).await;
                    deleted.expect_status(204);
                }
                _ => {
                    let members = json!({"disabled": true});
                    world.change_client(&client, members).await;
                }
            }
        };
        let answer = world.while_it_is_fetched(path, end).await;
        assert!(
            [403, 404].contains(&answer.status),
            "{path}: {}",
            answer.text
        );
        world.expect_denied(&url).await;
        let kept = world.server.storage().client(&url).await.unwrap();
        assert_eq!(kept.is_some(), is_kept, "{path}");
        if let Some(client) = kept {
            assert_eq!(client["metadata"]["disabled"], json!(true));
            assert_eq!(client["metadata"]["client_name"], "Editor");
        }
    }
}

#[tokio::test]
async fn sweeps_leave_disabled_clients() {
    let world = World::with(
        &[],
        json!({"unusedClientLifetime": 1_000}),
        |configuration| {
            configuration.settings.limits.documents = 1;
        },
    )
    .await;
    let disabled = world.publish("/disabled", json!({}));
    let client = world.client(&disabled).await;
    let members = json!({"disabled": true});
    world.change_client(&client, members).await;
    for path in ["/1", "/2"] {
        world.server.clock.advance(10);
        world.client(&world.publish(path, json!({}))).await;
    }
    world.server.inside().sweep().await;
    let left = [world.origin.url("/2"), disabled.clone()];
    assert_eq!(world.clients().await, left);
    world.server.clock.advance(2_000);
    world.server.inside().sweep().await;
    assert_eq!(world.clients().await, std::slice::from_ref(&disabled));
    world.expect_denied(&disabled).await;
}

#[tokio::test]
async fn an_approval_stays_with_its_octets() {
    let world = World::new(json!({"clientDocumentHold": "none"})).await;
    let url = world.publish(PATH, json!({}));
    let client = world.client(&url).await;
    let digest = client["document"]["digest"].clone();
    world.approve(&url, &digest).await;
    let name = json!({"client_name": "Other"});
    let both = json!({"client_name": "Other", "tos_uri": "https://editor.example.org/tos"});
    // A sensitive change leaves the approval behind, and so does what comes after it.
    for more in [name, both] {
        world.change(PATH, more);
        let client = world.client(&url).await;
        assert_eq!(client["metadata"]["client_name"], "Other");
        let approved = &client["document"]["approved"];
        assert_eq!(
            (&approved["digest"], &approved["by"]),
            (&digest, &json!("administrator"))
        );
    }
}

/// Returns since when the only held change waits, as the resolver answers.
async fn waiting_since(world: &World, url: &str) -> Value {
    let answer = world.expect_pending(url).await;
    answer.member("waiting_since").clone()
}

#[tokio::test]
async fn a_held_change_can_be_approved_later_although_too_many_waited() {
    let world = World::with(
        &[],
        json!({"clientDocumentHold": "stop"}),
        |configuration| {
            configuration.settings.limits.document_candidates = 1;
        },
    )
    .await;
    let urls = ["/1", "/2"].map(|path| world.publish(path, json!({})));
    for (path, url) in ["/1", "/2"].iter().zip(&urls) {
        world.client(url).await;
        world.change(path, json!({"client_name": "Other"}));
        waiting_since(&world, url).await;
    }
    let waiting = world.candidate(&urls[0]).await;
    world.approve(&urls[0], &waiting["digest"]).await;
    world.server.clock.advance(400);
    let since = waiting_since(&world, &urls[1]).await;
    let waiting = world.candidate(&urls[1]).await;
    // Another change does not begin the time anew.
    world.change("/2", json!({"client_name": "Third"}));
    assert_eq!(waiting_since(&world, &urls[1]).await, since);
    let again = world.candidate(&urls[1]).await;
    assert_ne!(again["digest"], waiting["digest"]);
    world.approve(&urls[1], &again["digest"]).await;
    assert_eq!(
        world.client(&urls[1]).await["metadata"]["client_name"],
        "Third"
    );
}

#[tokio::test]
async fn withdrawn_redirect_uris_come_back_with_the_document() {
    let world = World::new(json!({"clientDocumentHold": "keep"})).await;
    let url = world.publish(PATH, json!({}));
    let first = world.client(&url).await;
    let next = json!({"client_name": "Other", "redirect_uris": ["https://editor.example.org/cb"]});
    world.change(PATH, next);
    let narrowed = world.client(&url).await;
    let uris = json!(["https://editor.example.org/cb"]);
    assert_eq!(narrowed["metadata"]["redirect_uris"], uris);
    let revision = first["revision"].to_string();
    let before = world.resolve_with(&url, &[("revision", &revision)]).await;
    before.expect_status(200);
    world.change(PATH, json!({}));
    let whole = world.client(&url).await;
    assert_eq!(whole["metadata"], first["metadata"]);
    assert_eq!(whole["document"]["held_change"], json!(null));
}

#[tokio::test]
async fn a_denial_ends_by_order_and_pinned_documents_are_listed() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    let order = json!({"client_id": url});
    let early = world.order("allow", order.clone()).await;
    early.expect_error(404, &["not_found"]);
    world.order("deny", order.clone()).await.expect_status(204);
    world.expect_denied(&url).await;
    let allowed = world.order("allow", order.clone()).await;
    allowed.expect_status(204);
    let again = world.order("allow", order.clone()).await;
    again.expect_error(404, &["not_found"]);
    world.client(&url).await;
    let listed = async |state: &str| {
        let path = format!("/admin/v1/client-documents?state={state}");
        let page = world.ask("GET", &path).await;
        page.expect_status(200);
        page.body["documents"].clone()
    };
    assert_eq!(listed("denied").await, json!([]));
    assert_eq!(listed("pinned").await, json!([]));
    let document = world.document(PATH, json!({"client_name": "Pinned"}));
    let pin = json!({"client_id": url, "document": document, "note": "kept"});
    world.order("pin", pin).await.expect_status(200);
    let pinned = listed("pinned").await;
    assert_eq!(pinned.as_array().map(Vec::len), Some(1));
    for (name, value) in [
        ("client_id", json!(url)),
        ("state", json!("pinned")),
        ("client_name", json!("Pinned")),
        ("note", json!("kept")),
        ("by", json!("administrator")),
    ] {
        assert_eq!(pinned[0][name], value, "{name}");
    }
    for action in ["document_denied", "document_allowed"] {
        let path = format!("/admin/v1/audit?action={action}");
        let events = world.ask("GET", &path).await;
        let events = events.body["events"].as_array().unwrap();
        assert_eq!(events.len(), 1, "{action}: {events:?}");
        assert_eq!(events[0]["subject"], url, "{action}");
    }
}
