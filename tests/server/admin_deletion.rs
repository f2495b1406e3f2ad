//! Deletion of many clients by an administrator.

use serde_json::{Value, json};

use crate::support::{TestServer, minimal, with};

async fn register(
    server: &TestServer,
    name: &str,
    software_id: &str,
) -> crate::support::Registered {
    let members = json!({"client_name": name, "software_id": software_id});
    server.register(&with(minimal(), members)).await
}

async fn count(server: &TestServer) -> u64 {
    server.storage().count_clients().await.unwrap()
}

#[tokio::test]
async fn matching_clients_are_deleted_and_all_others_stay() {
    let server = TestServer::new().await;
    let (mut meant, mut others) = (Vec::new(), Vec::new());
    for turn in 0..8 {
        meant.push(register(&server, &format!("Old {turn}"), "one").await);
        others.push(register(&server, &format!("New {turn}"), "two").await);
    }
    let answer = server
        .called(
            "DELETE",
            "/admin/v1/clients?software_id=one&client_name=old&confirm=8",
        )
        .await;
    answer.expect_status(200);
    assert_eq!(answer.body, json!({"deleted": 8}));
    for client in &meant {
        server.read(client).await.expect_status(401);
    }
    for client in &others {
        server.read(client).await.expect_status(200);
    }
    let again = server
        .called("DELETE", "/admin/v1/clients?software_id=one&confirm=0")
        .await;
    assert_eq!(again.body, json!({"deleted": 0}));
    let after = server.last_event().await;
    let late = server
        .called("DELETE", "/admin/v1/clients?issued_from=0&confirm=8")
        .await;
    assert_eq!(late.body, json!({"deleted": 8}));
    assert_eq!(
        count(&server).await,
        1,
        "the administrator is never deleted"
    );
    server
        .called("GET", "/admin/v1/clients")
        .await
        .expect_status(200);
    let events = server.events(after).await;
    let mut subjects: Vec<&str> = events
        .iter()
        .map(|event| event["subject"].as_str().unwrap())
        .collect();
    let mut ids: Vec<&str> = others.iter().map(|client| client.id.as_str()).collect();
    subjects.sort_unstable();
    ids.sort_unstable();
    assert_eq!(subjects, ids);
    let is_whole =
        |event: &Value| event["action"] == "client_deleted" && event["actor"] == "administrator";
    assert!(events.iter().all(is_whole), "{events:?}");
}

#[tokio::test]
async fn without_a_filter_nothing_is_deleted() {
    let server = TestServer::new().await;
    register(&server, "K", "s").await;
    for query in [
        "",
        "?",
        "?client_id=",
        "?client_name=",
        "?after=a",
        "?limit=5",
        "?software_id=s&unknown=1",
        "?trust_level=x&confirm=1",
        "?software_id=s",
        "?software_id=s&confirm=",
        "?software_id=s&dry_run=false",
        "?software_id=s&dry_run=true&confirm=1",
        "?dry_run=true",
    ] {
        let answer = server
            .called("DELETE", &format!("/admin/v1/clients{query}"))
            .await;
        answer.expect_error(400, &["invalid_request"]);
    }
    let none = server
        .called("DELETE", "/admin/v1/clients?trust_level=operator&confirm=0")
        .await;
    assert_eq!(none.body, json!({"deleted": 0}));
    assert_eq!(count(&server).await, 2);
}

#[tokio::test]
async fn scripts_can_keep_clients_and_are_notified_of_the_deleted_ones() {
    let script = r#"
        fn deleteClient(context) { context.client.client_name != "kept" }
        fn clientDeleted(context) { kv::increment("told", 1, 1000); }
    "#;
    let server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    for name in ["kept", "gone", "gone", "kept", "gone"] {
        register(&server, name, "s").await;
    }
    let answer = server
        .called("DELETE", "/admin/v1/clients?software_id=s&confirm=5")
        .await;
    answer.expect_status(200);
    assert_eq!(answer.body, json!({"deleted": 3, "refused": 2}));
    let events = server.events(0).await;
    let kept = events
        .iter()
        .filter(|event| event["action"] == "deletion_refused");
    let kept = kept.map(|event| (event["actor"].as_str(), event["subject"].as_str().is_some()));
    assert!(kept.eq([(Some("administrator"), true); 2]), "{events:?}");
    let told = async || {
        let storage = server.storage();
        let told = storage.kept("10-a.rhai", "told", server.now()).await;
        told.unwrap()
    };
    crate::reload::until(async || (told().await == Some(json!(3))).then_some(())).await;
}

#[tokio::test]
async fn a_failing_script_stops_the_deletion_and_the_answer_counts_the_deleted_clients() {
    let script = "fn deleteClient(context) { context.client.client_name != \"bad\" || 1 / 0 == 0 }";
    let server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    register(&server, "bad", "s").await;
    register(&server, "good", "s").await;
    let answer = server
        .called("DELETE", "/admin/v1/clients?software_id=s&confirm=2")
        .await;
    answer.expect_error(500, &["server_error"]);
    let deleted = answer.body["deleted"].as_u64().unwrap();
    assert_eq!(count(&server).await, 3 - deleted);
}
