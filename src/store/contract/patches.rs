//! The patches of the live configuration.

use futures_util::future::join_all;
use serde_json::json;

use super::{TestPlace, on_every_backend};
use crate::store::{Change, patches::MOST_BYTES, patches::StorePatchError};

on_every_backend!(
    a_revision_is_replaced_once,
    the_document_is_sealed_and_bounded
);

async fn a_revision_is_replaced_once(TestPlace { store, .. }: TestPlace) {
    let first = store.patches.load().await.unwrap();
    assert_eq!((first.revision, first.document), (0, json!({})));
    for revision in 0..3 {
        let documents: Vec<_> = (0..20)
            .map(|turn| json!([{"revision": revision, "turn": turn}]))
            .collect();
        let attempts = documents
            .iter()
            .map(|document| store.patches.replace(revision, document, Change::default()));
        let mut winner = None;
        for (document, outcome) in documents.iter().zip(join_all(attempts).await) {
            match outcome {
                Ok(next) => assert_eq!((next, winner.replace(document)), (revision + 1, None)),
                Err(error) => assert!(matches!(error, StorePatchError::Conflict), "{error}"),
            }
        }
        let now = store.patches.load().await.unwrap();
        assert_eq!((now.revision, Some(&now.document)), (revision + 1, winner));
    }
}

async fn the_document_is_sealed_and_bounded(place: TestPlace) {
    let patches = &place.store.patches;
    let long = json!("x".repeat(MOST_BYTES));
    assert!(matches!(
        patches.replace(0, &long, Change::default()).await,
        Err(StorePatchError::TooLong)
    ));
    place.expect_empty().await;
    patches
        .replace(
            0,
            &json!([{"value": "shared-secret-in-clear"}]),
            Change::default(),
        )
        .await
        .unwrap();
    place.expect_nowhere("in-clear").await;
}
