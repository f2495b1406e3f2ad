//! Refusals of URLs in the audit log.

use serde_json::{Value, json};

use super::{PATH, World};
use crate::support::Reply;

/// Returns the reasons for which `url` was refused, as the audit log has them.
async fn reasons(world: &World, url: &str) -> Vec<String> {
    let mut events = world.events().await;
    events.retain(|event| event["action"] == "document_refused" && event["subject"] == url);
    for event in &events {
        assert_eq!(event.get("actor"), None, "{event}");
    }
    let reason = |event: &Value| event["error"].as_str().unwrap().to_owned();
    let mut reasons: Vec<String> = events.iter().map(reason).collect();
    reasons.sort();
    reasons
}

#[tokio::test]
async fn a_refused_url_has_one_event_for_each_reason_in_an_hour() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({"client_secret": "s"}));
    for _ in 0..3 {
        world.resolve(&url).await.expect_status(422);
        world.server.clock.advance(700);
    }
    assert_eq!(world.origin.hits(PATH), 3);
    assert_eq!(reasons(&world, &url).await, ["invalid_client_metadata"]);
    world.origin.set(PATH, Reply::text("text/html", "<p>"));
    world.resolve(&url).await.expect_status(502);
    let expected = ["document_unusable", "invalid_client_metadata"];
    assert_eq!(reasons(&world, &url).await, expected);
    world.server.clock.advance(3_600);
    world.resolve(&url).await.expect_status(502);
    world.resolve(&url).await.expect_status(502);
    let expected = [
        "document_unusable",
        "document_unusable",
        "invalid_client_metadata",
    ];
    assert_eq!(reasons(&world, &url).await, expected);
}

#[tokio::test]
async fn every_reason_is_recorded_but_not_what_is_no_url_or_waits() {
    let script = r#"
        fn mayFetchDocument(context) {
            if context.document.url.ends_with("/own") {
                context.createWebApplicationException(403, #{ error: "not_here", error_description: "not here" });
            }
            if context.document.url.ends_with("/fault") { throw "a fault"; }
            !context.document.url.ends_with("/no")
        }
        fn createClient(context) {
            if context.document.url.ends_with("/hold") { context.holdForApproval("new"); }
            true
        }
    "#;
    let world = World::with(&[("10-reasons.rhai", script)], json!({}), |configuration| {
        configuration.settings.limits.document_fetches_per_host = 6;
    })
    .await;
    let deny = format!("https://{}/listed", world.origin.address());
    let denial = json!({"client_id": deny});
    world.order("deny", denial).await.expect_status(204);
    for (path, status, reason) in [
        ("/listed", 403, "document_denied"),
        ("/no", 403, "document_denied"),
        ("/own", 403, "not_here"),
        ("/fault", 500, ""),
        ("/hold", 403, ""),
        ("/good", 200, ""),
    ] {
        let url = world.publish(path, json!({}));
        let answer = world.resolve(&url).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        let found = reasons(&world, &url).await;
        let expected: &[&str] = if reason.is_empty() { &[] } else { &[reason] };
        assert_eq!(found, expected, "{path}");
    }
    let down = world.origin.at("/down", Reply::status(500));
    world.resolve(&down).await.expect_status(503);
    assert_eq!(reasons(&world, &down).await, ["document_unavailable"]);
    let busy = world.publish("/busy", json!({}));
    world.resolve(&busy).await.expect_status(429);
    assert_eq!(reasons(&world, &busy).await, ["too_many_requests"]);
    let before = world.events().await.len();
    world
        .resolve("https://a.example/#secret")
        .await
        .expect_status(400);
    assert_eq!(world.events().await.len(), before);
}

#[tokio::test]
async fn a_failure_behind_the_answer_is_recorded_too() {
    let world = World::new(json!({"clientDocumentHold": "keep"})).await;
    let url = world.publish(PATH, json!({}));
    world.client(&url).await;
    world.origin.set(PATH, Reply::status(301));
    world.server.clock.advance(250);
    world.client(&url).await;
    crate::events::until(async || reasons(&world, &url).await == ["document_unusable"]).await;
}
