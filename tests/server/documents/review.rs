//! What administrators decide about documents.

use serde_json::{Value, json};

use super::{PATH, World};
use crate::support::Reply;

/// Returns the only document in this state.
async fn only(world: &World, state: &str) -> Value {
    let url = format!("/admin/v1/client-documents?state={state}");
    let answer = world.ask("GET", &url).await;
    answer.expect_status(200);
    let documents = answer.body["documents"].as_array().unwrap();
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents[0].clone()
}

#[tokio::test]
async fn a_new_url_waits_until_its_octets_are_approved() {
    let world = World::new(json!({"clientDocumentApproval": "first"})).await;
    let url = world.publish(PATH, json!({}));
    world.expect_pending(&url).await;
    world.expect_pending(&url).await;
    let waiting = only(&world, "waiting").await;
    assert_eq!(
        (&waiting["asked"], &waiting["last_asked_by"]),
        (&json!(1), &json!("administrator"))
    );
    let shown = world.candidate(&url).await;
    assert_eq!(shown["digest"], waiting["digest"]);
    assert_eq!(shown["metadata"]["client_name"], "Editor");
    let octets = world.document(PATH, json!({})).to_string();
    assert_eq!(shown["document"], json!(octets));
    let other = json!({"client_id": url, "digest": "x"});
    world
        .order("approve", other)
        .await
        .expect_error(409, &["conflict"]);
    let approval = json!({"client_id": url, "digest": waiting["digest"], "note": "ok"});
    world.order("approve", approval).await.expect_status(200);
    let client = world.client(&url).await;
    let approved = &client["document"]["approved"];
    assert_eq!(
        (&approved["by"], &approved["note"]),
        (&json!("administrator"), &json!("ok"))
    );
    assert_eq!(approved["digest"], client["document"]["digest"]);
    assert_eq!(world.origin.hits(PATH), 1);
    assert_eq!(
        world.actions().await,
        ["document_held", "document_approved"]
    );
    // A change of no sensitive member moves the approval along.
    world.change(PATH, json!({"tos_uri": "https://editor.example.org/tos"}));
    let client = world.client(&url).await;
    assert_eq!(client["document"]["approved"]["by"], "unchanged members");
    assert_eq!(
        client["document"]["approved"]["digest"],
        client["document"]["digest"]
    );
}

#[tokio::test]
async fn a_sensitive_change_is_held_and_a_withdrawn_redirect_uri_is_gone_at_once() {
    let world = World::new(json!({"clientDocumentHold": "keep"})).await;
    let url = world.publish(PATH, json!({}));
    world.client(&url).await;
    let next = json!({"client_name": "Evil", "redirect_uris": ["https://editor.example.org/cb", "https://evil.example/cb"]});
    world.change(PATH, next);
    let client = world.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Editor");
    assert_eq!(
        client["metadata"]["redirect_uris"],
        json!(["https://editor.example.org/cb"])
    );
    assert_eq!(
        client["document"]["held_change"],
        json!(["client_name", "redirect_uris", "application_type"])
    );
    let held = only(&world, "held").await;
    let shown = world.candidate(&url).await;
    assert_eq!(shown["change"]["after"]["client_name"], "Evil");
    // A kept version is rejected in the end.
    world.server.clock.advance(604_800);
    world.expect_pending(&url).await;
    world.approve(&url, &held["digest"]).await;
    let client = world.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Evil");
    assert_eq!(client["document"]["held_change"], json!(null));
}

#[tokio::test]
async fn a_held_change_that_is_taken_back_is_no_longer_held() {
    let world = World::new(json!({"clientDocumentHold": "stop"})).await;
    let url = world.publish(PATH, json!({}));
    world.client(&url).await;
    world.change(PATH, json!({"client_name": "Other"}));
    world.expect_pending(&url).await;
    world.change(PATH, json!({}));
    let client = world.client(&url).await;
    assert_eq!(client["document"]["held_change"], json!(null));
    let left = world.ask("GET", "/admin/v1/client-documents").await;
    assert_eq!(left.body["documents"], json!([]));
}

#[tokio::test]
async fn a_denial_removes_the_client_and_outlives_it() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    world.client(&url).await;
    let until = world.server.now() + 1_000;
    let denial = json!({"client_id": url, "note": "spam", "until": until});
    world.order("deny", denial).await.expect_status(204);
    world.expect_denied(&url).await;
    let denied = only(&world, "denied").await;
    assert_eq!(
        (&denied["note"], &denied["until"]),
        (&json!("spam"), &json!(until))
    );
    assert!(world.clients().await.is_empty());
    assert_eq!(world.origin.hits(PATH), 1);
    world.server.clock.advance(1_000);
    world.client(&url).await;
}

#[tokio::test]
async fn a_disabled_client_is_not_revived_by_a_fetch() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    let client = world.client(&url).await;
    let members = json!({"disabled": true});
    world.change_client(&client, members).await;
    world.publish(PATH, json!({"client_name": "Other"}));
    world.server.clock.advance(100_000);
    world.expect_denied(&url).await;
    assert_eq!(world.origin.hits(PATH), 1);
}

#[tokio::test]
async fn an_administrator_brings_a_document_that_is_never_fetched() {
    let world = World::new(json!({"clientDocumentApproval": "always"})).await;
    let url = world.origin.at(PATH, Reply::status(403));
    let bad = json!({"client_id": url, "document": {"client_id": url}});
    world
        .order("pin", bad)
        .await
        .expect_error(422, &["invalid_client_metadata"]);
    let pin = json!({"client_id": url, "document": world.document(PATH, json!({}))});
    let pinned = world.order("pin", pin).await;
    pinned.expect_status(200);
    assert_eq!(pinned.body["document"]["pinned"], json!(true));
    world.server.clock.advance(1_000_000);
    assert_eq!(world.client(&url).await["document"]["stale"], json!(false));
    assert_eq!(world.origin.hits(PATH), 0);
    world
        .order("unpin", json!({"client_id": url}))
        .await
        .expect_status(204);
    world
        .resolve(&url)
        .await
        .expect_error(503, &["document_unavailable"]);
    assert_eq!(world.origin.hits(PATH), 1);
    let again = world.order("unpin", json!({"client_id": url})).await;
    again.expect_error(404, &["not_found"]);
}

#[tokio::test]
async fn a_forced_fetch_ignores_the_validators() {
    let world = World::new(json!({})).await;
    let reply = Reply::json(world.document(PATH, json!({}))).header("etag", "\"a\"");
    let url = world.origin.at(PATH, reply.clone());
    world.client(&url).await;
    let changed = Reply::json(world.document(PATH, json!({"client_name": "Other"})));
    world.origin.set(PATH, changed);
    let order = json!({"client_id": url});
    let refreshed = world.order("refresh", order.clone()).await;
    refreshed.expect_status(200);
    assert_eq!(refreshed.body["metadata"]["client_name"], "Other");
    assert_eq!(world.origin.asked(PATH, "if-none-match"), None);
    world
        .order("refresh", order.clone())
        .await
        .expect_error(429, &["too_many_requests"]);
    world.server.clock.advance(30);
    world.order("refresh", order).await.expect_status(200);
    assert_eq!(world.origin.hits(PATH), 3);
}

#[tokio::test]
async fn a_denial_that_has_ended_before_it_begins_is_rejected() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    world.client(&url).await;
    let now = world.server.now();
    for until in [1, now - 1, now] {
        let denial = json!({"client_id": url, "until": until});
        let answer = world.order("deny", denial).await;
        answer.expect_error(400, &["invalid_request"]);
        let said = answer.member("error_description").as_str().unwrap();
        assert!(said.contains("until is in the past"), "{said}");
    }
    assert_eq!(world.actions().await, ["document_admitted"]);
    world.client(&url).await;
    let denial = json!({"client_id": url, "until": now + 1});
    world.order("deny", denial).await.expect_status(204);
    only(&world, "denied").await;
}
