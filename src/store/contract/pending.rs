//! Registrations and updates that wait for approval.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde_json::json;

use super::{TestPlace, at, client, on_every_backend, race};
use crate::base::Secret;
use crate::client::Approval;
use crate::store::expiring::{ExpiringRecord, Space, key_of_secret};
use crate::store::keys::ExpiringKind;
use crate::store::{
    Change, FoundRequest, PendingError, PendingKind, PendingRequest, PendingRequests, PendingState,
    Store,
};

on_every_backend!(
    a_request_is_found_by_its_code_and_its_identifier,
    of_many_decisions_one_counts,
    no_more_wait_than_are_allowed,
    a_request_is_kept_for_a_while_after_its_end,
    one_network_gets_a_share,
    a_request_of_the_last_version_is_found,
);

const ORIGIN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn code(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn request(name: &str, ends_at: u64) -> PendingRequest {
    PendingRequest {
        kind: PendingKind::Registration,
        state: PendingState::Waiting,
        client: Box::new(client(name, json!({}))),
        digest: "d".to_owned(),
        reason: Some("unknown vendor".to_owned()),
        requested_at: at(1),
        ends_at: at(ends_at),
        interval: 5,
        asked_at: None,
        asked: 0,
        verification: Some("v".to_owned()),
        decision: None,
        context: None,
    }
}

async fn add(store: &Store, text: &str, ends_at: u64, most: u64) -> Result<bool, PendingError> {
    let pending = &store.pending;
    let insertion = pending
        .insertion(&code(text), request(text, ends_at), (ORIGIN, most))
        .await?;
    Ok(pending.apply(insertion).await?)
}

async fn find(store: &Store, text: &str) -> FoundRequest {
    let found = store.pending.find_by_code(text, at(1)).await.unwrap();
    found.expect("the request is there")
}

async fn a_request_is_found_by_its_code_and_its_identifier(place: TestPlace) {
    let pending = &place.store.pending;
    assert!(add(&place.store, "one", 100, 9).await.unwrap());
    assert!(add(&place.store, "two", 100, 9).await.unwrap());
    let id = PendingRequests::id_of(&code("one"));
    let found = pending.find(&id, at(1)).await.unwrap().unwrap();
    assert_eq!(
        (found.id(), found.request()),
        (id.clone(), &request("one", 100))
    );
    assert_eq!(find(&place.store, "one").await.id(), id);
    for unknown in ["", "one", "0123456789abcdef0123456789abcdef", &id[..31]] {
        assert!(
            pending.find(unknown, at(1)).await.unwrap().is_none(),
            "{unknown}"
        );
    }
    assert!(pending.find_by_code(&id, at(1)).await.unwrap().is_none());
    let all = pending.page(None, 10).await.unwrap();
    let ids: Vec<String> = all.iter().map(FoundRequest::id).collect();
    assert_eq!(ids.len(), 2);
    let rest = pending.page(Some(&ids[0]), 10).await.unwrap();
    assert_eq!(
        rest.iter().map(FoundRequest::id).collect::<Vec<_>>(),
        ids[1..]
    );
    for found in all {
        assert!(pending.apply(pending.removal(&found)).await.unwrap());
        assert!(!pending.apply(pending.removal(&found)).await.unwrap());
    }
    place.expect_empty().await;
}

async fn of_many_decisions_one_counts(TestPlace { store, .. }: TestPlace) {
    add(&store, "one", 100, 9).await.unwrap();
    let found = find(&store, "one").await;
    let outcomes = race(20, |turn| {
        let (pending, found) = (store.pending.clone(), found.clone());
        async move {
            let decided = PendingRequest {
                state: PendingState::Approved,
                decision: Some(Approval {
                    by: format!("a{turn}"),
                    at: at(2),
                    note: None,
                }),
                ..found.request().clone()
            };
            let change = pending.replacement(&found, decided).unwrap();
            pending.apply(change).await.unwrap()
        }
    })
    .await;
    assert_eq!(outcomes.into_iter().filter(|counted| *counted).count(), 1);
    let decided = find(&store, "one").await;
    assert_eq!(decided.request().state, PendingState::Approved);
    let late = store.pending.removal(&found);
    assert!(!store.pending.apply(late).await.unwrap());
}

async fn no_more_wait_than_are_allowed(place: TestPlace) {
    let outcomes = race(20, |turn| {
        let store = place.store.clone();
        async move { add(&store, &format!("c{turn}"), 100, 3).await }
    })
    .await;
    let stored = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(true)));
    assert!((1..=3).contains(&stored.count()));
    // Those that lost a race try again.
    for turn in 0..3 {
        let _ = add(&place.store, &format!("again{turn}"), 100, 3).await;
    }
    let full = add(&place.store, "onemore", 100, 3).await;
    assert!(matches!(full, Err(PendingError::Full)), "{full:?}");
    assert_eq!(place.store.pending.page(None, 10).await.unwrap().len(), 3);
    let first = place.store.pending.page(None, 1).await.unwrap();
    let change = place.store.pending.removal(&first[0]);
    assert!(place.store.pending.apply(change).await.unwrap());
    assert!(add(&place.store, "onemore", 100, 3).await.unwrap());
}

async fn a_request_is_kept_for_a_while_after_its_end(place: TestPlace) {
    let pending = &place.store.pending;
    add(&place.store, "one", 100, 1).await.unwrap();
    assert!(
        pending
            .find_by_code("one", at(699))
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        pending
            .find_by_code("one", at(700))
            .await
            .unwrap()
            .is_none()
    );
    place.store.sweep(at(699), 10).await.unwrap();
    assert!(add(&place.store, "two", 900, 1).await.is_err());
    place.store.sweep(at(700), 10).await.unwrap();
    place.expect_empty().await;
    assert!(add(&place.store, "two", 900, 1).await.unwrap());
    let change = Change::default();
    assert!(pending.apply(change).await.unwrap());
}

async fn one_network_gets_a_share(place: TestPlace) {
    let pending = &place.store.pending;
    let add = async |text: String, origin: [u8; 4]| {
        let request = request("one", 100);
        let (code, origin) = (code(&text), IpAddr::from(origin));
        match pending.insertion(&code, request, (origin, 200)).await {
            Ok(change) => pending.apply(change).await.unwrap(),
            Err(PendingError::Full) => false,
            Err(error) => panic!("{error}"),
        }
    };
    let mut stored = 0;
    for turn in 0..25 {
        stored += u64::from(add(format!("a{turn}"), [192, 0, 2, 1]).await);
    }
    assert_eq!(stored, 20, "a tenth of 200");
    assert!(add("b".to_owned(), [192, 0, 2, 2]).await);
    let first = find(&place.store, "a0").await;
    assert!(pending.apply(pending.removal(&first)).await.unwrap());
    assert!(add("c".to_owned(), [192, 0, 2, 1]).await);
    assert!(!add("d".to_owned(), [192, 0, 2, 1]).await);
    // What a sweep removes is counted too.
    while place.store.sweep(at(700), 10).await.unwrap() > 0 {}
    place.expect_empty().await;
}

/// A record was stored without its origin.
async fn a_request_of_the_last_version_is_found(place: TestPlace) {
    let space = Space::<PendingRequest>::new(Arc::clone(&place.backend), ExpiringKind::Pending);
    let entry = ExpiringRecord {
        key: key_of_secret(&code("old")).into_bytes(),
        value: request("old", 100),
        expires_at: at(700),
    };
    let insertion = space.insertion(&entry).unwrap();
    assert!(place.store.pending.apply(insertion).await.unwrap());
    let found = find(&place.store, "old").await;
    assert_eq!(found.id(), PendingRequests::id_of(&code("old")));
    let decided = PendingRequest {
        state: PendingState::Denied,
        ..found.request().clone()
    };
    let pending = &place.store.pending;
    let change = pending.replacement(&found, decided).unwrap();
    assert!(pending.apply(change).await.unwrap());
    let found = find(&place.store, "old").await;
    assert!(pending.apply(pending.removal(&found)).await.unwrap());
    place.expect_empty().await;
}
