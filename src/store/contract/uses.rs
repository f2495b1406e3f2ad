//! When clients were last used, and the removal of unused clients.

use futures_util::future::join_all;
use serde_json::json;

use super::{TestPlace, at, client, id, on_every_backend, race};
use crate::base::Timestamp;
use crate::client::Client;
use crate::store::{
    Change, Store, StoreError, clients::index::client_use, clients::unused::Unused,
    clients::uses::GRAIN, keys,
};

on_every_backend!(
    a_use_is_written_once_an_hour,
    a_noted_use_is_visible_before_it_is_written,
    unused_clients_are_removed,
    a_use_saves_a_client_from_the_sweep,
    a_use_stays_with_a_client_that_is_replaced,
    a_use_of_an_unknown_client_is_not_written,
    a_use_that_is_not_written_yet_saves_a_client_too,
    a_use_does_not_conflict_with_a_change_of_the_client,
    an_unreadable_client_delays_nothing,
    a_use_of_an_unreadable_client_delays_no_other,
    clients_older_than_the_index_are_entered_once,
);

const DAY: u64 = 86_400;

fn issued(name: &str, at: u64) -> Client {
    client(name, json!({"issued_at": at}))
}

async fn insert(store: &Store, client: &Client) {
    store
        .clients
        .insert(client, Change::default())
        .await
        .unwrap();
}

async fn last(store: &Store, name: &str) -> Option<Timestamp> {
    store
        .clients
        .find(&id(name))
        .await
        .unwrap()
        .unwrap()
        .client()
        .last_used_at
}

async fn sweep(store: &Store, unused: Unused) -> usize {
    let mut sweep = unused.sweep();
    while !sweep.is_over() {
        store
            .uses
            .sweep_unused(&mut sweep, 10, |_| Ok(Change::default()))
            .await
            .unwrap();
    }
    sweep.removed()
}

async fn a_use_is_written_once_an_hour(TestPlace { store, .. }: TestPlace) {
    insert(&store, &issued("one", 1)).await;
    let use_at = async |moment| {
        store.uses.note(&id("one"), at(moment));
        store.uses.write().await.unwrap()
    };
    assert_eq!(use_at(10).await, 1);
    for moment in [10, 11, 10 + GRAIN - 1, 5] {
        assert_eq!(use_at(moment).await, 0, "{moment}");
    }
    assert_eq!(last(&store, "one").await, Some(at(10)));
    assert_eq!(use_at(10 + GRAIN).await, 1);
    assert_eq!(last(&store, "one").await, Some(at(10 + GRAIN)));
    assert_eq!(
        store
            .clients
            .find(&id("one"))
            .await
            .unwrap()
            .unwrap()
            .client()
            .revision,
        1
    );
    // Another server that does not know of the use yet.
    let other = Store::on(
        std::sync::Arc::clone(&store.backend),
        store.sealing_keys.clone(),
    );
    other.uses.note(&id("one"), at(11 + GRAIN));
    assert_eq!(other.uses.write().await.unwrap(), 0);
}

async fn a_noted_use_is_visible_before_it_is_written(TestPlace { store, .. }: TestPlace) {
    let one = issued("one", 100);
    insert(&store, &one).await;
    assert_eq!(store.uses.last(&one), None);
    store.uses.note(&one.id, at(200));
    store.uses.note(&one.id, at(150));
    assert_eq!(
        store.uses.last(&one),
        Some(at(200)),
        "the latest of several"
    );
    assert_eq!(last(&store, "one").await, None);
    assert_eq!(store.uses.write().await.unwrap(), 1);
    assert_eq!(last(&store, "one").await, Some(at(200)));
    assert_eq!(
        store.uses.write().await.unwrap(),
        0,
        "no use is left to write"
    );
}

async fn unused_clients_are_removed(place: TestPlace) {
    let store = &place.store;
    for turn in 0..25 {
        insert(store, &issued(&format!("n{turn:02}"), turn)).await;
        insert(store, &issued(&format!("u{turn:02}"), 0)).await;
        store.uses.note(&id(&format!("u{turn:02}")), at(turn * DAY));
    }
    let operators = client(
        "o",
        json!({"issued_at": 0, "provenance": {"trust_level": "operator"}}),
    );
    insert(store, &operators).await;
    assert_eq!(store.uses.write().await.unwrap(), 25);
    assert_eq!(sweep(store, Unused::default()).await, 0);
    assert_eq!(
        sweep(
            store,
            Unused {
                never_since: Some(at(14)),
                idle_since: None
            }
        )
        .await,
        15
    );
    assert!(store.clients.find(&id("n14")).await.unwrap().is_none());
    assert!(store.clients.find(&id("n15")).await.unwrap().is_some());
    assert_eq!(
        sweep(
            store,
            Unused {
                never_since: None,
                idle_since: Some(at(14 * DAY))
            }
        )
        .await,
        15
    );
    assert!(store.clients.find(&id("u14")).await.unwrap().is_none());
    assert!(store.clients.find(&id("u15")).await.unwrap().is_some());
    let all = Unused {
        never_since: Some(at(100 * DAY)),
        idle_since: Some(at(100 * DAY)),
    };
    // Several sweeps at the same time, as by several servers on one database.
    assert_eq!(
        join_all((0..4).map(|_| sweep(store, all)))
            .await
            .into_iter()
            .sum::<usize>(),
        20
    );
    assert_eq!(
        store.clients.count_all().await.unwrap(),
        1,
        "the administrator's own client stays"
    );
    let seen = store.clients.find(&operators.id).await.unwrap().unwrap();
    store
        .clients
        .remove(&seen, Change::default())
        .await
        .unwrap();
    place.expect_empty().await;
}

async fn a_use_saves_a_client_from_the_sweep(TestPlace { store, .. }: TestPlace) {
    insert(&store, &issued("one", 10)).await;
    let unused = Unused {
        never_since: Some(at(2 * DAY)),
        idle_since: Some(at(DAY)),
    };
    store.uses.note(&id("one"), at(2 * DAY));
    store.uses.write().await.unwrap();
    assert_eq!(sweep(&store, unused).await, 0);
    // A use that is written and a sweep at the same time.
    for round in 0..20 {
        let name = format!("r{round}");
        insert(&store, &issued(&name, 10)).await;
        store.uses.note(&id(&name), at(3 * DAY));
        let (written, swept) = tokio::join!(store.uses.write(), sweep(&store, unused));
        let left = store.clients.find(&id(&name)).await.unwrap();
        assert_eq!((written.unwrap(), swept), (1, 0));
        assert!(left.is_some());
    }
    let two = race(8, |_| {
        let (store, name) = (store.clone(), id("one"));
        async move {
            store.uses.note(&name, at(9 * DAY));
            store.uses.write().await.unwrap()
        }
    });
    assert_eq!(
        two.await.into_iter().sum::<usize>(),
        1,
        "one of many noted uses is written"
    );
}

async fn a_use_stays_with_a_client_that_is_replaced(place: TestPlace) {
    let (store, one) = (&place.store, issued("one", 1));
    insert(store, &one).await;
    store.uses.note(&one.id, at(DAY));
    store.uses.write().await.unwrap();
    let seen = store.clients.find(&one.id).await.unwrap().unwrap();
    let next = Client {
        revision: 2,
        ..seen.client().clone()
    };
    store
        .clients
        .replace(&seen, &next, Change::default())
        .await
        .unwrap();
    assert_eq!(
        sweep(
            store,
            Unused {
                never_since: Some(at(2 * DAY)),
                idle_since: None
            }
        )
        .await,
        0
    );
    assert_eq!(
        sweep(
            store,
            Unused {
                never_since: None,
                idle_since: Some(at(DAY))
            }
        )
        .await,
        1
    );
    place.expect_empty().await;
}

async fn a_use_of_an_unknown_client_is_not_written(place: TestPlace) {
    let store = &place.store;
    store.uses.note(&id("nobody"), at(DAY));
    assert_eq!(store.uses.write().await.unwrap(), 0);
    // A use of an earlier client with the same identifier.
    insert(store, &issued("one", 2 * DAY)).await;
    store.uses.note(&id("one"), at(DAY));
    assert_eq!(store.uses.write().await.unwrap(), 0);
    assert_eq!(last(store, "one").await, None);
    let seen = store.clients.find(&id("one")).await.unwrap().unwrap();
    store
        .clients
        .remove(&seen, Change::default())
        .await
        .unwrap();
    place.expect_empty().await;
}

async fn a_use_that_is_not_written_yet_saves_a_client_too(TestPlace { store, .. }: TestPlace) {
    let unused = Unused {
        never_since: Some(at(DAY)),
        idle_since: Some(at(DAY)),
    };
    let names: Vec<_> = (0..250).map(|turn| format!("u{turn:03}")).collect();
    for name in &names {
        insert(&store, &issued(name, 1)).await;
        store.uses.note(&id(name), at(2 * DAY));
    }
    assert_eq!(sweep(&store, unused).await, 0, "their uses are noted");
    // One writes; the other waits for it, and sweeps.
    let write_and_sweep = async {
        store.uses.write().await.unwrap();
        for name in &names {
            assert_eq!(last(&store, name).await, Some(at(2 * DAY)), "{name}");
        }
        sweep(&store, unused).await
    };
    let (written, swept) = tokio::join!(store.uses.write(), write_and_sweep);
    assert_eq!((written.unwrap(), swept), (250, 0));
    assert_eq!(store.clients.count_all().await.unwrap(), 250);
    assert_eq!(
        sweep(
            &store,
            Unused {
                never_since: None,
                idle_since: Some(at(2 * DAY))
            }
        )
        .await,
        250
    );
}

async fn a_use_does_not_conflict_with_a_change_of_the_client(place: TestPlace) {
    let (store, one) = (&place.store, issued("one", 1));
    insert(store, &one).await;
    let seen = store.clients.find(&one.id).await.unwrap().unwrap();
    let use_at = async |moment| {
        store.uses.note(&one.id, at(moment));
        assert_eq!(store.uses.write().await.unwrap(), 1);
    };
    use_at(DAY).await;
    assert!(matches!(
        store.clients.confirm(&seen).await,
        Err(StoreError::Conflict)
    ));
    let next = Client {
        revision: 2,
        ..one.clone()
    };
    store
        .clients
        .replace(&seen, &next, Change::default())
        .await
        .unwrap();
    assert_eq!(last(store, "one").await, Some(at(DAY)));
    // Any other change is a conflict, with or without a use.
    use_at(2 * DAY).await;
    assert!(matches!(
        store.clients.replace(&seen, &next, Change::default()).await,
        Err(StoreError::Conflict)
    ));
    assert!(matches!(
        store.clients.remove(&seen, Change::default()).await,
        Err(StoreError::Conflict)
    ));
    let seen = store.clients.find(&one.id).await.unwrap().unwrap();
    store.clients.confirm(&seen).await.unwrap();
    use_at(3 * DAY).await;
    store
        .clients
        .remove(&seen, Change::default())
        .await
        .unwrap();
    place.expect_empty().await;
}

async fn an_unreadable_client_delays_nothing(TestPlace { store, backend, .. }: TestPlace) {
    for turn in 0..25 {
        insert(&store, &issued(&format!("n{turn:02}"), turn)).await;
    }
    let put = vec![
        (keys::client(&id("n00")), b"?".to_vec()),
        (keys::client(&id("n15")), b"?".to_vec()),
    ];
    backend
        .apply(Change {
            put,
            ..Change::default()
        })
        .await
        .unwrap();
    let unused = Unused {
        never_since: Some(at(DAY)),
        idle_since: None,
    };
    assert_eq!(sweep(&store, unused).await, 23);
    assert!(
        store.clients.find(&id("n00")).await.is_err(),
        "the record is still there for inspection"
    );
}

async fn a_use_of_an_unreadable_client_delays_no_other(
    TestPlace { store, backend, .. }: TestPlace,
) {
    // So many that they are not all written at the same time.
    let names: Vec<_> = (0..250).map(|turn| format!("u{turn:03}")).collect();
    for name in &names {
        insert(&store, &issued(name, 1)).await;
        store.uses.note(&id(name), at(2 * DAY));
    }
    // One is broken, the other was written by a newer registrar.
    let unreadable = [("u007", b"?{}".to_vec()), ("u120", b"\x09{}".to_vec())];
    let put = unreadable
        .map(|(name, record)| (keys::client(&id(name)), record))
        .to_vec();
    backend
        .apply(Change {
            put,
            ..Change::default()
        })
        .await
        .unwrap();
    assert_eq!(store.uses.write().await.unwrap(), 248);
    for name in names
        .iter()
        .filter(|name| !["u007", "u120"].contains(&name.as_str()))
    {
        assert_eq!(last(&store, name).await, Some(at(2 * DAY)), "{name}");
    }
    assert_eq!(
        store.uses.write().await.unwrap(),
        0,
        "no use is left to write"
    );
    // Unused clients are then removed.
    let idle = Unused {
        never_since: None,
        idle_since: Some(at(2 * DAY)),
    };
    assert_eq!(sweep(&store, idle).await, 248);
    assert!(
        store.clients.find(&id("u007")).await.is_err(),
        "the record is still there for inspection"
    );
}

async fn clients_older_than_the_index_are_entered_once(place: TestPlace) {
    let (store, backend) = (&place.store, &place.backend);
    let operators = client(
        "o",
        json!({"issued_at": 0, "provenance": {"trust_level": "operator"}}),
    );
    insert(store, &operators).await;
    let remove = async |client: &Client| {
        let delete = vec![client_use(client).unwrap()];
        backend
            .apply(Change {
                delete,
                ..Change::default()
            })
            .await
            .unwrap();
    };
    for turn in 0..25 {
        let client = issued(&format!("n{turn:02}"), turn);
        insert(store, &client).await;
        if turn % 2 == 0 {
            remove(&client).await;
        }
    }
    let unused = Unused {
        never_since: Some(at(DAY)),
        idle_since: None,
    };
    assert_eq!(store.uses.enter_all(5).await.unwrap(), 13);
    let later = issued("later", 1);
    insert(store, &later).await;
    remove(&later).await;
    assert_eq!(
        store.uses.enter_all(5).await.unwrap(),
        0,
        "it is done only once"
    );
    assert_eq!(sweep(store, unused).await, 25);
}
