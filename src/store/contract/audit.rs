//! The audit log.

use futures_util::future::join_all;
use serde_json::{Map, json};

use super::{TestPlace, at, client, on_every_backend};
use crate::store::{Action, AuditEvent, Change};

on_every_backend!(
    events_are_read_in_order,
    an_event_is_written_with_its_change,
    a_reader_misses_nothing,
    the_log_is_limited,
);

fn event(subject: &str) -> AuditEvent {
    AuditEvent {
        at: at(5),
        action: Action::ClientCreated,
        subject: subject.to_owned(),
        actor: None,
        actor_name: None,
        address: Some("192.0.2.1".parse().unwrap()),
        error: None,
        correlation_id: None,
        details: Map::from_iter([("revision".to_owned(), json!(1))]),
    }
}

async fn events_are_read_in_order(TestPlace { store, .. }: TestPlace) {
    assert_eq!(store.audit.last().await.unwrap(), 0);
    assert!(store.audit.page(0, 10).await.unwrap().is_empty());
    for turn in 1..=300 {
        store.audit.append(&event(&turn.to_string())).await.unwrap();
    }
    assert_eq!(store.audit.last().await.unwrap(), 300);
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = store.audit.page(after, 70).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.position;
        seen.extend(page);
    }
    let expected = (1..=300).map(|turn: u64| (turn, event(&turn.to_string())));
    assert!(
        seen.into_iter()
            .map(|logged| (logged.position, logged.event))
            .eq(expected)
    );
    assert!(store.audit.page(u64::MAX, 10).await.unwrap().is_empty());
}

async fn an_event_is_written_with_its_change(TestPlace { store, .. }: TestPlace) {
    let one = client("one", json!({}));
    let told = || event("one").change().unwrap();
    store.clients.insert(&one, told()).await.unwrap();
    assert!(store.clients.insert(&one, told()).await.is_err());
    let seen = store.clients.find(&one.id).await.unwrap().unwrap();
    store.clients.remove(&seen, told()).await.unwrap();
    assert!(store.clients.remove(&seen, told()).await.is_err());
    assert_eq!(store.audit.page(0, 10).await.unwrap().len(), 2);
}

async fn a_reader_misses_nothing(TestPlace { store, .. }: TestPlace) {
    let write = async |turn: u32| store.audit.append(&event(&turn.to_string())).await.unwrap();
    let read = async {
        let mut seen = Vec::new();
        while seen.len() < 200 {
            let after = seen.last().copied().unwrap_or(0);
            let page = store.audit.page(after, 7).await.unwrap();
            seen.extend(page.into_iter().map(|logged| logged.position));
            tokio::task::yield_now().await;
        }
        seen
    };
    let (_, seen) = tokio::join!(join_all((0..200).map(write)), read);
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
}

async fn the_log_is_limited(TestPlace { store, .. }: TestPlace) {
    for turn in 0..30 {
        store.audit.append(&event(&turn.to_string())).await.unwrap();
    }
    let positions = async || {
        let page = store.audit.page(0, 100).await.unwrap();
        page.iter()
            .map(|logged| logged.position)
            .collect::<Vec<_>>()
    };
    assert_eq!(store.audit.trim(30, 10).await.unwrap(), 0);
    assert_eq!(store.audit.trim(5, 20).await.unwrap(), 20);
    assert_eq!(store.audit.trim(5, 20).await.unwrap(), 5);
    assert_eq!(store.audit.trim(5, 20).await.unwrap(), 0);
    assert_eq!(positions().await, [26, 27, 28, 29, 30]);
    assert_eq!(store.audit.trim(0, 20).await.unwrap(), 5);
    store
        .clients
        .insert(&client("one", json!({})), Change::default())
        .await
        .unwrap();
    store.audit.append(&event("next")).await.unwrap();
    assert_eq!(positions().await, [31], "a number is not used twice");
}
