//! A sweep removes expired records and nothing else.

use futures_util::future::join_all;
use serde_json::json;

use super::{TestPlace, at, client, id, on_every_backend};
use crate::store::{
    Change, Store, clients::expiry::Expired, expiring::key_values::KeyValueLimits,
    expiring::single_use::UsedOnce, keys, keys::ExpiringKind,
};

on_every_backend!(
    expired_clients_are_removed,
    every_type_of_record_is_removed_when_it_expires,
    a_record_that_was_renewed_is_kept,
    unreadable_records_do_not_stop_a_sweep,
    an_unreadable_client_does_not_keep_others_from_removal,
    a_page_of_unreadable_clients_does_not_keep_others_from_removal,
);

async fn expired_clients_are_removed(place: TestPlace) {
    let clients = &place.store.clients;
    for turn in 0..25 {
        let one = client(&format!("p{turn:02}"), json!({"expires_at": turn}));
        clients.insert(&one, Change::default()).await.unwrap();
    }
    assert_eq!(
        clients.sweep(at(14), 10).await.unwrap(),
        10,
        "no more than requested"
    );
    assert_eq!(clients.sweep(at(14), 10).await.unwrap(), 5);
    assert_eq!(clients.sweep(at(14), 10).await.unwrap(), 0);
    assert!(clients.find(&id("p14")).await.unwrap().is_none());
    assert!(clients.find(&id("p15")).await.unwrap().is_some());
    assert_eq!(clients.count_all().await.unwrap(), 10);
    let seen = clients.find(&id("p15")).await.unwrap().unwrap();
    let later = client("p15", json!({"expires_at": 100}));
    clients
        .replace(&seen, &later, Change::default())
        .await
        .unwrap();
    assert_eq!(
        clients.sweep(at(99), 100).await.unwrap(),
        9,
        "its expiry was extended"
    );
    assert_eq!(clients.sweep(at(100), 100).await.unwrap(), 1);
    place.expect_empty().await;
}

/// Stores one record of every type that expires at `end`, except initial access and access tokens.
async fn fill(store: &Store, end: u64) {
    let limits = KeyValueLimits {
        entries: 100,
        key_bytes: 10,
        value_bytes: 10,
    };
    let values = store.key_values.of("a.rhai", limits);
    values
        .set(&format!("t{end}"), &json!("text"), at(end), at(1))
        .await
        .unwrap();
    values
        .increment(&format!("n{end}"), 1, at(end), at(1))
        .await
        .unwrap();
    store.nonces.issue(at(1), end - 1, 100).await.unwrap();
    assert!(
        store
            .single_use
            .claim(UsedOnce::Evidence, &[&end.to_string()], at(end), at(1))
            .await
            .unwrap()
    );
}

async fn every_type_of_record_is_removed_when_it_expires(place: TestPlace) {
    for end in 11..=20 {
        fill(&place.store, end).await;
    }
    let full = place.everything().await.len();
    assert_eq!(place.store.sweep(at(10), 5).await.unwrap(), 0);
    assert_eq!(place.everything().await.len(), full);
    assert_eq!(
        place.store.sweep(at(20), 5).await.unwrap(),
        15,
        "no more of each type than requested"
    );
    // Several sweeps at the same time, as by several servers on one database.
    let outcomes = join_all((0..5).map(|_| place.store.sweep(at(20), 100))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(place.store.sweep(at(20), 100).await.unwrap(), 0);
    place.expect_empty().await;
}

async fn a_record_that_was_renewed_is_kept(TestPlace { store, .. }: TestPlace) {
    let claim = async |end, now| {
        store
            .single_use
            .claim(UsedOnce::Evidence, &["e"], at(end), at(now))
            .await
            .unwrap()
    };
    for round in 1..30 {
        let (now, next) = (round * 10, round * 10 + 10);
        let (claimed, swept) = tokio::join!(claim(next, now), store.sweep(at(now), 10));
        swept.unwrap();
        assert!(claimed);
        store.sweep(at(now), 10).await.unwrap();
        assert!(
            !claim(next, now).await,
            "a sweep removed an unexpired record"
        );
    }
}

async fn unreadable_records_do_not_stop_a_sweep(place: TestPlace) {
    let entry = |key: &[u8]| (ExpiringKind::SingleUse.expiry(at(5), key), Vec::new());
    let put = vec![
        entry(b"empty"),
        (ExpiringKind::SingleUse.record(b"empty"), Vec::new()),
        entry(b"nowhere"),
    ];
    place
        .backend
        .apply(Change {
            put,
            ..Change::default()
        })
        .await
        .unwrap();
    fill(&place.store, 10).await;
    while place.store.sweep(at(10), 1).await.unwrap() > 0 {}
    place.expect_empty().await;
}

async fn an_unreadable_client_does_not_keep_others_from_removal(
    TestPlace { store, backend, .. }: TestPlace,
) {
    for turn in 0..25 {
        let one = client(&format!("p{turn:02}"), json!({"expires_at": turn}));
        store.clients.insert(&one, Change::default()).await.unwrap();
    }
    let put = vec![
        (keys::client(&id("p00")), b"what?".to_vec()),
        (keys::client(&id("p13")), Vec::new()),
    ];
    backend
        .apply(Change {
            put,
            ..Change::default()
        })
        .await
        .unwrap();
    let mut swept = 0;
    loop {
        match store.clients.sweep(at(24), 10).await.unwrap() {
            0 => break,
            some => swept += some,
        }
    }
    assert_eq!(swept, 23);
    assert!(
        store.clients.find(&id("p13")).await.is_err(),
        "the record is still there for inspection"
    );
}

async fn a_page_of_unreadable_clients_does_not_keep_others_from_removal(
    TestPlace { store, backend, .. }: TestPlace,
) {
    for turn in 0..25 {
        let one = client(&format!("p{turn:02}"), json!({"expires_at": turn}));
        store.clients.insert(&one, Change::default()).await.unwrap();
    }
    // The first twelve, as a newer registrar wrote them: more than one page.
    let put = (0..12)
        .map(|turn| {
            (
                keys::client(&id(&format!("p{turn:02}"))),
                b"\x09{}".to_vec(),
            )
        })
        .collect();
    backend
        .apply(Change {
            put,
            ..Change::default()
        })
        .await
        .unwrap();
    assert_eq!(
        store.clients.sweep(at(24), 5).await.unwrap(),
        3,
        "the clients of the third page"
    );
    let (mut expired, mut pages) = (Expired::at(at(24)), 0);
    while !expired.is_over() {
        store.clients.sweep_expired(&mut expired, 5).await.unwrap();
        pages += 1;
    }
    // Twelve and ten were left: each is visited once.
    assert_eq!((expired.removed(), pages), (10, 5));
    assert!(
        store.clients.find(&id("p11")).await.is_err(),
        "the record is still there for inspection"
    );
}
