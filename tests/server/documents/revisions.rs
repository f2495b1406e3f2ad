//! The versions of a client: for the token endpoint, and to which of them the validators of a fetch belong.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use super::{PATH, World};
use crate::support::{Reply, Signer};

#[tokio::test]
async fn the_token_leg_reads_the_version_before_without_a_fetch() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    let first = world.client(&url).await["revision"].as_u64().unwrap();
    world.change(PATH, json!({"client_name": "Other"}));
    let changed = world.client(&url).await;
    assert_eq!(
        (&changed["revision"], &changed["metadata"]["client_name"]),
        (&json!(first + 1), &json!("Other"))
    );
    world.origin.set(PATH, Reply::never());
    world.server.clock.advance(100_000);
    for (revision, name) in [(first, "Editor"), (first + 1, "Other")] {
        let revision = revision.to_string();
        let answer = world.resolve_with(&url, &[("revision", &revision)]).await;
        answer.expect_status(200);
        assert_eq!(answer.body["metadata"]["client_name"], json!(name));
    }
    let gone = world.resolve_with(&url, &[("revision", "7")]).await;
    gone.expect_error(404, &["not_found"]);
    assert_eq!(world.origin.hits(PATH), 2);
}

#[tokio::test]
async fn a_change_between_code_and_token_does_not_change_the_client_of_the_code() {
    let world = World::new(json!({"clientDocumentHold": "none"})).await;
    let url = world.publish(PATH, json!({}));
    let at_code = world.client(&url).await;
    let revision = at_code["revision"].to_string();
    let at_token = async || world.resolve_with(&url, &[("revision", &revision)]).await;
    let signer = Signer::new("k", Algorithm::Es256);
    world.change(
        PATH,
        json!({
            "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks(),
            "redirect_uris": ["https://editor.example.org/other"],
        }),
    );
    let present = world.client(&url).await;
    assert_eq!(
        present["metadata"]["token_endpoint_auth_method"],
        "private_key_jwt"
    );
    let answer = at_token().await;
    answer.expect_status(200);
    assert_eq!(answer.body["metadata"], at_code["metadata"]);
    // A third version ends the first one.
    world.change(
        PATH,
        json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks()}),
    );
    world.client(&url).await;
    at_token().await.expect_error(404, &["not_found"]);
}

#[tokio::test]
async fn no_version_is_answered_for_a_client_that_is_disabled_or_denied() {
    let world = World::new(json!({})).await;
    let urls = ["/disabled", "/denied"].map(|path| world.publish(path, json!({})));
    let mut revisions = Vec::new();
    for (path, url) in ["/disabled", "/denied"].iter().zip(&urls) {
        revisions.push(world.client(url).await["revision"].to_string());
        world.change(path, json!({"client_name": "Other"}));
        world.client(url).await;
    }
    let client = world.client(&urls[0]).await;
    world
        .change_client(&client, json!({"disabled": true}))
        .await;
    let denial = json!({"client_id": urls[1]});
    world.order("deny", denial).await.expect_status(204);
    for (url, revision, status) in [
        (&urls[0], &revisions[0], 403),
        (&urls[1], &revisions[1], 404),
    ] {
        let answer = world.resolve_with(url, &[("revision", revision)]).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}

#[tokio::test]
async fn a_url_that_is_admitted_again_does_not_repeat_a_revision() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    let first = world.resolve(&url).await;
    let order = json!({"client_id": url, "until": world.server.now() + 100});
    world.order("deny", order).await.expect_status(204);
    world.publish(PATH, json!({"client_name": "Squatter"}));
    world.server.clock.advance(100);
    let second = world.resolve(&url).await;
    second.expect_status(200);
    assert_ne!(first.header("etag"), second.header("etag"));
    let revision = first.body["revision"].to_string();
    let old = world.resolve_with(&url, &[("revision", &revision)]).await;
    old.expect_error(404, &["not_found"]);
}

#[tokio::test]
async fn a_pinned_document_has_revisions_too() {
    let world = World::new(json!({})).await;
    let url = world.origin.url(PATH);
    let pin = json!({"client_id": url, "document": world.document(PATH, json!({}))});
    let pinned = world.order("pin", pin).await;
    pinned.expect_status(200);
    let revision = pinned.body["revision"].to_string();
    let present = world.resolve_with(&url, &[("revision", &revision)]).await;
    present.expect_status(200);
    let other = world.resolve_with(&url, &[("revision", "7")]).await;
    other.expect_error(404, &["not_found"]);
}

impl World {
    /// Publishes a version of the document with this entity tag, and lets so much time pass that it is fetched.
    fn tagged(&self, tag: &str, more: Value) -> String {
        let reply = Reply::json(self.document(PATH, more)).header("etag", tag);
        let url = self.origin.at(PATH, reply);
        self.server.clock.advance(400);
        url
    }

    /// Returns the entity tag with which the document was last asked for.
    fn asked_with(&self) -> Option<String> {
        self.origin.asked(PATH, "if-none-match")
    }
}

#[tokio::test]
async fn validators_belong_to_the_octets_that_they_came_with() {
    let world = World::new(json!({"clientDocumentHold": "keep"})).await;
    let url = world.tagged("\"a\"", json!({}));
    world.client(&url).await;
    assert_eq!(world.asked_with(), None);
    world.tagged("\"b\"", json!({"client_name": "Other"}));
    let client = world.client(&url).await;
    assert_eq!(world.asked_with().as_deref(), Some("\"a\""));
    assert_eq!(client["document"]["held_change"], json!(["client_name"]));
    // An answer without octets says that the held version is still there, not that the one in force is.
    world.origin.set(PATH, Reply::status(304));
    world.server.clock.advance(400);
    let client = world.client(&url).await;
    assert_eq!(world.asked_with().as_deref(), Some("\"b\""));
    assert_eq!(client["metadata"]["client_name"], "Editor");
    assert_eq!(client["document"]["held_change"], json!(["client_name"]));
    // What waits has ended, so it is fetched as a whole and can wait again.
    world.server.clock.advance(31 * 86_400);
    let url = world.tagged("\"b\"", json!({"client_name": "Other"}));
    world.expect_pending(&url).await;
    assert_eq!(world.asked_with(), None);
    let held = world.candidate(&url).await;
    world.approve(&url, &held["digest"]).await;
    let client = world.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Other");
}

#[tokio::test]
async fn validators_of_what_an_administrator_replaced_are_forgotten() {
    let world = World::new(json!({})).await;
    let url = world.tagged("\"a\"", json!({}));
    world.client(&url).await;
    let document = world.document(PATH, json!({"client_name": "Pinned"}));
    let pin = json!({"client_id": url, "document": document});
    world.order("pin", pin).await.expect_status(200);
    let order = json!({"client_id": url});
    world.order("unpin", order).await.expect_status(204);
    let client = world.client(&url).await;
    assert_eq!(world.asked_with(), None);
    assert_eq!(client["metadata"]["client_name"], "Editor");
    // A document that is no longer rejected is compared with what is in force, not with what was rejected.
    world.tagged("\"bad\"", json!({"client_secret": "s"}));
    world.resolve(&url).await.expect_status(422);
    world.tagged("\"a\"", json!({}));
    world.client(&url).await;
    assert_eq!(world.asked_with().as_deref(), Some("\"a\""));
}
