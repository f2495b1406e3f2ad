//! Rejections in the audit log: many of them leave space for other events, and none is lost at a stop.

use serde_json::json;

use crate::support::TestServer;

#[tokio::test]
async fn a_flood_of_rejections_leaves_space_for_other_events() {
    let server = TestServer::new().await;
    let begun = std::time::Instant::now();
    for _ in 0..400 {
        server
            .post(&json!({"redirect_uris": 5}))
            .await
            .expect_status(400);
    }
    server
        .called("DELETE", "/admin/v1/clients/nobody")
        .await
        .expect_status(404);
    let events = server.events(0).await;
    // A burst of 200 events and 20 more per second.
    let most = 201 + u64::try_from(begun.elapsed().as_millis()).unwrap() / 50;
    let with = |action: &str| {
        events
            .iter()
            .filter(|event| event["action"] == action)
            .collect::<Vec<_>>()
    };
    let written = u64::try_from(with("registration_refused").len()).unwrap();
    assert!(
        (200..=most).contains(&written),
        "{written} of at most {most}"
    );
    let lost = with("refusals_lost")
        .into_iter()
        .map(|event| event["details"]["count"].as_u64().unwrap());
    assert_eq!(written + lost.sum::<u64>(), 400);
    assert_eq!(
        with("deletion_refused").len(),
        1,
        "the event of an authenticated client"
    );
}

#[tokio::test]
async fn rejections_are_stored_when_the_server_stops() {
    let server = TestServer::new().await;
    let folder = server.folder.path().join("data");
    for _ in 0..20 {
        server
            .post(&json!({"redirect_uris": 5}))
            .await
            .expect_status(400);
    }
    let settings = server.inside().settings().store.clone();
    assert!(folder.exists());
    let kept = server.stop_and_keep().await;
    let storage = registrar::testing::Storage::open(&settings).await.unwrap();
    let events = storage.audited(0).await.unwrap();
    let refused = events.iter().filter(|event| event["error"].is_string());
    assert_eq!(refused.count(), 20);
    drop(kept);
}
