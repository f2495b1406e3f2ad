//! What is stored about client documents beside their clients.

use std::sync::Arc;

use serde_json::json;

use super::{TestPlace, at, client, id, on_every_backend};
use crate::base::{Timestamp, sha256};
use crate::store::expiring::{ExpiringRecord, Space};
use crate::store::keys::ExpiringKind;
use crate::store::{
    Along, Change, Denial, DocumentRecords, FetchState, StoreError, WaitingDocument,
};

on_every_backend!(
    a_candidate_is_replaced_bounded_and_ends,
    one_host_gets_a_share_of_the_candidates,
    a_candidate_of_the_last_version_is_replaced,
    a_denial_outlives_its_candidate_and_ends,
    no_client_is_inserted_after_a_denial,
    a_denial_is_not_stored_beside_a_client,
    records_of_a_document_end_with_its_client,
);

const URL: &str = "https://a.example/c";
/// Seconds for which a candidate waits.
const WAITING: u64 = 30 * 86_400;

fn candidate(url: &str, digest: &str, now: Timestamp) -> WaitingDocument {
    serde_json::from_value(json!({
        "client_id": url, "document": "{}", "digest": digest, "metadata": {}, "first_asked_at": now,
        "last_asked_at": now, "asked": 1, "trust_level": "document",
    }))
    .unwrap()
}

async fn put(documents: &DocumentRecords, candidate: WaitingDocument, most: u64) -> bool {
    match documents.candidate_change(candidate, most).await.unwrap() {
        Some(change) => documents.apply(change).await.is_ok(),
        None => false,
    }
}

async fn a_candidate_is_replaced_bounded_and_ends(place: TestPlace) {
    let documents = &place.store.client_documents;
    assert!(put(documents, candidate(URL, "1", at(5)), 2).await);
    assert!(put(documents, candidate(URL, "2", at(6)), 2).await);
    let found = documents.candidate(URL, at(7)).await.unwrap().unwrap();
    assert_eq!(found.digest, "2");
    assert!(put(documents, candidate("https://b.example/c", "3", at(5)), 2).await);
    assert!(!put(documents, candidate("https://c.example/c", "4", at(5)), 2).await);
    assert_eq!(documents.candidates(at(7)).await.unwrap().len(), 2);
    let removal = documents.candidate_removal(URL).await.unwrap();
    documents.apply(removal).await.unwrap();
    assert!(put(documents, candidate("https://c.example/c", "4", at(5)), 2).await);
    let end = at(5 + WAITING);
    assert_eq!(documents.candidates(end).await.unwrap(), []);
    place.store.sweep(end, 10).await.unwrap();
    place.expect_empty().await;
}

async fn one_host_gets_a_share_of_the_candidates(place: TestPlace) {
    let documents = &place.store.client_documents;
    let mut stored = 0;
    for port in 1..=15 {
        let url = format!("https://a.example:{port}/c");
        stored += u64::from(put(documents, candidate(&url, "1", at(5)), 50).await);
    }
    assert_eq!(stored, 10, "the smallest share");
    assert!(put(documents, candidate("https://b.example/c", "2", at(5)), 50).await);
    let known = "https://a.example:1/c";
    assert!(put(documents, candidate(known, "3", at(6)), 50).await);
    let removal = documents.candidate_removal(known).await.unwrap();
    documents.apply(removal).await.unwrap();
    assert!(put(documents, candidate(URL, "4", at(5)), 50).await);
    assert!(!put(documents, candidate(known, "5", at(5)), 50).await);
    while place.store.sweep(at(6 + WAITING), 100).await.unwrap() > 0 {}
    place.expect_empty().await;
}

/// A record was stored without its host.
async fn a_candidate_of_the_last_version_is_replaced(place: TestPlace) {
    let space =
        Space::<WaitingDocument>::new(Arc::clone(&place.backend), ExpiringKind::DocumentCandidate);
    let old = ExpiringRecord {
        key: sha256(URL.as_bytes()).to_vec(),
        value: candidate(URL, "1", at(5)),
        expires_at: at(5 + WAITING),
    };
    let documents = &place.store.client_documents;
    documents
        .apply(space.insertion(&old).unwrap())
        .await
        .unwrap();
    assert!(put(documents, candidate(URL, "2", at(6)), 1).await);
    let found = documents.candidate(URL, at(7)).await.unwrap().unwrap();
    assert_eq!(found.digest, "2");
    let waiting = &place.store.waiting;
    let item = waiting.find(&found.id(), at(7)).await.unwrap().unwrap();
    assert_eq!(item.id(), found.id());
    assert_eq!(waiting.page(None, 9).await.unwrap().len(), 1);
    assert!(waiting.page(Some(&found.id()), 9).await.unwrap().is_empty());
    let removal = documents.candidate_removal(URL).await.unwrap();
    documents.apply(removal).await.unwrap();
    place.expect_empty().await;
}

fn denial(until: Option<Timestamp>) -> Denial {
    Denial {
        client_id: URL.to_owned(),
        by: "administrator".to_owned(),
        at: at(5),
        note: None,
        until,
    }
}

async fn a_denial_outlives_its_candidate_and_ends(place: TestPlace) {
    let documents = &place.store.client_documents;
    assert!(put(documents, candidate(URL, "1", at(5)), 2).await);
    let denied = documents.denial_change(denial(None)).await.unwrap();
    let removal = documents.candidate_removal(URL).await.unwrap();
    documents.apply(denied.and(removal)).await.unwrap();
    let far = at(u64::from(u32::MAX));
    assert!(documents.denial(URL, far).await.unwrap().is_some());
    assert!(documents.candidate(URL, at(6)).await.unwrap().is_none());
    let shorter = documents.denial_change(denial(Some(at(50)))).await.unwrap();
    documents.apply(shorter).await.unwrap();
    assert_eq!(documents.denials(at(49)).await.unwrap().len(), 1);
    assert!(documents.denial(URL, at(50)).await.unwrap().is_none());
    place.store.sweep(at(50), 10).await.unwrap();
    place.expect_empty().await;
}

async fn no_client_is_inserted_after_a_denial(TestPlace { store, .. }: TestPlace) {
    let (documents, new) = (&store.client_documents, client(URL, json!({})));
    let undenied = documents.expect_no_denial(URL, at(5)).await.unwrap();
    // An administrator denies the URL while its document is fetched.
    let denied = documents.denial_change(denial(None)).await.unwrap();
    documents.apply(denied).await.unwrap();
    let inserted = store.clients.insert(&new, undenied.unwrap());
    assert!(matches!(inserted.await, Err(StoreError::Conflict)));
    assert!(
        documents
            .expect_no_denial(URL, at(5))
            .await
            .unwrap()
            .is_none()
    );
    let end = documents.denial_removal(URL).await.unwrap();
    documents.apply(end).await.unwrap();
    let undenied = documents.expect_no_denial(URL, at(5)).await.unwrap();
    let inserted = store.clients.insert(&new, undenied.unwrap());
    inserted.await.unwrap();
}

async fn a_denial_is_not_stored_beside_a_client(TestPlace { store, .. }: TestPlace) {
    let (documents, url, new) = (&store.client_documents, id(URL), client(URL, json!({})));
    let denied = documents.denial_change(denial(None)).await.unwrap();
    // A fetch stores the client before the denial is stored.
    let undenied = documents.expect_no_denial(URL, at(5)).await.unwrap();
    let inserted = store.clients.insert(&new, undenied.unwrap());
    inserted.await.unwrap();
    let applied = documents.apply_without_client(&url, denied.clone()).await;
    assert!(matches!(applied, Err(StoreError::Conflict)));
    assert!(documents.denial(URL, at(5)).await.unwrap().is_none());
    let stored = store.clients.find(&url).await.unwrap().unwrap();
    store.clients.remove(&stored, denied).await.unwrap();
    assert!(documents.denial(URL, at(5)).await.unwrap().is_some());
    let ended = documents.denial_removal(URL).await.unwrap();
    documents.apply_without_client(&url, ended).await.unwrap();
    assert!(documents.denial(URL, at(5)).await.unwrap().is_none());
}

async fn records_of_a_document_end_with_its_client(place: TestPlace) {
    let (documents, url) = (&place.store.client_documents, id(URL));
    let document = json!({"document": {"digest": "1", "first_seen_at": 5}});
    let client = client(URL, document);
    let state = FetchState {
        fetched_at: at(5),
        ..FetchState::default()
    };
    let along = Along::from(DocumentRecords::state_change(&url, &state).unwrap())
        .and(DocumentRecords::octets_change(&url, "{}").unwrap())
        .and(DocumentRecords::previous_change(&client).unwrap());
    place.store.clients.insert(&client, along).await.unwrap();
    assert_eq!(documents.state(&url).await.unwrap(), Some(state));
    assert_eq!(documents.previous(&url).await.unwrap(), Some(client));
    let stored = place.store.clients.find(&url).await.unwrap().unwrap();
    let removed = place.store.clients.remove(&stored, Change::default());
    removed.await.unwrap();
    assert_eq!(documents.state(&url).await.unwrap(), None);
    place.expect_empty().await;
}
