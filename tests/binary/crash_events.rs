//! Kills the server at random moments under load while another system follows its clients, and checks that every
//! acknowledged change arrives there.
//!
//! `cargo test --test binary` kills five times with each database. To choose how often, the database and the binary:
//!
//! ```text
//! REGISTRAR_KILLS=200 REGISTRAR_DATABASE=fjall REGISTRAR_BINARY=target/release/registrar \
//!     cargo test --test binary crash_events::as_many_kills_as_asked_for -- --ignored --nocapture
//! ```

#![expect(clippy::print_stdout, reason = "long tests print what they saw")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Notify;

use crate::acknowledged::{Client, Dice, Due, Found, number};
use crate::crash;
use crate::process::{Database, PATIENCE, Registrar, until};
use crate::receiver::{Expected, Receiver};

/// Connections that register, update and delete.
const WORKERS: usize = 6;
/// Most registrations that are acknowledged between a start and the kill.
const MOST: u64 = 40;
/// Most microseconds between the last of them and the kill.
const LONGEST: u64 = 15_000;
/// The receiver rejects one of so many requests.
const REJECTED: u64 = 23;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_change_is_delivered_in_spite_of_kill_9() {
    kills(5, 11, Database::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_change_in_fjall_is_delivered_in_spite_of_kill_9() {
    kills(5, 12, Database::Fjall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: see the head of this file"]
async fn as_many_kills_as_asked_for() {
    let (many, seed) = (number("REGISTRAR_KILLS", 200), number("REGISTRAR_SEED", 1));
    kills(many, seed, Database::chosen()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_delivered_before_a_stop_is_delivered_after_the_next_start() {
    let receiver = Receiver::start(0).await;
    receiver.set_down(true);
    let mut registrar = Registrar::start_with(&receiver.configuration());
    let (http, url) = (reqwest::Client::new(), registrar.url(""));
    let mut clients = Vec::new();
    for turn in 0..20_usize {
        let client = Client::register(&url, &http, &format!("{turn}")).await;
        let mut client = client.expect("an answer");
        client.update(&url, &http).await.expect("an answer");
        if turn % 2 == 0 {
            client.delete(&url, &http).await.expect("an answer");
        }
        clients.push(client);
    }
    until(async || registrar.log().contains("event delivery failed")).await;
    assert!(registrar.terminate().success());
    let log = registrar.log();
    let failed = log
        .lines()
        .find(|line| line.contains("event delivery failed; retrying"));
    let failed: Value = serde_json::from_str(failed.expect("a line")).expect("JSON");
    assert_eq!(failed["consumer"], "hooks", "{failed}");
    assert!(failed["position"].as_u64().is_some(), "{failed}");
    let is_named = clients
        .iter()
        .any(|client| failed["client_id"] == client.id);
    assert!(is_named, "{failed}");
    assert_eq!(receiver.count(), 0);

    receiver.set_down(false);
    let _registrar = registrar.start_again();
    catch_up(&receiver, &clients).await;
    assert_eq!(receiver.check_order(), 0, "nothing was delivered twice");
    // An event that still fails is dropped when the deletion of its client follows it.
    assert!(
        (30..=50).contains(&receiver.count()),
        "{}",
        receiver.count()
    );
}

async fn kills(many: u64, seed: u64, database: Database) {
    let receiver = Receiver::start(REJECTED).await;
    let configuration = database.configuration(&receiver.configuration());
    let mut registrar = Registrar::start_with(&configuration);
    let (http, mut dice, begun) = (reqwest::Client::new(), Dice(seed), Instant::now());
    let mut clients: Vec<Client> = Vec::new();
    for round in 1..=many {
        let answers = dice.below(MOST);
        let pause = Duration::from_micros(dice.below(LONGEST));
        // In one of three rounds, nothing is delivered before the kill.
        receiver.set_down(dice.below(3) == 0);
        let mut stormed = storm(&mut registrar, &http, (answers, pause), round).await;
        registrar = registrar.start_again();
        for client in &mut stormed {
            let found = client.look(&registrar, &http).await;
            assert_eq!(found, Found::Due, "round {round} of seed {seed}");
        }
        clients.extend(stormed);
        if round % 10 == 0 {
            receiver.set_down(false);
            catch_up(&receiver, &clients).await;
            println!(
                "{round} kills, {} clients, {:?}",
                clients.len(),
                begun.elapsed()
            );
        }
    }
    receiver.set_down(false);
    catch_up(&receiver, &clients).await;
    receiver.quiet().await;
    let repeated = receiver.check_order();
    println!(
        "{many} kills in {:?}: {} clients acknowledged, {} events received, {repeated} of them repeated; none lost",
        begun.elapsed(),
        clients.len(),
        receiver.count(),
    );
}

/// Sends requests until the process is killed meanwhile. Returns the clients that were acknowledged.
async fn storm(
    registrar: &mut Registrar,
    http: &reqwest::Client,
    (most, pause): (u64, Duration),
    round: u64,
) -> Vec<Client> {
    let url = registrar.url("");
    let (answers, enough) = (AtomicU64::new(0), Notify::new());
    let count = || {
        if answers.fetch_add(1, Ordering::Relaxed) == most {
            enough.notify_one();
        }
    };
    let workers =
        (0..WORKERS).map(|worker| crash::work(&url, http, &count, format!("{round} {worker}")));
    let kill = async {
        enough.notified().await;
        tokio::time::sleep(pause).await;
        registrar.kill();
    };
    let (clients, ()) = futures_util::join!(futures_util::future::join_all(workers), kill);
    clients.concat()
}

/// Waits until the receiver has every acknowledged change.
async fn catch_up(receiver: &Receiver, clients: &[Client]) {
    let end = Instant::now() + PATIENCE;
    let expected: Vec<Expected<'_>> = clients.iter().map(expected).collect();
    while let Some(missing) = receiver.missing(&expected) {
        assert!(Instant::now() < end, "an event is missing: {missing}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn expected(client: &Client) -> Expected<'_> {
    let revision = match client.due {
        Due::Version(version) | Due::Updating(version) | Due::Deleting(version) => version,
        Due::Gone => 1,
    };
    Expected {
        client: &client.id,
        revision,
        is_deleted: client.due == Due::Gone,
    }
}
