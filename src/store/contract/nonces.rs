//! Outstanding nonces.

use futures_util::future::join_all;

use super::{TestPlace, at, on_every_backend, race};
use crate::store::expiring::nonces::NonceError;

on_every_backend!(
    a_nonce_is_valid_once,
    of_many_uses_of_a_nonce_one_succeeds,
    the_oldest_entry_is_dropped,
    a_young_nonce_is_not_dropped,
    many_challenges_stay_limited,
);

async fn a_nonce_is_valid_once(place: TestPlace) {
    let nonces = &place.store.nonces;
    let nonce = nonces.issue(at(100), 50, 10).await.unwrap();
    assert_eq!(nonce.len(), 43, "32 bytes in base64url");
    place.expect_nowhere(&nonce).await;
    assert!(!nonces.consume("unknown", at(100)).await.unwrap());
    assert!(nonces.consume(&nonce, at(149)).await.unwrap());
    assert!(!nonces.consume(&nonce, at(149)).await.unwrap());
    let late = nonces.issue(at(100), 50, 10).await.unwrap();
    assert!(!nonces.consume(&late, at(150)).await.unwrap());
    place.store.sweep(at(150), 10).await.unwrap();
    place.expect_empty().await;
}

async fn of_many_uses_of_a_nonce_one_succeeds(TestPlace { store, .. }: TestPlace) {
    let nonce = store.nonces.issue(at(1), 50, 10).await.unwrap();
    let outcomes = race(40, |_| {
        let (nonces, nonce) = (store.nonces.clone(), nonce.clone());
        async move { nonces.consume(&nonce, at(2)).await }
    })
    .await;
    assert_eq!(
        outcomes
            .into_iter()
            .filter(|outcome| *outcome.as_ref().unwrap())
            .count(),
        1
    );
}

async fn the_oldest_entry_is_dropped(place: TestPlace) {
    let nonces = &place.store.nonces;
    let mut issued = Vec::new();
    for turn in 0..3 {
        issued.push(nonces.issue(at(turn), 100, 1).await.unwrap());
        // The previous nonce may be evicted as soon as a tenth of its lifetime is over.
        let refused = nonces.issue(at(turn), 100, 1).await;
        assert!(
            matches!(refused, Err(NonceError::TooMany { retry_after: 10 })),
            "{refused:?}"
        );
        let refused = nonces.issue(at(turn + 9), 100, 1).await;
        assert!(
            matches!(refused, Err(NonceError::TooMany { retry_after: 1 })),
            "{refused:?}"
        );
        issued.push(nonces.issue(at(turn + 10), 100, 1).await.unwrap());
        let [.., old, new] = &issued[..] else {
            panic!("two were issued")
        };
        assert!(!nonces.consume(old, at(turn + 10)).await.unwrap());
        assert!(nonces.consume(new, at(turn + 10)).await.unwrap());
    }
    place.expect_empty().await;
}

async fn a_young_nonce_is_not_dropped(TestPlace { store, .. }: TestPlace) {
    for _ in 0..5 {
        store.nonces.issue(at(10), 100, 5).await.unwrap();
    }
    let refused = join_all((0..20).map(|_| store.nonces.issue(at(12), 100, 5))).await;
    assert!(
        refused
            .iter()
            .all(|outcome| matches!(outcome, Err(NonceError::TooMany { retry_after: 8 })))
    );
    assert!(
        store.nonces.issue(at(110), 100, 5).await.is_ok(),
        "an expired nonce is evicted"
    );
    let none = store.nonces.issue(at(110), 100, 0).await;
    assert!(matches!(none, Err(NonceError::TooMany { .. })));
}

async fn many_challenges_stay_limited(place: TestPlace) {
    const MOST: u64 = 50;
    let mut given = 0;
    for now in 0..8 {
        let outcomes = race(150, |_| {
            let nonces = place.store.nonces.clone();
            async move { nonces.issue(at(now * 10), 100, MOST).await }
        })
        .await;
        for outcome in outcomes {
            match outcome {
                Ok(_) => given += 1,
                Err(NonceError::TooMany { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        // A record and an index entry each, and the number of nonces.
        assert_eq!(place.everything().await.len(), 101);
    }
    assert_eq!(
        given,
        8 * MOST,
        "all of them may be evicted every ten seconds"
    );
    while place.store.sweep(at(1_000), 100).await.unwrap() > 0 {}
    place.expect_empty().await;
}
