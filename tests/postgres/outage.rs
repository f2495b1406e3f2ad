//! The database stops and is available again.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;

use crate::database::Database;
use crate::node::{Node, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_survive_a_stop_of_the_database() {
    let Some(database) = Database::of_its_own() else {
        return;
    };
    let nodes = [
        Node::start_with(&database, "timeoutMs = 4000"),
        Node::start_with(&database, "timeoutMs = 5000"),
    ];
    // Some connections are open when the database stops.
    let before = join_all((0..20).map(|turn| nodes[turn % 2].register("before"))).await;
    for round in 0..2 {
        database.halt();
        for node in &nodes {
            refuses(node).await;
        }
        database.resume();
        for node in &nodes {
            until(async || node.get("/readyz").await.status() == 200).await;
            node.register("after").await;
        }
        for client in &before {
            nodes[round].read(client).await;
        }
    }
    for node in &nodes {
        let log = node.log();
        assert!(log.contains("the store is unavailable"), "{log}");
        assert!(
            !log.contains(database.password()),
            "the password is in the log"
        );
        let metrics = node.get("/metrics").await.text().await.unwrap();
        for outcome in ["done", "failed"] {
            let name = format!("registrar_store_writes_total{{outcome=\"{outcome}\"}} ");
            let none = format!("{name}0\n");
            assert!(
                metrics.contains(&name) && !metrics.contains(&none),
                "{metrics}"
            );
        }
        let flushes = "registrar_store_flush_duration_seconds_count ";
        assert!(metrics.contains(flushes), "{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_under_load_is_logged_once_a_second_with_a_count() {
    let Some(database) = Database::of_its_own() else {
        return;
    };
    let node = Node::start_with(&database, "timeoutMs = 2000");
    node.register("before").await;
    database.halt();
    let (begun, mut refused) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(3) {
        let answers = join_all((0..20).map(|_| node.try_register("during"))).await;
        let statuses: Vec<_> = answers
            .into_iter()
            .map(|answer| answer.expect("an answer").status())
            .collect();
        // The quota for one address must not be reached.
        assert!(
            statuses
                .iter()
                .all(|status| [503, 429].contains(&status.as_u16())),
            "{statuses:?}"
        );
        refused += statuses.len();
    }
    let seconds = usize::try_from(begun.elapsed().as_secs()).expect("small");
    let log = node.log();
    let lines: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let told: Vec<&Value> = lines
        .iter()
        .filter(|line| line["message"] == "the store failed")
        .collect();
    assert!(
        (1..=seconds + 2).contains(&told.len()),
        "{} lines in {seconds} s: {log}",
        told.len()
    );
    let counted: u64 = told
        .iter()
        .filter_map(|line| line["failures"].as_u64())
        .sum();
    assert!(
        counted > 0 && counted <= refused as u64,
        "{counted} of {refused}"
    );
    // Only the access line of each request grows with the number of requests.
    let errors = lines.iter().filter(|line| line["level"] == "ERROR").count();
    assert!(
        errors <= 3 * (seconds + 2),
        "{errors} errors in {seconds} s, {refused} requests: {log}"
    );
    database.resume();
}

async fn refuses(node: &Node) {
    let answer = node.try_register("during").await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    // The result from before the stop is cached for a moment.
    until(async || node.get("/readyz").await.status() == 503).await;
    let ready = node.get("/readyz").await;
    assert_eq!(ready.status(), 503);
    let text = ready.text().await.unwrap();
    assert!(text.contains("the store does not respond"), "{text}");
    assert_eq!(node.get("/healthz").await.status(), 200);
}
