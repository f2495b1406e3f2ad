//! Sweeps of expired clients while the server stops.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{START, TestServer};

/// Number of clients that expire: ten pages that a sweep has to read.
const EXPIRING: usize = 5_000;

/// Returns a client that expires one day after the start.
fn expiring(turn: usize) -> Value {
    json!({
        "id": format!("old-{turn}"), "metadata": {"redirect_uris": ["https://client.example.org/cb"]},
        "issued_at": START, "expires_at": START + 86_400, "revision": 1, "tokens": {"current": ""},
        "provenance": {"trust_level": "open", "configuration": "c"},
    })
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_sweep_of_many() {
    let server =
        TestServer::configured(|configuration| configuration.settings.store.sweep_seconds = 1)
            .await;
    let storage = server.storage();
    let all = (0..EXPIRING).map(expiring).collect();
    storage.import_clients(all).await.unwrap();
    let before = storage.count_clients().await.unwrap();
    // Previous sweeps found no expired client; the next one has all of them to remove.
    server.clock.advance(86_400);
    let end = Instant::now() + Duration::from_secs(30);
    while storage.count_clients().await.unwrap() == before {
        assert!(Instant::now() < end, "no sweep began in thirty seconds");
        tokio::task::yield_now().await;
    }
    let kept = server.stop_and_keep().await;
    let left = storage.count_clients().await.unwrap();
    assert!(
        left > 1,
        "only the administrator is left, so the stop waited for the whole sweep"
    );
    drop(kept);
}
