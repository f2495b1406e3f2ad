//! Two servers on one database, one of which is killed at random, while another system follows their clients.
//!
//! `cargo test --test postgres` kills twice. For more:
//!
//! ```text
//! REGISTRAR_KILLS=200 cargo test --test postgres events::as_many_kills -- --ignored --nocapture
//! ```

#![expect(clippy::print_stdout, reason = "long tests print what they saw")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::Value;

use crate::database::{Database, note_secrets};
use crate::node::{Node, until};
use crate::receiver::{Expected, Receiver};
use crate::sharing::update;

/// Connections to each server.
const CONNECTIONS: usize = 3;

/// A client, and what was acknowledged of it.
struct Acknowledged {
    id: String,
    revision: u64,
    is_deleted: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_one_is_killed_and_every_acknowledged_change_is_delivered() {
    kills(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long: see the head of this file"]
async fn as_many_kills_as_asked_for() {
    let many = std::env::var("REGISTRAR_KILLS").map_or(200, |text| text.parse().unwrap());
    kills(many).await;
}

async fn kills(many: usize) {
    let Some(database) = Database::new().await else {
        return;
    };
    let receiver = Receiver::start(23).await;
    let start = || Node::start_with(&database, &receiver.configuration());
    let mut nodes = [start(), start()];
    let (mut acknowledged, mut longest) = (Vec::new(), Duration::ZERO);
    let begun = Instant::now();
    for round in 0..many {
        // At first the server that delivers, because it was started first.
        let is_first = round == 0 || begun.elapsed().subsec_nanos().is_multiple_of(2);
        let (victim, other) = match &mut nodes {
            [one, two] if is_first => (one, two),
            [one, two] => (two, one),
        };
        // In one of three rounds, nothing is delivered before the kill.
        receiver.set_down(round % 3 == 2);
        acknowledged.extend(storm(victim, other, round).await);
        victim.kill();
        receiver.set_down(false);
        // The other server delivers what this one has not.
        let took = until(async || missing(&receiver, &acknowledged).is_none()).await;
        longest = longest.max(took);
        *victim = start();
    }
    receiver.quiet().await;
    let repeated = receiver.check_order();
    println!(
        "{many} kills in {:?}: {} clients, {} events received, {repeated} repeated; the longest takeover took \
         {longest:?}",
        begun.elapsed(),
        acknowledged.len(),
        receiver.count(),
    );
}

fn missing(receiver: &Receiver, acknowledged: &[Acknowledged]) -> Option<String> {
    let expected = acknowledged.iter().map(|client| Expected {
        client: &client.id,
        revision: client.revision,
        is_deleted: client.is_deleted,
    });
    receiver.missing(&expected.collect::<Vec<_>>())
}

/// Changes clients at both servers until `victim` is killed. Returns what was acknowledged.
async fn storm(victim: &Node, other: &Node, round: usize) -> Vec<Acknowledged> {
    let (is_over, begun) = (AtomicBool::new(false), Instant::now());
    let workers = [victim, other].into_iter().flat_map(|node| {
        let is_over = &is_over;
        (0..CONNECTIONS).map(move |number| work(node, is_over, format!("{round}-{number}")))
    });
    let kill = async {
        let pause = 300 + begun.elapsed().subsec_nanos() % 500;
        tokio::time::sleep(Duration::from_millis(u64::from(pause))).await;
        victim.signal("-KILL");
        tokio::time::sleep(Duration::from_millis(100)).await;
        is_over.store(true, Ordering::Relaxed);
    };
    let (clients, ()) = join(join_all(workers), kill).await;
    clients.into_iter().flatten().collect()
}

async fn work(node: &Node, is_over: &AtomicBool, name: String) -> Vec<Acknowledged> {
    let mut acknowledged = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let Some(client) = registered(node, &name).await else {
            break;
        };
        let mut known = Acknowledged {
            id: client["client_id"].as_str().unwrap().to_owned(),
            revision: 1,
            is_deleted: false,
        };
        let put = node
            .of(Method::PUT, &client)
            .json(&update(&client, "changed"));
        let is_updated = put.send().await.is_ok_and(|answer| answer.status() == 200);
        known.revision += u64::from(is_updated);
        if is_updated && acknowledged.len() % 3 == 2 {
            let deleted = node.of(Method::DELETE, &client).send().await;
            known.is_deleted = deleted.is_ok_and(|answer| answer.status() == 204);
        }
        acknowledged.push(known);
    }
    acknowledged
}

/// Registers a client, unless the server does not answer any longer.
async fn registered(node: &Node, name: &str) -> Option<Value> {
    let answer = node.try_register(name).await.ok()?;
    assert_eq!(answer.status(), 201, "{}", node.log());
    let client = answer.json().await.ok()?;
    note_secrets(&client);
    Some(client)
}
