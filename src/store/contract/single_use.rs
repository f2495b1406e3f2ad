//! Identifiers that may be used once.

use super::{TestPlace, at, on_every_backend, race};
use crate::store::{StoreError, expiring::single_use::UsedOnce};

on_every_backend!(
    the_first_claim_wins,
    of_many_claims_one_wins,
    a_use_is_part_of_another_change,
    nothing_is_in_clear
);

async fn the_first_claim_wins(TestPlace { store, .. }: TestPlace) {
    let claim = async |what, identifier: &[&str], now| {
        store
            .single_use
            .claim(what, identifier, at(100), at(now))
            .await
            .unwrap()
    };
    assert!(claim(UsedOnce::Statement, &["iss", "jti"], 1).await);
    assert!(!claim(UsedOnce::Statement, &["iss", "jti"], 99).await);
    assert!(
        claim(UsedOnce::SignedRequest, &["iss", "jti"], 1).await,
        "types are independent"
    );
    assert!(
        claim(UsedOnce::Statement, &["issj", "ti"], 1).await,
        "parts do not run into each other"
    );
    assert!(
        !claim(UsedOnce::Statement, &["iss", "jti"], 100).await,
        "an expired object is never claimed"
    );
    let again = store
        .single_use
        .claim(UsedOnce::Statement, &["iss", "jti"], at(300), at(200))
        .await;
    assert!(
        again.unwrap(),
        "an expired identifier is forgotten before it is swept"
    );
}

async fn a_use_is_part_of_another_change(TestPlace { store, .. }: TestPlace) {
    let one_use = async |now| {
        store
            .single_use
            .one_use(UsedOnce::Statement, &["a"], at(100), at(now))
            .await
            .unwrap()
    };
    let (first, second) = (one_use(1).await.unwrap(), one_use(1).await.unwrap());
    store.backend.apply(first).await.unwrap();
    assert!(
        matches!(store.backend.apply(second).await, Err(StoreError::Conflict)),
        "another request came first"
    );
    assert!(one_use(99).await.is_none());
    assert!(
        !store
            .single_use
            .claim(UsedOnce::Statement, &["a"], at(100), at(99))
            .await
            .unwrap()
    );
    assert!(
        one_use(100).await.is_some(),
        "an expired identifier is forgotten before it is swept"
    );
}

async fn of_many_claims_one_wins(TestPlace { store, .. }: TestPlace) {
    for name in ["fresh", "over"] {
        if name == "over" {
            assert!(
                store
                    .single_use
                    .claim(UsedOnce::Evidence, &[name], at(5), at(1))
                    .await
                    .unwrap()
            );
        }
        let outcomes = race(40, |_| {
            let single_use = store.single_use.clone();
            async move {
                single_use
                    .claim(UsedOnce::Evidence, &[name], at(100), at(10))
                    .await
            }
        })
        .await;
        let first = outcomes
            .into_iter()
            .filter(|outcome| *outcome.as_ref().unwrap())
            .count();
        assert_eq!(first, 1, "{name}");
    }
}

async fn nothing_is_in_clear(place: TestPlace) {
    let identifier = ["issuer-in-clear", "jti-in-clear"];
    place
        .store
        .single_use
        .claim(UsedOnce::Statement, &identifier, at(100), at(1))
        .await
        .unwrap();
    place.expect_nowhere("in-clear").await;
}
