//! Registrations and updates that wait for approval.

use serde_json::json;

use super::{TestPlace, at, client, on_every_backend, race};
use crate::base::Secret;
use crate::client::Approval;
use crate::store::{
    Change, FoundRequest, PendingError, PendingKind, PendingRequest, PendingRequests, PendingState,
    Store,
};

on_every_backend!(
    a_request_is_found_by_its_code_and_its_identifier,
    of_many_decisions_one_counts,
    no_more_wait_than_are_allowed,
    a_request_is_kept_for_a_while_after_its_end,
);

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
        .insertion(&code(text), request(text, ends_at), most)
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
