//! Sessions of the console.

use serde_json::json;

use super::{TestPlace, at, client, id, on_every_backend, race};
use crate::base::Secret;
use crate::store::expiring::sessions::{IDLE, LONGEST};
use crate::store::{Change, Session, SessionHolder, Sessions, Store};

on_every_backend!(
    a_session_lasts_as_long_as_it_is_used_within_bounds,
    a_session_ends_with_its_administrator,
    a_session_is_ended_once,
    one_administrator_has_a_share_of_the_sessions,
    the_secret_of_a_session_is_not_stored,
    a_person_has_a_session_without_being_an_administrator,
);

fn session(whose: &str, began_at: u64) -> Session {
    Session {
        holder: SessionHolder::Administrator {
            client_id: id(whose),
            client_issued_at: at(1),
        },
        began_at: at(began_at),
        used_at: at(began_at),
        address: None,
        browser: Some("a browser".to_owned()),
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

async fn begin(store: &Store, text: &str, whose: &str) -> bool {
    let (secret, session) = (secret(text), session(whose, 10));
    let alone = Change::default();
    let begun = store.sessions.begin(&secret, &session, &alone).await;
    begun.unwrap()
}

async fn register(store: &Store, name: &str) {
    let one = client(name, json!({}));
    store.clients.insert(&one, Change::default()).await.unwrap();
}

async fn is_good(store: &Store, text: &str, now: u64) -> bool {
    store.sessions.find(text, at(now)).await.unwrap().is_some()
}

async fn a_session_lasts_as_long_as_it_is_used_within_bounds(place: TestPlace) {
    let store = &place.store;
    register(store, "one").await;
    assert!(begin(store, "s", "one").await);
    assert!(!is_good(store, "t", 11).await);
    // To look at it does not prolong it.
    assert!(is_good(store, "s", 10 + IDLE - 1).await);
    assert!(!is_good(store, "s", 10 + IDLE).await);
    let mut now = 10;
    while now + IDLE - 1 < 10 + LONGEST {
        now += IDLE - 1;
        let found = store.sessions.find("s", at(now)).await.unwrap();
        let (found, administrator) = found.expect("it was used");
        assert_eq!(administrator.expect("it has one").client().id, id("one"));
        store.sessions.prolong(&found, at(now)).await.unwrap();
        // The record has changed since, so this has no effect.
        store.sessions.prolong(&found, at(now + 90)).await.unwrap();
        let found = store.sessions.find("s", at(now)).await.unwrap();
        assert_eq!(found.unwrap().0.session().used_at, at(now));
    }
    assert!(is_good(store, "s", 10 + LONGEST - 1).await);
    assert!(!is_good(store, "s", 10 + LONGEST).await);
    assert!(
        store
            .sessions
            .all(at(10 + LONGEST))
            .await
            .unwrap()
            .is_empty()
    );
    while store.sweep(at(10 + LONGEST), 10).await.unwrap() > 0 {}
    let one = store.clients.find(&id("one")).await.unwrap().unwrap();
    store.clients.remove(&one, Change::default()).await.unwrap();
    place.expect_empty().await;
}

async fn a_session_ends_with_its_administrator(TestPlace { store, .. }: TestPlace) {
    register(&store, "one").await;
    assert!(begin(&store, "s", "one").await);
    let stored = store.clients.find(&id("one")).await.unwrap().unwrap();
    store
        .clients
        .remove(&stored, Change::default())
        .await
        .unwrap();
    assert!(!is_good(&store, "s", 11).await);
    // Another administrator with the same identifier does not inherit it.
    let later = client("one", json!({"issued_at": 5}));
    store
        .clients
        .insert(&later, Change::default())
        .await
        .unwrap();
    assert!(!is_good(&store, "s", 11).await);
}

async fn a_session_is_ended_once(TestPlace { store, .. }: TestPlace) {
    register(&store, "one").await;
    assert!(begin(&store, "s", "one").await);
    assert!(begin(&store, "t", "one").await);
    let known = Sessions::id_of(&secret("s"));
    let found = store.sessions.find_by_id(&known, at(11)).await.unwrap();
    assert_eq!(found.expect("a session").id(), known);
    assert_eq!(store.sessions.all(at(11)).await.unwrap().len(), 2);
    let ended = race(20, |_| {
        let (sessions, known) = (store.sessions.clone(), known.clone());
        async move { sessions.end(&known, &Change::default()).await }
    });
    let ended = ended.await.into_iter().filter(|it| *it.as_ref().unwrap());
    assert_eq!(ended.count(), 1);
    assert!(!is_good(&store, "s", 11).await && is_good(&store, "t", 11).await);
}

async fn one_administrator_has_a_share_of_the_sessions(TestPlace { store, .. }: TestPlace) {
    for name in ["one", "other"] {
        register(&store, name).await;
    }
    let begun = race(110, |turn| {
        let (sessions, secret) = (store.sessions.clone(), secret(&format!("s{turn}")));
        async move {
            let session = session("one", 10);
            sessions.begin(&secret, &session, &Change::default()).await
        }
    });
    let begun = begun.await.into_iter().filter(|it| *it.as_ref().unwrap());
    assert_eq!(begun.count(), 100);
    assert!(!begin(&store, "late", "one").await);
    assert!(begin(&store, "t", "other").await);
}

async fn the_secret_of_a_session_is_not_stored(place: TestPlace) {
    register(&place.store, "one").await;
    assert!(begin(&place.store, "a-long-secret-of-a-session", "one").await);
    place.expect_nowhere("a-long-secret-of-a-session").await;
}

async fn a_person_has_a_session_without_being_an_administrator(place: TestPlace) {
    let store = &place.store;
    let session = Session {
        holder: SessionHolder::Person {
            issuer: "https://id.example.org".to_owned(),
            audience: "registrar".to_owned(),
            subject: "one".to_owned(),
            name: "One".to_owned(),
            claim: "groups".to_owned(),
            values: vec!["operators".to_owned()],
            scope: "clients.read".to_owned(),
        },
        ..session("one", 10)
    };
    let alone = Change::default();
    let begun = store.sessions.begin(&secret("s"), &session, &alone).await;
    assert!(begun.unwrap());
    let found = store.sessions.find("s", at(11)).await.unwrap();
    let (found, administrator) = found.expect("it is good");
    assert!(administrator.is_none());
    assert_eq!(found.session().holder, session.holder);
    // An administrator of the same identifier has nothing to do with it.
    register(store, "one").await;
    let one = store.clients.find(&id("one")).await.unwrap().unwrap();
    store.clients.remove(&one, Change::default()).await.unwrap();
    assert!(is_good(store, "s", 11).await);
    assert!(!is_good(store, "s", 10 + IDLE).await);
}
