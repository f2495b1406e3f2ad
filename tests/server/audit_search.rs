//! Which events of the audit log a call returns, and the check of their digests.

use serde_json::{Value, json};

use crate::support::{TestServer, minimal};

#[tokio::test]
async fn events_are_selected_by_time_action_actor_and_subject() {
    let server = TestServer::new().await;
    let one = server.register(&minimal()).await;
    server.register(&minimal()).await;
    server
        .update(&one, &one.update(json!({"scope": "openid"})))
        .await
        .expect_status(200);
    let path = format!("/admin/v1/clients/{}", one.id);
    server.called("DELETE", &path).await.expect_status(204);
    let actions = async |query: &str| {
        let path = format!("/admin/v1/audit?{query}");
        let answer = server.called("GET", &path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let events = answer.body["events"].as_array().unwrap().clone();
        let actions = events.iter().map(|event| event["action"].as_str().unwrap());
        actions.map(str::to_owned).collect::<Vec<_>>()
    };
    let id = &one.id;
    assert_eq!(
        actions(&format!("subject={id}")).await,
        ["client_created", "client_updated", "client_deleted"]
    );
    assert_eq!(actions(&format!("actor={id}")).await, ["client_updated"]);
    assert_eq!(
        actions("action=client_updated,client_deleted").await,
        ["client_updated", "client_deleted"]
    );
    let since = |time: u64| format!("action=client_deleted&since={time}");
    assert_eq!(actions(&since(crate::support::START)).await.len(), 1);
    assert_eq!(actions(&since(crate::support::START + 1)).await.len(), 0);
    assert_eq!(actions("action=client_deleted&since=1d").await.len(), 1);
    assert_eq!(
        actions("action=client_deleted&since=2026-01-02")
            .await
            .len(),
        0
    );
    for odd in ["action=client.update", "since=yesterday", "actors=a"] {
        let path = format!("/admin/v1/audit?{odd}");
        server.called("GET", &path).await.expect_status(400);
    }
}

#[tokio::test]
async fn the_digests_of_the_log_are_checked() {
    let server = TestServer::new().await;
    for _ in 0..5 {
        server.register(&minimal()).await;
    }
    let events = server.events(0).await;
    let last = events.last().unwrap();
    let check = async |query: &str| {
        let path = format!("/admin/v1/audit/verification?{query}");
        server.called("GET", &path).await.body
    };
    let all = check("limit=100").await;
    assert_eq!(
        all,
        json!({"first": 1, "events": 6, "without_digest": 0, "last": 6, "digest": last["digest"]})
    );
    let digest = events[1]["digest"].as_str().unwrap();
    let page = check(&format!("limit=4&digest={digest}")).await;
    assert_eq!((&page["found"], &page["next"]), (&json!(2), &json!(4)));
    let rest = check("after=4&limit=4").await;
    assert_eq!((&rest["first"], &rest["last"]), (&json!(5), &json!(6)));
    assert_eq!(rest["next"], Value::Null);
    let beyond = check("after=9").await;
    assert_eq!(beyond["fault"]["position"], 9);
    for odd in ["digest=00", "limit=100000", "from=1"] {
        let path = format!("/admin/v1/audit/verification?{odd}");
        server.called("GET", &path).await.expect_status(400);
    }
}
