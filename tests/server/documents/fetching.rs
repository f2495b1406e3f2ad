//! When documents are fetched, and what becomes of the version in force when a fetch fails.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{PATH, World};
use crate::support::{Canary, Reply};

#[tokio::test]
async fn a_document_is_kept_and_then_fetched_behind_the_answer() {
    let world = World::new(json!({})).await;
    let reply = Reply::json(world.document(PATH, json!({})));
    let url = world.origin.at(PATH, reply.header("etag", "\"a\""));
    world.client(&url).await;
    world.server.clock.advance(239);
    world.client(&url).await;
    assert_eq!(world.origin.hits(PATH), 1);
    world.origin.set(PATH, Reply::status(304));
    world.server.clock.advance(1);
    let first = world.client(&url).await;
    world.until_hits(PATH, 2).await;
    assert_eq!(
        world.origin.asked(PATH, "if-none-match").as_deref(),
        Some("\"a\"")
    );
    let fetched_at = |client: &Value| client["document"]["fetched_at"].as_u64().unwrap();
    crate::events::until(async || {
        fetched_at(&world.client(&url).await) == fetched_at(&first) + 240
    })
    .await;
    let revision = &world.client(&url).await["revision"];
    assert_eq!(revision, &first["revision"]);
    assert_eq!(world.origin.hits(PATH), 2);
    // A fetch behind an answer does not keep the next one from being made.
    for hits in 3..6 {
        world.server.clock.advance(240);
        let client = world.client(&url).await;
        assert_eq!(client["document"]["stale"], json!(false));
        world.until_hits(PATH, hits).await;
        let now = world.server.now();
        crate::events::until(async || fetched_at(&world.client(&url).await) == now).await;
    }
    world.server.clock.advance(400);
    let client = world.client(&url).await;
    assert_eq!(fetched_at(&client), world.server.now());
    assert_eq!(world.origin.hits(PATH), 6);
}

#[tokio::test]
async fn many_who_wait_share_one_fetch() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    let answers = join_all((0..100).map(|_| world.resolve(&url))).await;
    for answer in answers {
        answer.expect_status(200);
    }
    assert_eq!(world.origin.hits(PATH), 1);
}

#[tokio::test]
async fn a_url_that_comes_back_after_a_long_absence_is_a_new_client() {
    let world = World::new(json!({"clientDocumentAbsenceSeconds": 10_000})).await;
    let url = world.publish(PATH, json!({}));
    let first = world.client(&url).await;
    world.origin.set(PATH, Reply::status(500));
    world.server.clock.advance(700);
    world.client(&url).await;
    for _ in 0..3 {
        world.server.clock.advance(3_500);
        world.resolve(&url).await.expect_status(503);
    }
    world.publish(PATH, json!({"client_name": "Squatter"}));
    world.server.clock.advance(1_000);
    let next = world.client(&url).await;
    assert_eq!(next["metadata"]["client_name"], "Squatter");
    assert_ne!(
        next["document"]["first_seen_at"],
        first["document"]["first_seen_at"]
    );
    let actions = world.actions().await;
    let admitted = actions
        .iter()
        .filter(|action| *action == "document_admitted");
    assert_eq!(admitted.count(), 2, "{actions:?}");
    assert!(
        actions.iter().any(|action| action == "document_gone"),
        "{actions:?}"
    );
}

#[tokio::test]
async fn one_failure_long_ago_is_no_absence() {
    let world = World::new(json!({"clientDocumentAbsenceSeconds": 10_000})).await;
    let url = world.publish(PATH, json!({}));
    let first = world.client(&url).await;
    world.origin.set(PATH, Reply::status(500));
    world.server.clock.advance(700);
    world.client(&url).await;
    world.publish(PATH, json!({"client_name": "Other"}));
    world.server.clock.advance(20_000);
    let next = world.client(&url).await;
    assert_eq!(next["metadata"]["client_name"], "Other");
    let first_seen = |client: &Value| client["document"]["first_seen_at"].clone();
    assert_eq!(first_seen(&next), first_seen(&first));
}

#[tokio::test]
async fn what_is_not_exactly_a_document_is_unusable() {
    let world = World::with(&[], json!({}), |configuration| {
        configuration.settings.fetch.timeout_ms = 1_500;
        configuration.settings.limits.document_fetches_per_host = 1_000;
    })
    .await;
    let good = world.publish("/good", json!({}));
    let canary = Canary::new();
    let away = format!("https://127.0.0.1:{}/", canary.port());
    let text = world.document("/x", json!({})).to_string();
    let repeated = text.replacen('{', "{\"client_name\": \"A\", ", 1);
    let cases = [
        (Reply::status(301).header("location", good), 502),
        (Reply::status(302).header("location", away), 502),
        (Reply::status(204), 502),
        (Reply::text("text/html", text.clone()), 502),
        (Reply::text("application/json", "x".repeat(6_000)), 502),
        (Reply::endless(), 502),
        (
            Reply::text("application/json", format!("\u{feff}\u{feff}{text}")),
            502,
        ),
        (Reply::text("application/json", repeated), 502),
        (
            Reply::text("application/json", "\u{1f}\u{8b}\u{8}").header("content-encoding", "gzip"),
            502,
        ),
        (Reply::json(world.document("/x/", json!({}))), 502),
        (Reply::slow(text), 503),
        (Reply::never(), 503),
    ];
    for (reply, status) in cases {
        let shown = format!("{reply:?}");
        let url = world.origin.at("/x", reply);
        let answer = world.resolve(&url).await;
        assert_eq!(answer.status, status, "{shown}: {}", answer.text);
        world.server.clock.advance(1_200);
    }
    assert_eq!(world.origin.hits("/good"), 0);
    canary.expect_untouched();
    assert!(world.clients().await.is_empty());
}

#[tokio::test]
async fn an_address_that_may_not_be_reached_is_not_connected_to() {
    let world = World::with(&[], json!({}), |configuration| {
        configuration.settings.fetch.allow_private_addresses = false;
    })
    .await;
    let canary = Canary::new();
    let url = format!("https://127.0.0.1:{}/c", canary.port());
    world
        .resolve(&url)
        .await
        .expect_error(400, &["invalid_client_id"]);
    canary.expect_untouched();
}

#[tokio::test]
async fn new_urls_have_a_budget_and_known_ones_do_not_need_it() {
    let world = World::with(&[], json!({}), |configuration| {
        configuration.settings.limits.document_fetches_per_host = 2;
    })
    .await;
    let (one, two) = (
        world.publish("/1", json!({})),
        world.publish("/2", json!({})),
    );
    let three = world.publish("/3", json!({}));
    world.client(&one).await;
    world.client(&two).await;
    let limited = world.resolve(&three).await;
    limited.expect_error(429, &["too_many_requests"]);
    assert_ne!(limited.header("retry-after"), "");
    world.client(&one).await;
    assert_eq!(world.origin.hits("/3"), 0);
}

#[tokio::test]
async fn a_host_that_answers_html_is_left_alone() {
    let world = World::new(json!({})).await;
    for path in ["/1", "/2", "/3"] {
        let url = world.origin.at(path, Reply::text("text/html", "<p>"));
        world
            .resolve(&url)
            .await
            .expect_error(502, &["document_unusable"]);
    }
    let good = world.publish("/4", json!({}));
    world
        .resolve(&good)
        .await
        .expect_error(429, &["too_many_requests"]);
    world.server.clock.advance(600);
    world.client(&good).await;
}

#[tokio::test]
async fn every_json_media_type_is_a_document() {
    let world = World::new(json!({})).await;
    for (path, media_type) in [
        ("/1", "application/json"),
        ("/2", "application/json; charset=utf-8"),
        ("/3", "application/cimd+json"),
        ("/4", "Application/JSON"),
    ] {
        let text = world.document(path, json!({})).to_string();
        let url = world.origin.at(path, Reply::text(media_type, text));
        world.client(&url).await;
    }
    for (path, media_type) in [
        ("/5", "text/plain"),
        ("/6", "text/json"),
        ("/7", "application/jsonp"),
        ("/8", ""),
    ] {
        let text = world.document(path, json!({})).to_string();
        let url = world.origin.at(path, Reply::text(media_type, text));
        let answer = world.resolve(&url).await;
        answer.expect_error(502, &["document_unusable"]);
        // Three URLs without a document pause the host.
        world.server.clock.advance(601);
    }
}
