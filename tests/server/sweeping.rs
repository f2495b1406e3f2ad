//! Sweeps of expired clients while the server stops.

use std::time::{Duration, Instant};

use registrar::client::Client;
use registrar::store::Change;
use registrar::store::transfer::{Existing, MOST_IMPORTED};
use serde_json::json;

use crate::support::{START, TestServer};

/// Number of pages that a sweep has to read.
const PAGES: usize = 10;

/// Returns a client that expires one day after the start.
fn expiring(turn: usize) -> Client {
    let record = json!({
        "id": format!("old-{turn}"), "metadata": {"redirect_uris": ["https://client.example.org/cb"]},
        "issued_at": START, "expires_at": START + 86_400, "revision": 1, "tokens": {"current": ""},
        "provenance": {"trust_level": "open", "configuration": "c"},
    });
    serde_json::from_value(record).unwrap()
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_sweep_of_many() {
    let server =
        TestServer::configured(|configuration| configuration.settings.store.sweep_seconds = 1)
            .await;
    let store = server.server().service().store.clone();
    let all: Vec<_> = (0..PAGES * MOST_IMPORTED).map(expiring).collect();
    for batch in all.chunks(MOST_IMPORTED) {
        store
            .clients
            .import(batch, Existing::Refuse, |_| Ok(Change::default()))
            .await
            .unwrap();
    }
    let before = store.clients.count_all().await.unwrap();
    // Previous sweeps found no expired client; the next one has all of them to remove.
    server.clock.advance(86_400);
    let end = Instant::now() + Duration::from_secs(30);
    while store.clients.count_all().await.unwrap() == before {
        assert!(Instant::now() < end, "no sweep began in thirty seconds");
        tokio::task::yield_now().await;
    }
    let kept = server.stop_and_keep().await;
    let left = store.clients.count_all().await.unwrap();
    assert!(
        left > 1,
        "only the administrator is left, so the stop waited for the whole sweep"
    );
    drop(kept);
}
