//! Access tokens.

use serde_json::json;

use super::{TestPlace, at, client, id, on_every_backend};
use crate::base::Secret;
use crate::store::{Change, Store, StoreError, expiring::tokens::AccessToken};

on_every_backend!(
    a_token_is_valid_until_it_expires,
    a_token_becomes_invalid_with_its_client,
    a_token_is_revoked_by_its_client,
    a_token_is_not_stored_in_plain_text,
);

async fn give(store: &Store, token: &str, whose: &str) -> Result<(), StoreError> {
    let stands_for = AccessToken {
        client_id: id(whose),
        client_issued_at: at(1),
        scope: "clients.read".to_owned(),
        issued_at: at(10),
        expires_at: at(100),
        certificate: Some("thumbprint".to_owned()),
    };
    store
        .tokens
        .insert(&Secret::new(token.to_owned()), stands_for)
        .await
}

async fn register(store: &Store, expires_at: u64) {
    let one = client("one", json!({"expires_at": expires_at}));
    store.clients.insert(&one, Change::default()).await.unwrap();
}

async fn is_good(store: &Store, token: &str, now: u64) -> bool {
    store.tokens.find(token, at(now)).await.unwrap().is_some()
}

async fn a_token_is_valid_until_it_expires(TestPlace { store, .. }: TestPlace) {
    register(&store, 1_000).await;
    give(&store, "t", "one").await.unwrap();
    assert!(matches!(
        give(&store, "t", "one").await,
        Err(StoreError::Conflict)
    ));
    let (token, found) = store.tokens.find("t", at(99)).await.unwrap().unwrap();
    assert_eq!(
        (token.scope.as_str(), token.certificate.as_deref()),
        ("clients.read", Some("thumbprint"))
    );
    assert_eq!(found.client().id, id("one"));
    assert!(!is_good(&store, "t", 100).await);
    assert!(!is_good(&store, "u", 50).await);
}

async fn a_token_becomes_invalid_with_its_client(place: TestPlace) {
    let store = &place.store;
    register(store, 90).await;
    give(store, "t", "one").await.unwrap();
    assert!(is_good(store, "t", 89).await);
    assert!(!is_good(store, "t", 90).await, "the client has expired");
    let seen = store.clients.find(&id("one")).await.unwrap().unwrap();
    store
        .clients
        .remove(&seen, Change::default())
        .await
        .unwrap();
    assert!(!is_good(store, "t", 50).await);
    give(store, "late", "one").await.unwrap();
    assert!(
        !is_good(store, "late", 50).await,
        "a token that was being issued"
    );
    let other = client("one", json!({"issued_at": 40}));
    store
        .clients
        .insert(&other, Change::default())
        .await
        .unwrap();
    assert!(
        !is_good(store, "t", 50).await,
        "another client now has its identifier"
    );
    let seen = store.clients.find(&id("one")).await.unwrap().unwrap();
    store
        .clients
        .remove(&seen, Change::default())
        .await
        .unwrap();
    assert_eq!(store.sweep(at(100), 10).await.unwrap(), 2);
    place.expect_empty().await;
}

async fn a_token_is_revoked_by_its_client(TestPlace { store, .. }: TestPlace) {
    register(&store, 1_000).await;
    give(&store, "t", "one").await.unwrap();
    assert!(!store.tokens.revoke("t", &id("two"), at(50)).await.unwrap());
    assert!(is_good(&store, "t", 50).await);
    assert!(store.tokens.revoke("t", &id("one"), at(50)).await.unwrap());
    assert!(!is_good(&store, "t", 50).await);
    assert!(!store.tokens.revoke("t", &id("one"), at(50)).await.unwrap());
}

async fn a_token_is_not_stored_in_plain_text(place: TestPlace) {
    give(&place.store, "token-in-clear", "one").await.unwrap();
    place.expect_nowhere("token-in-clear").await;
}
