//! The key-value space itself.

use futures_util::future::join_all;

use super::{TestPlace, on_every_backend};
use crate::store::{Change, Expectation, StoreError, number, numbered};

on_every_backend!(
    reads_what_was_written,
    scans_in_order,
    rejects_a_batch_as_a_whole,
    races_have_one_winner,
    numbers_are_added_to,
    numbers_hold_a_limit,
    an_invalid_number_changes_nothing,
    sequences_have_no_gap,
    concurrent_checks_succeed,
);

fn put(key: &str, value: &str) -> Change {
    Change {
        put: vec![(key.into(), value.into())],
        ..Change::default()
    }
}

fn delete(keys: &[&str]) -> Change {
    Change {
        delete: keys.iter().map(|key| key.as_bytes().to_vec()).collect(),
        ..Change::default()
    }
}

fn count(key: &str, by: i64) -> Change {
    Change {
        count: vec![(key.into(), by)],
        ..Change::default()
    }
}

async fn reads_what_was_written(TestPlace { backend, .. }: TestPlace) {
    assert_eq!(backend.get(b"a").await.unwrap(), None);
    backend.apply(put("a", "1")).await.unwrap();
    backend.apply(put("a", "2")).await.unwrap();
    assert_eq!(backend.get(b"a").await.unwrap(), Some(b"2".to_vec()));
    backend.apply(delete(&["a", "never"])).await.unwrap();
    assert_eq!(backend.get(b"a").await.unwrap(), None);
    backend.apply(Change::default()).await.unwrap();
}

async fn scans_in_order(TestPlace { backend, .. }: TestPlace) {
    for key in ["s/b", "s/a", "s/\u{0}", "t/a", "s/c"] {
        backend.apply(put(key, key)).await.unwrap();
    }
    let keys = async |start: &str, end: &str, limit| {
        let range = start.as_bytes().to_vec()..end.as_bytes().to_vec();
        let pairs = backend.scan(range, limit).await.unwrap();
        pairs
            .into_iter()
            .map(|(key, _)| String::from_utf8(key).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(keys("s/", "s0", 10).await, ["s/\u{0}", "s/a", "s/b", "s/c"]);
    assert_eq!(
        keys("s/a", "s/c", 10).await,
        ["s/a", "s/b"],
        "the end is exclusive"
    );
    assert_eq!(keys("s/", "s0", 2).await, ["s/\u{0}", "s/a"]);
    assert!(keys("s0", "s/", 10).await.is_empty());
    assert!(keys("x", "y", 10).await.is_empty());
}

async fn rejects_a_batch_as_a_whole(TestPlace { backend, .. }: TestPlace) {
    backend
        .apply(put("r", "1").and(count("n", 5)))
        .await
        .unwrap();
    let refused = [
        vec![Expectation::Absent("r".into())],
        vec![Expectation::Value("r".into(), "2".into())],
        vec![Expectation::Value("missing".into(), "1".into())],
        vec![
            Expectation::Value("r".into(), "1".into()),
            Expectation::Absent("r".into()),
        ],
        vec![Expectation::Below("n".into(), 5)],
        vec![Expectation::Below("none".into(), 0)],
    ];
    for expect in refused {
        let change = Change {
            expect,
            ..Change::default()
        };
        let change = change
            .and(put("new", "x"))
            .and(delete(&["r"]))
            .and(count("n", 1));
        assert!(matches!(
            backend.apply(change).await,
            Err(StoreError::Conflict)
        ));
    }
    assert_eq!(backend.get(b"new").await.unwrap(), None);
    assert_eq!(backend.get(b"r").await.unwrap(), Some(b"1".to_vec()));
    let expect = vec![
        Expectation::Value("r".into(), "1".into()),
        Expectation::Absent("new".into()),
        Expectation::Below("n".into(), 6),
    ];
    let change = Change {
        expect,
        ..put("r", "3")
    }
    .and(delete(&["r"]))
    .and(count("n", 1));
    assert_eq!(
        backend.apply(change).await.unwrap().numbers,
        [6],
        "a rejected change counts nothing"
    );
    assert_eq!(
        backend.get(b"r").await.unwrap(),
        Some(b"3".to_vec()),
        "puts are applied after deletes"
    );
}

async fn races_have_one_winner(TestPlace { backend, .. }: TestPlace) {
    backend.apply(put("n", "0")).await.unwrap();
    for round in 0..20 {
        let (seen, next) = (round.to_string(), (round + 1).to_string());
        let change = || Change {
            expect: vec![Expectation::Value("n".into(), seen.clone().into())],
            ..put("n", &next)
        };
        let outcomes = join_all((0..50).map(|_| backend.apply(change()))).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    }
    let writes = (0..500).map(|number| backend.apply(put(&format!("g/{number:03}"), "v")));
    assert!(join_all(writes).await.iter().all(Result::is_ok));
    assert_eq!(
        backend
            .scan(b"g/".to_vec()..b"g0".to_vec(), 1_000)
            .await
            .unwrap()
            .len(),
        500
    );
}

async fn numbers_are_added_to(place: TestPlace) {
    let backend = &place.backend;
    let mut seen: Vec<i64> = Vec::new();
    for outcome in join_all((0..200).map(|_| backend.apply(count("n", 2)))).await {
        seen.extend(outcome.unwrap().numbers);
    }
    seen.sort_unstable();
    assert_eq!(
        seen,
        (1..=200).map(|turn| turn * 2).collect::<Vec<_>>(),
        "each sees its own sum"
    );
    let again = Change {
        delete: vec!["n".into()],
        ..count("n", 3)
    }
    .and(count("n", 4));
    assert_eq!(
        backend.apply(again).await.unwrap().numbers,
        [3, 7],
        "counts are applied after deletes"
    );
    assert_eq!(
        backend.apply(count("n", i64::MAX)).await.unwrap().numbers,
        [i64::MAX]
    );
    assert_eq!(
        backend.apply(count("n", i64::MIN)).await.unwrap().numbers,
        [-1]
    );
    assert_eq!(backend.apply(count("n", 1)).await.unwrap().numbers, [0]);
    place.expect_empty().await;
}

async fn numbers_hold_a_limit(TestPlace { backend, .. }: TestPlace) {
    let one_more = || Change {
        expect: vec![Expectation::Below("n".into(), 7)],
        ..count("n", 1)
    };
    let outcomes = join_all((0..50).map(|_| backend.apply(one_more()))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 7);
    let stored = backend.get(b"n").await.unwrap();
    assert_eq!(number(b"n", stored.as_deref()).unwrap(), 7);
}

async fn an_invalid_number_changes_nothing(TestPlace { backend, .. }: TestPlace) {
    backend.apply(put("n", "no number")).await.unwrap();
    let refused = backend
        .apply(put("beside", "x").and(count("m", 1)).and(count("n", 1)))
        .await;
    assert!(matches!(refused, Err(StoreError::Corrupt { key, .. }) if key == "n"));
    assert_eq!(backend.get(b"beside").await.unwrap(), None);
    assert_eq!(backend.get(b"m").await.unwrap(), None);
}

async fn sequences_have_no_gap(TestPlace { backend, .. }: TestPlace) {
    let append = |value: String| Change {
        append: vec![("q/".into(), value.into())],
        ..Change::default()
    };
    let both = (0..100)
        .map(|turn| backend.apply(append(format!("{turn}a")).and(append(format!("{turn}b")))));
    assert!(join_all(both).await.iter().all(Result::is_ok));
    let all = backend
        .scan(numbered(b"q/", 0)..b"q0".to_vec(), 1_000)
        .await
        .unwrap();
    let expected: Vec<_> = (1..=200).map(|place| numbered(b"q/", place)).collect();
    assert_eq!(
        all.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(),
        expected
    );
    for pair in all.chunks(2) {
        let text = |index: usize| String::from_utf8(pair[index].1.clone()).unwrap();
        assert_eq!(
            text(0).replace('a', "b"),
            text(1),
            "the values appended by one change stay together"
        );
    }
}

async fn concurrent_checks_succeed(TestPlace { store, .. }: TestPlace) {
    let checks = join_all((0..20).map(|_| store.check())).await;
    assert!(checks.iter().all(Result::is_ok));
}
