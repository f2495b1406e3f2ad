//! The database stops, and comes back.

use std::time::Duration;

use futures_util::future::join_all;

use crate::database::Database;
use crate::node::{Node, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_outlive_a_stop_of_the_database() {
    let Some(database) = Database::of_its_own() else { return };
    let nodes = [Node::start_with(&database, "timeoutMs = 2000"), Node::start(&database)];
    // Some connections are open when it stops.
    let before = join_all((0..20).map(|turn| nodes[turn % 2].register("before"))).await;
    for round in 0..2 {
        database.halt();
        for node in &nodes {
            refuses(node).await;
        }
        database.resume();
        for node in &nodes {
            let took = until(10, async || node.get("/readyz").await.status() == 200).await;
            assert!(took < Duration::from_secs(5), "it took {took:?} in round {round}");
            node.register("after").await;
        }
        for client in &before {
            nodes[round].read(client).await;
        }
    }
    for node in &nodes {
        let log = node.log();
        assert!(log.contains("the store can not be reached"), "{log}");
        assert!(!log.contains(database.password()), "the password is in the log");
    }
}

async fn refuses(node: &Node) {
    let answer = node.try_register("during").await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    // What it answered before the stop is remembered for a moment.
    until(10, async || node.get("/readyz").await.status() == 503).await;
    let ready = node.get("/readyz").await;
    assert_eq!(ready.status(), 503);
    let text = ready.text().await.unwrap();
    assert!(text.contains("the store does not answer"), "{text}");
    assert_eq!(node.get("/healthz").await.status(), 200);
}
