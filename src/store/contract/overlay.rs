//! An overlay shows another store, and never changes it.

use std::ops::Range;

use serde_json::json;

use super::{TestPlace, client, id};
use crate::base::{Secret, Timestamp};
use crate::store::{Change, Expectation, PastUses, StoreError, UsedOnce};

fn all() -> Range<Vec<u8>> {
    Vec::new()..vec![u8::MAX]
}

fn put(key: &str, value: &str) -> Change {
    Change {
        put: vec![(key.into(), value.into())],
        ..Change::default()
    }
}

fn keys(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    pairs
        .iter()
        .map(|(key, value)| format!("{}={}", text(key), text(value)))
        .collect()
}

#[tokio::test]
async fn shows_what_is_below_with_what_was_written() {
    let below = TestPlace::memory();
    for key in ["a", "b", "c", "d"] {
        below.backend.apply(put(key, "1")).await.unwrap();
    }
    let over = below.store.overlay(PastUses::Count).backend;
    let change = Change {
        delete: vec![b"b".to_vec()],
        put: vec![
            (b"aa".to_vec(), b"2".to_vec()),
            (b"c".to_vec(), b"2".to_vec()),
        ],
        ..Change::default()
    };
    over.apply(change).await.unwrap();
    for (limit, expected) in [
        (1, &["a=1"][..]),
        (2, &["a=1", "aa=2"]),
        (3, &["a=1", "aa=2", "c=2"]),
        (9, &["a=1", "aa=2", "c=2", "d=1"]),
    ] {
        let found = over.scan(all(), limit).await.unwrap();
        assert_eq!(keys(&found), expected, "{limit}");
    }
    assert_eq!(over.get(b"b").await.unwrap(), None);
    assert_eq!(over.get(b"c").await.unwrap(), Some(b"2".to_vec()));
    let below = below.everything().await;
    assert_eq!(keys(&below), ["a=1", "b=1", "c=1", "d=1"]);
}

#[tokio::test]
async fn conditions_and_numbers_begin_with_what_is_below() {
    let below = TestPlace::memory();
    let count = Change {
        count: vec![(b"n".to_vec(), 5)],
        ..Change::default()
    };
    below.backend.apply(count.clone()).await.unwrap();
    below.backend.apply(put("a", "1")).await.unwrap();
    let over = below.store.overlay(PastUses::Count).backend;
    assert_eq!(over.apply(count.clone()).await.unwrap().numbers, [10]);
    assert_eq!(over.apply(count.clone()).await.unwrap().numbers, [15]);
    let absent = Change {
        expect: vec![Expectation::Absent(b"a".to_vec())],
        ..put("a", "2")
    };
    let lost = over.apply(absent).await;
    assert!(matches!(lost, Err(StoreError::Conflict)), "{lost:?}");
    assert_eq!(below.backend.apply(count).await.unwrap().numbers, [10]);
}

#[tokio::test]
async fn a_client_in_it_is_in_no_other_store() {
    let below = TestPlace::memory();
    let kept = client("kept", json!({}));
    let clients = &below.store.clients;
    clients.insert(&kept, Change::default()).await.unwrap();
    let before = below.everything().await;
    let over = below.store.overlay(PastUses::Count);
    let tried = client("tried", json!({}));
    over.clients
        .insert(&tried, Change::default())
        .await
        .unwrap();
    let stored = over.clients.find(&id("kept")).await.unwrap().unwrap();
    over.clients
        .remove(&stored, Change::default())
        .await
        .unwrap();
    assert!(over.clients.find(&id("tried")).await.unwrap().is_some());
    assert!(over.clients.find(&id("kept")).await.unwrap().is_none());
    assert_eq!(over.clients.count_all().await.unwrap(), 1);
    assert_eq!(below.everything().await, before);
}

#[tokio::test]
async fn uses_of_the_past_count_or_are_forgotten() {
    let below = TestPlace::memory();
    let (now, end) = (Timestamp::from_unix(1), Timestamp::from_unix(9));
    let claim = async |store: &crate::store::Store| {
        let claimed = store
            .single_use
            .claim(UsedOnce::Statement, &["a"], end, now);
        claimed.await.unwrap()
    };
    assert!(claim(&below.store).await);
    assert!(!claim(&below.store.overlay(PastUses::Count)).await);
    let forgetful = below.store.overlay(PastUses::Forget);
    assert!(claim(&forgetful).await);
    assert!(!claim(&forgetful).await);
}

#[tokio::test]
async fn uses_of_initial_access_tokens_count_or_are_forgotten_too() {
    let below = TestPlace::memory();
    let now = Timestamp::from_unix(1);
    let token = Secret::new("once".into());
    let grant = json!({"created_at": 1, "policy": {}, "uses": 1});
    let grant = serde_json::from_value(grant).unwrap();
    let tokens = &below.store.initial_access_tokens;
    let id = tokens.create(&token, grant, Change::default()).await;
    let id = id.unwrap();
    let used = async |store: &crate::store::Store| {
        let tokens = &store.initial_access_tokens;
        let found = tokens.find(&id, now).await.unwrap().unwrap();
        store.backend.apply(tokens.one_use(&found)).await
    };
    used(&below.store).await.unwrap();
    let counting = below.store.overlay(PastUses::Count);
    assert!(matches!(used(&counting).await, Err(StoreError::Conflict)));
    let forgetful = below.store.overlay(PastUses::Forget);
    used(&forgetful).await.unwrap();
    assert!(matches!(used(&forgetful).await, Err(StoreError::Conflict)));
}

#[tokio::test]
async fn what_is_written_is_limited() {
    let below = TestPlace::memory();
    let over = below.store.overlay(PastUses::Count).backend;
    let large = "x".repeat(6 << 20);
    over.apply(put("a", &large)).await.unwrap();
    over.apply(put("b", &large)).await.unwrap();
    let full = over.apply(put("c", &large)).await;
    assert!(matches!(full, Err(StoreError::Unavailable(_))), "{full:?}");
    assert_eq!(over.get(b"c").await.unwrap(), None);
}
