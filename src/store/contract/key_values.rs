//! Values of scripts.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{TestPlace, at, on_every_backend, race};
use crate::store::{
    Change, Expectation, expiring::key_values::KeyValueError, expiring::key_values::KeyValueLimits,
};

on_every_backend!(
    values_are_kept_until_they_expire,
    scripts_do_not_share_values,
    limits_are_enforced,
    entries_are_limited_under_load,
    the_entry_that_expires_first_is_dropped_but_counters_are_not,
    a_flood_resets_no_quota,
    numbers_are_added_to,
    no_addition_is_lost,
    uses_are_counted_with_another_change,
    values_are_sealed,
    a_removed_value_leaves_nothing_behind,
);

const LIMITS: KeyValueLimits = KeyValueLimits {
    entries: 3,
    key_bytes: 8,
    value_bytes: 20,
};
const WIDE: KeyValueLimits = KeyValueLimits {
    entries: 1_000,
    key_bytes: 100,
    value_bytes: 10_000,
};

async fn values_are_kept_until_they_expire(TestPlace { store, .. }: TestPlace) {
    let values = store.key_values.of("a.rhai", WIDE);
    let kept = [
        json!({"a": [1, null, "é"]}),
        json!(7),
        json!(-7),
        json!(0),
        json!(1.5),
        json!(null),
        json!(u64::MAX),
    ];
    for value in kept {
        values.set("k", &value, at(100), at(1)).await.unwrap();
        assert_eq!(values.get("k", at(99)).await.unwrap(), Some(value));
        assert_eq!(values.get("k", at(100)).await.unwrap(), None);
    }
    assert_eq!(values.get("other", at(1)).await.unwrap(), None);
    values.set("k", &json!(1), at(100), at(1)).await.unwrap();
    values.set("k", &json!(2), at(200), at(1)).await.unwrap();
    assert_eq!(
        store.sweep(at(150), 10).await.unwrap(),
        0,
        "its expiry was extended"
    );
    assert_eq!(values.get("k", at(150)).await.unwrap(), Some(json!(2)));
    assert!(values.delete("k", at(150)).await.unwrap());
    assert!(!values.delete("k", at(150)).await.unwrap());
    assert_eq!(values.get("k", at(150)).await.unwrap(), None);
}

async fn scripts_do_not_share_values(TestPlace { store, .. }: TestPlace) {
    let (one, other) = (
        store.key_values.of("a.rhai", LIMITS),
        store.key_values.of("b.rhai", LIMITS),
    );
    for key in ["1", "2", "3"] {
        one.set(key, &json!("one"), at(9), at(1)).await.unwrap();
    }
    assert_eq!(other.get("1", at(1)).await.unwrap(), None);
    other.set("1", &json!("other"), at(9), at(1)).await.unwrap();
    assert_eq!(one.get("1", at(1)).await.unwrap(), Some(json!("one")));
}

async fn limits_are_enforced(TestPlace { store, .. }: TestPlace) {
    let values = store.key_values.of("a.rhai", LIMITS);
    let set =
        async |key: &str, value: Value, now| values.set(key, &value, at(now + 10), at(now)).await;
    assert!(matches!(
        set("", json!(1), 1).await,
        Err(KeyValueError::Key(8))
    ));
    assert!(matches!(
        set("123456789", json!(1), 1).await,
        Err(KeyValueError::Key(8))
    ));
    assert!(matches!(
        values.get("123456789", at(1)).await,
        Err(KeyValueError::Key(8))
    ));
    assert!(matches!(
        set("k", json!("x".repeat(19)), 1).await,
        Err(KeyValueError::Value(20))
    ));
    set("12345678", json!("x".repeat(18)), 1).await.unwrap();
    set("2", json!(1), 1).await.unwrap();
    set("3", json!(1), 1).await.unwrap();
    for key in ["12345678", "2", "3"] {
        values.delete(key, at(1)).await.unwrap();
        values.increment(key, 1, at(11), at(1)).await.unwrap();
    }
    assert!(matches!(
        set("4", json!(1), 1).await,
        Err(KeyValueError::Full(3))
    ));
    let refused = values.increment("4", 1, at(10), at(1)).await;
    assert!(matches!(refused, Err(KeyValueError::Full(3))));
    values.increment("3", 2, at(11), at(1)).await.unwrap();
    values.delete("3", at(1)).await.unwrap();
    set("4", json!(1), 1).await.unwrap();
    set("5", json!(1), 11)
        .await
        .expect("an expired value makes space");
}

async fn entries_are_limited_under_load(TestPlace { store, .. }: TestPlace) {
    let limits = KeyValueLimits {
        entries: 10,
        ..WIDE
    };
    let values = store.key_values.of("a.rhai", limits);
    let keys: Vec<_> = (0..40).map(|turn| format!("k{turn}")).collect();
    let kept = async || {
        let kept = join_all(keys.iter().map(|key| values.get(key, at(1)))).await;
        kept.into_iter()
            .filter(|value| value.as_ref().unwrap().is_some())
            .count()
    };
    let outcomes = join_all(
        keys.iter()
            .map(async |key| values.set(key, &json!(1), at(9), at(1)).await),
    )
    .await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert!((1..=10).contains(&kept().await));
    let outcomes = join_all(
        keys.iter()
            .map(async |key| values.increment(key, 1, at(9), at(1)).await),
    )
    .await;
    let full = |outcome: &&Result<i64, _>| matches!(outcome, Err(KeyValueError::Full(10)));
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        10
    );
    assert_eq!(outcomes.iter().filter(full).count(), 30);
    assert_eq!(kept().await, 10);
}

async fn the_entry_that_expires_first_is_dropped_but_counters_are_not(
    TestPlace { store, .. }: TestPlace,
) {
    let (values, other) = (
        store.key_values.of("a.rhai", LIMITS),
        store.key_values.of("b.rhai", LIMITS),
    );
    let set = async |key: &str, value: Value, until| {
        values.set(key, &value, at(until), at(1)).await.unwrap();
    };
    let get = async |key: &str| values.get(key, at(1)).await.unwrap();
    other
        .set("first", &json!("other"), at(2), at(1))
        .await
        .unwrap();
    values.increment("quota", 5, at(3), at(1)).await.unwrap();
    set("soon", json!("soon"), 10).await;
    set("late", json!(7), 20).await;
    set("new", json!("new"), 15).await;
    assert_eq!(
        (get("soon").await, get("late").await),
        (None, Some(json!(7)))
    );
    // Replacing a value needs no space, and a value that becomes a counter is kept.
    set("new", json!("newer"), 30).await;
    assert_eq!(values.increment("late", 1, at(99), at(1)).await.unwrap(), 8);
    set("newest", json!("newest"), 16).await;
    assert_eq!(
        (get("new").await, get("late").await),
        (None, Some(json!(8)))
    );
    // A counter evicts a value too.
    assert_eq!(values.increment("more", 1, at(9), at(1)).await.unwrap(), 1);
    assert_eq!(
        (get("newest").await, get("quota").await),
        (None, Some(json!(5)))
    );
    assert!(matches!(
        values.set("x", &json!(1), at(9), at(1)).await,
        Err(KeyValueError::Full(3))
    ));
    assert_eq!(
        other.get("first", at(1)).await.unwrap(),
        Some(json!("other")),
        "each script has its own quota"
    );
}

async fn a_flood_resets_no_quota(TestPlace { store, .. }: TestPlace) {
    let values = store.key_values.of(
        "a.rhai",
        KeyValueLimits {
            entries: 130,
            ..WIDE
        },
    );
    for turn in 1..=3 {
        assert_eq!(
            values.increment("quota", 1, at(5), at(1)).await.unwrap(),
            turn
        );
        for key in 0..300 {
            values
                .set(
                    &format!("{turn} {key}"),
                    &json!({"of": "a stranger"}),
                    at(9),
                    at(1),
                )
                .await
                .unwrap();
        }
    }
    // When only counters are left, the script fails and no counter is evicted.
    for key in 0..129 {
        values
            .increment(&key.to_string(), 1, at(9), at(1))
            .await
            .unwrap();
    }
    let refused = values.increment("one more", 1, at(9), at(1)).await;
    assert!(matches!(refused, Err(KeyValueError::Full(130))));
    assert_eq!(values.get("quota", at(1)).await.unwrap(), Some(json!(3)));
}

async fn numbers_are_added_to(TestPlace { store, .. }: TestPlace) {
    let values = store.key_values.of("a.rhai", WIDE);
    let add = async |by, until, now| values.increment("n", by, at(until), at(now)).await.unwrap();
    assert_eq!(add(5, 100, 1).await, 5);
    assert_eq!(add(-7, 500, 50).await, -2);
    assert_eq!(add(2, 500, 50).await, 0);
    assert_eq!(values.get("n", at(99)).await.unwrap(), Some(json!(0)));
    assert_eq!(
        values.get("n", at(100)).await.unwrap(),
        None,
        "its expiry does not move"
    );
    assert_eq!(add(1, 300, 200).await, 1, "an expired counter starts again");
    assert_eq!(add(i64::MAX, 300, 200).await, i64::MAX);
    values.set("n", &json!(41), at(300), at(200)).await.unwrap();
    assert_eq!(
        add(1, 300, 200).await,
        42,
        "an integer that was set can be incremented"
    );
    values
        .set("n", &json!("text"), at(300), at(200))
        .await
        .unwrap();
    let refused = values.increment("n", 1, at(300), at(200)).await;
    assert!(matches!(refused, Err(KeyValueError::NotAnInteger)));
}

async fn no_addition_is_lost(TestPlace { store, .. }: TestPlace) {
    let add = |_| {
        let values = store.key_values.clone();
        async move {
            values
                .of("a.rhai", WIDE)
                .increment("n", 1, at(9), at(1))
                .await
                .unwrap()
        }
    };
    let mut sums = race(100, add).await;
    sums.sort_unstable();
    assert_eq!(sums, (1..=100).collect::<Vec<_>>());
    let set = |turn| {
        let values = store.key_values.clone();
        async move {
            values
                .of("a.rhai", WIDE)
                .set("s", &json!(turn), at(9), at(1))
                .await
        }
    };
    let sets = race(30, set).await;
    assert!(
        sets.iter().all(Result::is_ok),
        "concurrent sets do not fail"
    );
}

/// Of many changes that use up one of `most`, as many are made, and what is not made counts nothing.
async fn uses_are_counted_with_another_change(TestPlace { store, backend, .. }: TestPlace) {
    let values = store.key_values.of("a.rhai", WIDE);
    assert!(values.one_use("n", 5, at(1)).await.unwrap().is_none());
    let counted = race(20, |_| {
        let values = store.key_values.clone();
        async move { values.of("a.rhai", WIDE).counter("n", at(9), at(1)).await }
    });
    for count in counted.await {
        assert_eq!(count.unwrap(), 0);
    }
    let attempt = |turn: usize| {
        let (values, backend) = (store.key_values.clone(), Arc::clone(&backend));
        async move {
            let place = format!("x/{}", turn % 10).into_bytes();
            let mut taken = false;
            if let Ok(change) = values
                .of("a.rhai", WIDE)
                .one_use("n", 5, at(1))
                .await
                .unwrap()
                .unwrap()
            {
                // Each place is taken once, so half of the changes that could be counted fail.
                let own = Change {
                    expect: vec![Expectation::Absent(place.clone())],
                    put: vec![(place, Vec::new())],
                    ..Change::default()
                };
                taken = backend.apply(change.and(own)).await.is_ok();
            }
            taken
        }
    };
    let taken = race(40, attempt).await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 5);
    assert_eq!(values.get("n", at(1)).await.unwrap(), Some(json!(5)));
    let none_left = values.one_use("n", 5, at(1)).await.unwrap().unwrap();
    assert!(matches!(none_left, Err(until) if until == at(9)));
    assert!(values.one_use("n", 5, at(9)).await.unwrap().is_none());
    values.set("t", &json!("text"), at(9), at(1)).await.unwrap();
    let refused = values.one_use("t", 5, at(1)).await;
    assert!(matches!(refused, Err(KeyValueError::NotAnInteger)));
}

async fn values_are_sealed(place: TestPlace) {
    let values = place.store.key_values.of("a.rhai", WIDE);
    values
        .set("k", &json!({"token": "not-to-be-read"}), at(9), at(1))
        .await
        .unwrap();
    place.expect_nowhere("not-to-be-read").await;
    // A record that is moved to another key cannot be opened there.
    let mut moved = place.everything().await;
    for (key, _) in &mut moved {
        if let Some(last) = key.last_mut() {
            *last = b'z';
        }
    }
    let change = crate::store::Change {
        put: moved,
        ..crate::store::Change::default()
    };
    place.backend.apply(change).await.unwrap();
    assert!(matches!(
        values.get("z", at(1)).await,
        Err(KeyValueError::Store(_))
    ));
}

async fn a_removed_value_leaves_nothing_behind(place: TestPlace) {
    let values = place.store.key_values.of("a.rhai", WIDE);
    values.set("a", &json!("text"), at(9), at(1)).await.unwrap();
    values.set("b", &json!(5), at(9), at(1)).await.unwrap();
    values.set("b", &json!("text"), at(9), at(1)).await.unwrap();
    values.increment("c", 5, at(9), at(1)).await.unwrap();
    values.increment("d", 5, at(9), at(1)).await.unwrap();
    for key in ["a", "b", "c"] {
        values.delete(key, at(1)).await.unwrap();
    }
    assert_eq!(place.store.sweep(at(9), 10).await.unwrap(), 1);
    place.expect_empty().await;
}
