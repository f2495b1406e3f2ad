//! The number of clients of each trust level.

use serde_json::json;
use tokio::task::JoinSet;

use super::{TestPlace, client, id, on_every_backend};
use crate::base::Timestamp;
use crate::client::{Client, TrustLevel};
use crate::store::{Change, Expectation, Store, keys};

on_every_backend!(
    each_change_of_a_client_is_counted,
    clients_of_previous_versions_are_counted_once,
    as_many_as_there_are_after_a_race
);

async fn counts(store: &Store) -> Vec<u64> {
    store
        .clients
        .by_level()
        .await
        .unwrap()
        .into_iter()
        .map(|(_, count)| count)
        .collect()
}

fn of(name: &str, level: TrustLevel) -> Client {
    client(
        name,
        json!({"provenance": {"trust_level": level.as_str()}, "expires_at": 100}),
    )
}

async fn insert(store: &Store, client: &Client) {
    store
        .clients
        .insert(client, Change::default())
        .await
        .unwrap();
}

async fn each_change_of_a_client_is_counted(TestPlace { store, .. }: TestPlace) {
    assert_eq!(counts(&store).await, [0; 7]);
    for (number, level) in TrustLevel::ALL.into_iter().enumerate() {
        for turn in 0..=number {
            insert(&store, &of(&format!("{}{turn}", level.as_str()), level)).await;
        }
    }
    assert_eq!(counts(&store).await, [1, 2, 3, 4, 5, 6, 7]);
    assert!(
        store
            .clients
            .insert(&of("open0", TrustLevel::Open), Change::default())
            .await
            .is_err()
    );
    let seen = store.clients.find(&id("open0")).await.unwrap().unwrap();
    let risen = Client {
        revision: 2,
        ..of("open0", TrustLevel::Statement)
    };
    store
        .clients
        .replace(&seen, &risen, Change::default())
        .await
        .unwrap();
    assert_eq!(counts(&store).await, [0, 2, 3, 4, 6, 6, 7]);
    let seen = store.clients.find(&id("token1")).await.unwrap().unwrap();
    store
        .clients
        .remove(&seen, Change::default())
        .await
        .unwrap();
    assert_eq!(counts(&store).await, [0, 2, 2, 4, 6, 6, 7]);
    let (levels, all) = (
        counts(&store).await,
        store.clients.count_all().await.unwrap(),
    );
    assert_eq!(levels.into_iter().sum::<u64>(), all);
    while store
        .clients
        .sweep(Timestamp::from_unix(100), 7)
        .await
        .unwrap()
        > 0
    {}
    assert_eq!(counts(&store).await, [0; 7]);
}

async fn clients_of_previous_versions_are_counted_once(
    TestPlace { store, backend, .. }: TestPlace,
) {
    for number in 0..1_234 {
        let level = if number % 3 == 0 {
            TrustLevel::Token
        } else {
            TrustLevel::Open
        };
        insert(&store, &of(&format!("n{number:04}"), level)).await;
    }
    // As it was before the counters existed.
    let delete = TrustLevel::ALL
        .map(|level| keys::level_count(level.as_str()))
        .to_vec();
    let damaged = (keys::client(&id("x")), b"what?".to_vec());
    backend
        .apply(Change {
            delete,
            put: vec![damaged],
            ..Change::default()
        })
        .await
        .unwrap();
    assert_eq!(counts(&store).await, [0; 7]);
    store.clients.count_levels().await.unwrap();
    assert_eq!(counts(&store).await, [822, 0, 412, 0, 0, 0, 0]);
    insert(&store, &of("later", TrustLevel::Mtls)).await;
    store.clients.count_levels().await.unwrap();
    assert_eq!(counts(&store).await, [822, 0, 412, 1, 0, 0, 0]);
}

async fn as_many_as_there_are_after_a_race(TestPlace { store, .. }: TestPlace) {
    let mut each = JoinSet::new();
    for number in 0..64 {
        let store = store.clone();
        each.spawn(async move {
            let name = format!("c{}", number / 2);
            let _ = store
                .clients
                .insert(&of(&name, TrustLevel::Open), Change::default())
                .await;
            let Some(seen) = store.clients.find(&id(&name)).await.unwrap() else {
                return;
            };
            let risen = Client {
                revision: 2,
                ..of(&name, TrustLevel::Attested)
            };
            let _ = store
                .clients
                .replace(&seen, &risen, Change::default())
                .await;
            if number % 4 == 0 {
                let expect = vec![Expectation::Absent(keys::client(&id("nobody")))];
                let _ = store
                    .clients
                    .remove(
                        &seen,
                        Change {
                            expect,
                            ..Change::default()
                        },
                    )
                    .await;
            }
        });
    }
    each.join_all().await;
    let mut found = [0_u64; 7];
    for number in 0..32 {
        if let Some(stored) = store
            .clients
            .find(&id(&format!("c{number}")))
            .await
            .unwrap()
        {
            let level = stored.client().provenance.trust_level;
            found[TrustLevel::ALL
                .iter()
                .position(|one| *one == level)
                .unwrap()] += 1;
        }
    }
    assert_eq!(counts(&store).await, found);
}
