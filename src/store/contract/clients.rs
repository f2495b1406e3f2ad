//! Clients and their indexes.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{TestPlace, at, client, id, on_every_backend};
use crate::client::{Client, TrustLevel};
use crate::store::{
    Change, Indexed, StoreError, transfer::Existing, transfer::ImportError, transfer::Imported,
    transfer::MOST_IMPORTED,
};

on_every_backend!(
    a_client_exists_once,
    a_removed_client_leaves_nothing_behind,
    values_are_counted,
    of_many_changes_one_succeeds,
    changes_in_one_batch_are_made_together_or_not_at_all,
    an_import_replaces_and_is_atomic,
    an_import_treats_existing_clients_as_requested,
    an_import_is_limited,
);

fn software(software_id: &str) -> Value {
    json!({"metadata": {"software_id": software_id}})
}

async fn a_client_exists_once(TestPlace { store, .. }: TestPlace) {
    let (clients, one) = (&store.clients, client("one", software("s")));
    clients.insert(&one, Change::default()).await.unwrap();
    let again = clients.insert(&one, Change::default()).await;
    assert!(matches!(again, Err(StoreError::Conflict)));
    assert_eq!(
        clients.find(&id("one")).await.unwrap().unwrap().client(),
        &one
    );
    assert!(clients.find(&id("on")).await.unwrap().is_none());
    assert_eq!(clients.count_all().await.unwrap(), 1);
    assert_eq!(
        store.statistics().await.unwrap().clients[0],
        (TrustLevel::Open, 1)
    );
}

async fn a_removed_client_leaves_nothing_behind(place: TestPlace) {
    let clients = &place.store.clients;
    let statement = json!({
        "expires_at": 100, "metadata": {"software_id": "s", "org_id": "o"},
        "provenance": {"statement": {"iss": "https://issuer.example", "jti": "j"}},
    });
    clients
        .insert(&client("one", statement), Change::default())
        .await
        .unwrap();
    let seen = clients.find(&id("one")).await.unwrap().unwrap();
    let later = Client {
        revision: 2,
        ..client("one", json!({"expires_at": 200}))
    };
    clients
        .replace(&seen, &later, Change::default())
        .await
        .unwrap();
    let stale = clients.replace(&seen, &later, Change::default()).await;
    assert!(matches!(stale, Err(StoreError::Conflict)));
    assert!(matches!(
        clients.remove(&seen, Change::default()).await,
        Err(StoreError::Conflict)
    ));
    let mut left = place.everything().await;
    left.retain(|(key, _)| !key.starts_with(b"v/"));
    assert_eq!(
        left.len(),
        5,
        "the record, its expiry, its use, and the numbers of clients in total and of its level: {left:?}"
    );
    let seen = clients.find(&id("one")).await.unwrap().unwrap();
    clients.remove(&seen, Change::default()).await.unwrap();
    place.expect_empty().await;
}

async fn values_are_counted(TestPlace { store, .. }: TestPlace) {
    let clients = &store.clients;
    // A value that ends in another value and a zero byte is a different value.
    for (name, value) in [("a", "s"), ("b", "s"), ("c", "s\0d"), ("d", "")] {
        clients
            .insert(&client(name, software(value)), Change::default())
            .await
            .unwrap();
    }
    let with_statement = json!({
        "metadata": {"org_id": "s"}, "provenance": {"statement": {"iss": "i", "jti": "j"}},
    });
    clients
        .insert(&client("e", with_statement), Change::default())
        .await
        .unwrap();
    for (value, expected) in [
        (Indexed::SoftwareId("s"), 2),
        (Indexed::SoftwareId("s\0d"), 1),
        (Indexed::SoftwareId(""), 1),
        (Indexed::SoftwareId("t"), 0),
        (Indexed::OrgId("s"), 1),
        (Indexed::Statement { iss: "i", jti: "j" }, 1),
        (Indexed::Statement { iss: "ij", jti: "" }, 0),
    ] {
        assert_eq!(clients.count(value).await.unwrap(), expected, "{value:?}");
    }
    let seen = clients.find(&id("a")).await.unwrap().unwrap();
    clients
        .replace(&seen, &client("a", software("t")), Change::default())
        .await
        .unwrap();
    assert_eq!(clients.count(Indexed::SoftwareId("s")).await.unwrap(), 1);
    assert_eq!(clients.count(Indexed::SoftwareId("t")).await.unwrap(), 1);
    assert_eq!(clients.count_all().await.unwrap(), 5);
}

async fn of_many_changes_one_succeeds(TestPlace { store, .. }: TestPlace) {
    let clients = &store.clients;
    clients
        .insert(&client("one", software("first")), Change::default())
        .await
        .unwrap();
    let seen = clients.find(&id("one")).await.unwrap().unwrap();
    let next: Vec<_> = (0..30)
        .map(|turn| client("one", software(&turn.to_string())))
        .collect();
    let outcomes = join_all(
        next.iter()
            .map(|next| clients.replace(&seen, next, Change::default())),
    )
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(clients.count_all().await.unwrap(), 1);
}

async fn changes_in_one_batch_are_made_together_or_not_at_all(
    TestPlace { store, backend, .. }: TestPlace,
) {
    let beside = || Change {
        put: vec![(b"z".to_vec(), Vec::new())],
        ..Change::default()
    };
    let one = client("one", json!({}));
    store.clients.insert(&one, Change::default()).await.unwrap();
    assert!(store.clients.insert(&one, beside()).await.is_err());
    assert_eq!(backend.get(b"z").await.unwrap(), None);
    store
        .clients
        .insert(&client("two", json!({})), beside())
        .await
        .unwrap();
    assert_eq!(backend.get(b"z").await.unwrap(), Some(Vec::new()));
}

async fn an_import_replaces_and_is_atomic(place: TestPlace) {
    let clients = &place.store.clients;
    clients
        .insert(&client("a", software("old")), Change::default())
        .await
        .unwrap();
    let batch = [client("a", software("new")), client("b", software("new"))];
    let done = clients
        .import(&batch, Existing::Replace, nothing)
        .await
        .unwrap();
    assert_eq!(
        done,
        Imported {
            created: 1,
            replaced: 1,
            ..Imported::default()
        }
    );
    assert_eq!(clients.count(Indexed::SoftwareId("old")).await.unwrap(), 0);
    assert_eq!(clients.count(Indexed::SoftwareId("new")).await.unwrap(), 2);
    // Many imports at once, of the same clients: each is applied as a whole.
    let batches: Vec<_> = (0..20)
        .map(|turn| {
            batch.clone().map(|old| Client {
                revision: turn,
                ..old
            })
        })
        .collect();
    let outcomes = join_all(
        batches
            .iter()
            .map(|batch| clients.import(batch, Existing::Replace, nothing)),
    )
    .await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(clients.count_all().await.unwrap(), 2);
    let revision = async |name: &str| {
        clients
            .find(&id(name))
            .await
            .unwrap()
            .unwrap()
            .client()
            .revision
    };
    assert_eq!(revision("a").await, revision("b").await);
    for name in ["a", "b"] {
        let seen = clients.find(&id(name)).await.unwrap().unwrap();
        clients.remove(&seen, Change::default()).await.unwrap();
    }
    place.expect_empty().await;
}

/// The additional change for an imported client in most of these tests.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature that an import expects"
)]
fn nothing(_client: &Client) -> Result<Change, StoreError> {
    Ok(Change::default())
}

async fn an_import_treats_existing_clients_as_requested(
    TestPlace { store, backend, .. }: TestPlace,
) {
    let clients = &store.clients;
    clients
        .insert(&client("b", software("old")), Change::default())
        .await
        .unwrap();
    let batch: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|name| client(name, software("new")))
        .collect();
    let told = |client: &Client| {
        let put = vec![(format!("z{}", client.id).into_bytes(), Vec::new())];
        Ok(Change {
            put,
            ..Change::default()
        })
    };
    let done = clients
        .import(&batch, Existing::Refuse, told)
        .await
        .unwrap();
    assert_eq!(
        done,
        Imported {
            created: 1,
            refused: Some(1),
            ..Imported::default()
        }
    );
    assert_eq!(clients.count(Indexed::SoftwareId("new")).await.unwrap(), 1);
    let done = clients.import(&batch, Existing::Skip, told).await.unwrap();
    assert_eq!(
        done,
        Imported {
            created: 1,
            skipped: 2,
            ..Imported::default()
        }
    );
    assert_eq!(
        backend.get(b"zb").await.unwrap(),
        None,
        "it was not changed"
    );
    let done = clients
        .import(&batch, Existing::Replace, told)
        .await
        .unwrap();
    assert_eq!(
        done,
        Imported {
            replaced: 3,
            ..Imported::default()
        }
    );
    assert_eq!(backend.get(b"zb").await.unwrap(), Some(Vec::new()));
    assert_eq!(clients.count(Indexed::SoftwareId("old")).await.unwrap(), 0);
}

async fn an_import_is_limited(place: TestPlace) {
    let clients = &place.store.clients;
    let many: Vec<_> = (0..=MOST_IMPORTED)
        .map(|turn| client(&format!("c{turn:04}"), json!({})))
        .collect();
    let refused = clients.import(&many, Existing::Refuse, nothing).await;
    assert!(matches!(refused, Err(ImportError::TooMany)));
    let twice = [many[0].clone(), many[0].clone()];
    let refused = clients.import(&twice, Existing::Refuse, nothing).await;
    assert!(matches!(refused, Err(ImportError::Twice(id)) if id.as_str() == "c0000"));
    place.expect_empty().await;
    let done = clients
        .import(&many[1..], Existing::Refuse, nothing)
        .await
        .unwrap();
    assert_eq!(done.created, MOST_IMPORTED);
    assert_eq!(
        clients.sweep(at(u64::MAX), 10).await.unwrap(),
        0,
        "none of them expires"
    );
}
