//! What becomes of the version in force when a later fetch fails or brings something else.

use serde_json::json;

use super::{PATH, World};
use crate::support::Reply;

#[tokio::test]
async fn an_outage_keeps_the_version_for_some_time() {
    let world = World::with(&[], json!({}), |configuration| {
        configuration.settings.fetch.timeout_ms = 1_500;
    })
    .await;
    let url = world.publish(PATH, json!({}));
    let first = world.client(&url).await;
    let text = world.document(PATH, json!({})).to_string();
    let outages = [500, 503, 429, 401, 403].map(Reply::status);
    for reply in outages
        .into_iter()
        .chain([Reply::never(), Reply::slow(text)])
    {
        let shown = format!("{reply:?}");
        world.origin.set(PATH, reply);
        world.server.clock.advance(450);
        let client = world.client(&url).await;
        assert_eq!(client["document"]["stale"], json!(true), "{shown}");
        assert_eq!(client["metadata"], first["metadata"]);
        world.change(PATH, json!({}));
        let client = world.client(&url).await;
        assert_eq!(client["document"]["stale"], json!(false), "{shown}");
    }
    world.origin.set(PATH, Reply::status(503));
    world.server.clock.advance(500);
    world.client(&url).await;
    let hits = world.origin.hits(PATH);
    // A failed URL is left alone for some time.
    world.client(&url).await;
    assert_eq!(world.origin.hits(PATH), hits);
    world.server.clock.advance(3_600);
    let answer = world.resolve(&url).await;
    answer.expect_error(503, &["document_unavailable"]);
    assert_eq!(answer.header("retry-after"), "10");
    world.publish(PATH, json!({}));
    world.server.clock.advance(610);
    let client = world.client(&url).await;
    assert_eq!(client["document"]["stale"], json!(false));
    assert_eq!(client["revision"], first["revision"]);
}

#[tokio::test]
async fn what_is_no_document_keeps_the_version_for_some_time() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    let first = world.client(&url).await;
    let text = world.document(PATH, json!({})).to_string();
    let away = world.origin.url("/other");
    for reply in [
        Reply::status(301).header("location", away),
        Reply::status(204),
        Reply::status(400),
        Reply::text("application/json", "x".repeat(6_000)),
        Reply::endless(),
        Reply::text("text/html", text),
        Reply::json(json!([])),
        Reply::text("application/json", "{"),
        Reply::json(world.document("/other", json!({}))),
    ] {
        let shown = format!("{reply:?}");
        world.origin.set(PATH, reply);
        world.server.clock.advance(400);
        let hits = world.origin.hits(PATH);
        let client = world.client(&url).await;
        assert_eq!(world.origin.hits(PATH), hits + 1, "{shown}");
        assert_eq!(client["document"]["stale"], json!(true), "{shown}");
        assert_eq!(client["metadata"], first["metadata"]);
        world.publish(PATH, json!({}));
        world.server.clock.advance(650);
        let again = world.client(&url).await;
        assert_eq!(again["document"]["stale"], json!(false), "{shown}");
        assert_eq!(again["revision"], first["revision"]);
    }
    world.origin.set(PATH, Reply::status(400));
    world.server.clock.advance(4_000);
    let answer = world.resolve(&url).await;
    answer.expect_error(502, &["document_unusable"]);
    assert_eq!(answer.member("fetch")["status"], json!(400));
}

#[tokio::test]
async fn a_document_that_no_longer_exists_suspends_its_client() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    world.client(&url).await;
    for status in [404, 410] {
        world.origin.set(PATH, Reply::status(status));
        world.server.clock.advance(400);
        let client = world.client(&url).await;
        assert_eq!(client["document"]["stale"], json!(true));
        world.server.clock.advance(60);
        let answer = world.resolve(&url).await;
        answer.expect_error(502, &["document_unusable"]);
        world.publish(PATH, json!({}));
        world.server.clock.advance(60);
        let client = world.client(&url).await;
        assert_eq!(client["document"]["stale"], json!(false));
    }
    let actions = world.actions().await;
    let gone = actions.iter().filter(|action| *action == "document_gone");
    assert_eq!(gone.count(), 2, "{actions:?}");
}

#[tokio::test]
async fn two_answers_far_apart_that_there_is_no_document_suspend_nothing() {
    let world = World::new(json!({"clientDocumentStaleSeconds": 100_000})).await;
    let url = world.publish(PATH, json!({}));
    world.client(&url).await;
    world.origin.set(PATH, Reply::status(404));
    for _ in 0..2 {
        world.server.clock.advance(1_300);
        let client = world.client(&url).await;
        assert_eq!(client["document"]["stale"], json!(true));
    }
    assert_eq!(world.origin.hits(PATH), 3);
    world.server.clock.advance(300);
    let answer = world.resolve(&url).await;
    answer.expect_error(502, &["document_unusable"]);
}

#[tokio::test]
async fn a_change_that_breaks_a_rule_takes_effect_at_once() {
    for hold in ["none", "stop"] {
        let world = World::new(json!({"clientDocumentHold": hold})).await;
        let url = world.publish(PATH, json!({}));
        let first = world.client(&url).await;
        world.change(PATH, json!({"client_secret": "s"}));
        let answer = world.resolve(&url).await;
        answer.expect_error(422, &["invalid_client_metadata"]);
        // While the URL is left alone, and while its host is out of reach, that does not change.
        let answer = world.resolve(&url).await;
        answer.expect_error(422, &["invalid_client_metadata"]);
        world.origin.set(PATH, Reply::status(500));
        world.server.clock.advance(30);
        let answer = world.resolve(&url).await;
        answer.expect_error(503, &["document_unavailable"]);
        world.change(PATH, json!({"redirect_uris": ["javascript:alert(1)"]}));
        let answer = world.resolve(&url).await;
        answer.expect_error(422, &["invalid_redirect_uri"]);
        world.change(PATH, json!({}));
        let client = world.client(&url).await;
        assert_eq!(client["revision"], first["revision"]);
        assert_eq!(client["document"]["stale"], json!(false));
    }
}

#[tokio::test]
async fn a_change_that_breaks_a_rule_takes_effect_when_it_is_found_behind_an_answer() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    world.client(&url).await;
    world.publish(PATH, json!({"client_secret": "s"}));
    world.server.clock.advance(250);
    world.client(&url).await;
    crate::events::until(async || world.resolve(&url).await.status == 422).await;
    // It is not in force again because it was in force for a time that has not passed.
    world.server.clock.advance(40);
    let answer = world.resolve(&url).await;
    answer.expect_error(422, &["invalid_client_metadata"]);
    assert_eq!(world.origin.hits(PATH), 3);
}

#[tokio::test]
async fn a_version_that_is_kept_outlives_a_change_that_breaks_a_rule_for_some_time() {
    let world = World::new(json!({"clientDocumentHold": "keep"})).await;
    let url = world.publish(PATH, json!({}));
    let first = world.client(&url).await;
    for more in [
        json!({"client_secret": "s"}),
        json!({"redirect_uris": ["javascript:alert(1)"]}),
    ] {
        world.publish(PATH, more);
        world.server.clock.advance(700);
        let client = world.client(&url).await;
        assert_eq!(client["document"]["stale"], json!(true));
        assert_eq!(client["metadata"], first["metadata"]);
    }
    world.server.clock.advance(3_600);
    let answer = world.resolve(&url).await;
    answer.expect_error(422, &["invalid_redirect_uri"]);
}

#[tokio::test]
async fn a_script_that_rejects_a_change_rejects_the_client() {
    let script = r#"fn updateClient(context) { context.client.client_name != "Evil" }"#;
    let world = World::with(&[("10-names.rhai", script)], json!({}), |_| {}).await;
    let url = world.publish(PATH, json!({}));
    world.client(&url).await;
    world.publish(PATH, json!({"client_name": "Evil"}));
    world.server.clock.advance(250);
    world.client(&url).await;
    crate::events::until(async || world.resolve(&url).await.status == 403).await;
    world.expect_denied(&url).await;
    world.change(PATH, json!({"client_name": "Good"}));
    let client = world.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Good");
}
