//! Clients that disconnect before they are answered.

use std::time::Duration;

use futures_util::poll;
use serde_json::json;

use crate::support::{TestServer, minimal};

const TELL: &str =
    "fn clientDeleted(context) { http::get(\"https://other.example.org/deleted\"); }";

#[tokio::test]
async fn a_client_that_disconnects_during_its_deletion_leaves_no_trace_in_another_system() {
    let (server, host) = TestServer::hosted(&[("10-a.rhai", TELL)], |_| {}).await;
    host.answer_json("GET", "https://other.example.org/deleted", 200, &json!({}));
    let client = server.register(&minimal()).await;
    {
        let mut deletion = server.inside().deletion(&client.id).await.unwrap();
        assert!(
            poll!(&mut deletion).is_pending(),
            "the deletion waits for the store"
        );
    }
    while host.calls().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    server.read(&client).await.expect_status(401);
}
