//! The audit log.

use futures_util::future::join_all;
use serde_json::{Map, json};

use super::{TestPlace, at, client, on_every_backend};
use crate::store::audit::{ChainFaultKind, Verification};
use crate::store::{Action, AuditEvent, AuditFilter, Change, Store, keys, numbered, record};

on_every_backend!(
    events_are_read_in_order,
    an_event_is_written_with_its_change,
    a_reader_misses_nothing,
    the_log_is_limited,
    an_event_that_was_changed_moved_or_removed_is_found,
    a_log_without_its_first_events_is_whole,
    a_check_finds_the_event_with_a_digest,
    events_of_earlier_versions_have_no_digest,
    a_check_while_events_are_stored_and_removed_finds_no_fault,
    events_are_selected,
);

fn event(subject: &str) -> AuditEvent {
    AuditEvent {
        at: at(5),
        action: Action::ClientCreated,
        subject: subject.to_owned(),
        actor: None,
        actor_name: None,
        address: Some("192.0.2.1".parse().unwrap()),
        error: None,
        correlation_id: None,
        details: Map::from_iter([("revision".to_owned(), json!(1))]),
    }
}

async fn events_are_read_in_order(TestPlace { store, .. }: TestPlace) {
    assert_eq!(store.audit.last().await.unwrap(), 0);
    assert!(store.audit.page(0, 10).await.unwrap().is_empty());
    for turn in 1..=300 {
        store.audit.append(&event(&turn.to_string())).await.unwrap();
    }
    assert_eq!(store.audit.last().await.unwrap(), 300);
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = store.audit.page(after, 70).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.position;
        seen.extend(page);
    }
    let expected = (1..=300).map(|turn: u64| (turn, event(&turn.to_string())));
    assert!(
        seen.into_iter()
            .map(|logged| (logged.position, logged.event))
            .eq(expected)
    );
    assert!(store.audit.page(u64::MAX, 10).await.unwrap().is_empty());
}

async fn an_event_is_written_with_its_change(TestPlace { store, .. }: TestPlace) {
    let one = client("one", json!({}));
    let told = || event("one").change().unwrap();
    store.clients.insert(&one, told()).await.unwrap();
    assert!(store.clients.insert(&one, told()).await.is_err());
    let seen = store.clients.find(&one.id).await.unwrap().unwrap();
    store.clients.remove(&seen, told()).await.unwrap();
    assert!(store.clients.remove(&seen, told()).await.is_err());
    assert_eq!(store.audit.page(0, 10).await.unwrap().len(), 2);
}

async fn a_reader_misses_nothing(TestPlace { store, .. }: TestPlace) {
    let write = async |turn: u32| store.audit.append(&event(&turn.to_string())).await.unwrap();
    let read = async {
        let mut seen = Vec::new();
        while seen.len() < 200 {
            let after = seen.last().copied().unwrap_or(0);
            let page = store.audit.page(after, 7).await.unwrap();
            seen.extend(page.into_iter().map(|logged| logged.position));
            tokio::task::yield_now().await;
        }
        seen
    };
    let (_, seen) = tokio::join!(join_all((0..200).map(write)), read);
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
}

async fn the_log_is_limited(TestPlace { store, .. }: TestPlace) {
    for turn in 0..30 {
        store.audit.append(&event(&turn.to_string())).await.unwrap();
    }
    let positions = async || {
        let page = store.audit.page(0, 100).await.unwrap();
        page.iter()
            .map(|logged| logged.position)
            .collect::<Vec<_>>()
    };
    assert_eq!(store.audit.trim(30, 10).await.unwrap(), 0);
    assert_eq!(store.audit.trim(5, 20).await.unwrap(), 20);
    assert_eq!(store.audit.trim(5, 20).await.unwrap(), 5);
    assert_eq!(store.audit.trim(5, 20).await.unwrap(), 0);
    assert_eq!(positions().await, [26, 27, 28, 29, 30]);
    assert_eq!(store.audit.trim(0, 20).await.unwrap(), 5);
    store
        .clients
        .insert(&client("one", json!({})), Change::default())
        .await
        .unwrap();
    store.audit.append(&event("next")).await.unwrap();
    assert_eq!(positions().await, [31], "a number is not used twice");
}

async fn append(store: &Store, many: u32) {
    for turn in 0..many {
        store.audit.append(&event(&turn.to_string())).await.unwrap();
    }
}

async fn verify(store: &Store) -> Verification {
    store.audit.verify(0, None, 1_000).await.unwrap()
}

/// The position and the kind of the first fault.
async fn fault(store: &Store) -> Option<(u64, ChainFaultKind)> {
    let found = verify(store).await.fault;
    found.map(|fault| (fault.position, fault.kind))
}

fn put(key: Vec<u8>, value: Vec<u8>) -> Change {
    Change {
        put: vec![(key, value)],
        ..Change::default()
    }
}

fn delete(key: Vec<u8>) -> Change {
    Change {
        delete: vec![key],
        ..Change::default()
    }
}

async fn an_event_that_was_changed_moved_or_removed_is_found(place: TestPlace) {
    let (store, backend) = (&place.store, &place.backend);
    append(store, 9).await;
    assert_eq!(fault(store).await, None);
    let key = |number| numbered(keys::AUDIT, number);
    let (fourth, fifth) = (
        backend.get(&key(4)).await.unwrap().unwrap(),
        backend.get(&key(5)).await.unwrap().unwrap(),
    );
    let text = String::from_utf8(fourth.clone()).unwrap();
    let other = text.replace("192.0.2.1", "192.0.2.2").into_bytes();
    let bare = text.split(",\"digest\"").next().unwrap().to_owned() + "}";
    for (change, position, kind) in [
        (put(key(4), other), 4, ChainFaultKind::Changed),
        (put(key(4), bare.into_bytes()), 4, ChainFaultKind::NoDigest),
        (put(key(4), fifth.clone()), 4, ChainFaultKind::Changed),
        (
            put(key(4), fifth.clone()).and(put(key(5), fourth.clone())),
            4,
            ChainFaultKind::Changed,
        ),
        (delete(key(4)), 4, ChainFaultKind::Missing),
        (delete(key(1)), 1, ChainFaultKind::Changed),
        (delete(key(9)), 9, ChainFaultKind::Missing),
    ] {
        let before = place.everything().await;
        backend.apply(change).await.unwrap();
        let found = fault(store).await;
        if position == 1 {
            // What is first now was stored after another event.
            assert_eq!(found, Some((2, kind)));
        } else {
            assert_eq!(found, Some((position, kind)));
        }
        let restored = before
            .into_iter()
            .filter(|(key, _)| key.starts_with(keys::AUDIT));
        for (key, value) in restored {
            backend.apply(put(key, value)).await.unwrap();
        }
        assert_eq!(fault(store).await, None);
    }
    // A last event that fits, but is not the one that was stored.
    append_instead(&place, 9).await;
    assert_eq!(fault(store).await, Some((9, ChainFaultKind::Replaced)));
}

/// Replaces the last event, at `position`, by another one with a digest that fits.
async fn append_instead(place: &TestPlace, position: u64) {
    let (store, backend) = (&place.store, &place.backend);
    let head = backend.get(keys::AUDIT_HEAD).await.unwrap().unwrap();
    let before = store.audit.page(position - 2, 1).await.unwrap();
    let digest = before[0].digest.unwrap();
    let mark = [&before[0].position.to_be_bytes()[..], &digest].concat();
    let back = put(keys::AUDIT.to_vec(), (position - 1).to_be_bytes().to_vec())
        .and(put(keys::AUDIT_HEAD.to_vec(), mark))
        .and(delete(numbered(keys::AUDIT, position)));
    backend.apply(back).await.unwrap();
    store.audit.append(&event("another")).await.unwrap();
    assert_eq!(fault(store).await, None, "only the head shows it");
    backend
        .apply(put(keys::AUDIT_HEAD.to_vec(), head))
        .await
        .unwrap();
}

async fn a_log_without_its_first_events_is_whole(TestPlace { store, .. }: TestPlace) {
    append(&store, 30).await;
    assert_eq!(store.audit.trim(20, 100).await.unwrap(), 10);
    let found = verify(&store).await;
    assert_eq!(
        (found.first, found.events, found.fault),
        (Some(11), 20, None)
    );
    let pages = async || {
        let (mut after, mut events) = (0, 0);
        loop {
            let page = store.audit.verify(after, None, 7).await.unwrap();
            assert_eq!(page.fault, None);
            events += page.events;
            match page.next {
                Some(next) => after = next,
                None => return events,
            }
        }
    };
    assert_eq!(pages().await, 20);
    assert_eq!(store.audit.trim(0, 100).await.unwrap(), 20);
    assert_eq!(
        (verify(&store).await.events, fault(&store).await),
        (0, None)
    );
    append(&store, 3).await;
    assert_eq!(
        (verify(&store).await.events, fault(&store).await),
        (3, None)
    );
}

async fn a_check_finds_the_event_with_a_digest(TestPlace { store, .. }: TestPlace) {
    append(&store, 5).await;
    let noted = verify(&store).await.last.unwrap();
    assert_eq!(noted.number, 5);
    append(&store, 5).await;
    let look = async || {
        let found = store.audit.verify(0, Some(noted.digest), 100).await;
        found.unwrap().found
    };
    assert_eq!(look().await, Some(5));
    store.audit.trim(5, 100).await.unwrap();
    assert_eq!(look().await, Some(5), "the event before the first one");
    store.audit.trim(4, 100).await.unwrap();
    assert_eq!(look().await, None);
}

async fn events_of_earlier_versions_have_no_digest(place: TestPlace) {
    let (store, backend) = (&place.store, &place.backend);
    let old = record::encode(keys::AUDIT, &event("old")).unwrap();
    let append_old = Change {
        append: vec![(keys::AUDIT.to_vec(), old)],
        ..Change::default()
    };
    for _ in 0..3 {
        backend.apply(append_old.clone()).await.unwrap();
    }
    let found = verify(store).await;
    assert_eq!(
        (found.without_digest, found.last, found.fault),
        (3, None, None)
    );
    append(store, 2).await;
    let found = verify(store).await;
    assert_eq!(
        (found.without_digest, found.events, found.fault),
        (3, 2, None)
    );
    store.audit.trim(4, 10).await.unwrap();
    let found = verify(store).await;
    assert_eq!(
        (found.without_digest, found.events, found.fault),
        (2, 2, None)
    );
    backend.apply(append_old).await.unwrap();
    assert_eq!(fault(store).await, Some((6, ChainFaultKind::NoDigest)));
}

async fn a_check_while_events_are_stored_and_removed_finds_no_fault(
    TestPlace { store, .. }: TestPlace,
) {
    let write = async {
        for turn in 0..100 {
            store.audit.append(&event(&turn.to_string())).await.unwrap();
            if turn % 10 == 0 {
                store.audit.trim(20, 100).await.unwrap();
            }
        }
    };
    let check = async {
        for _ in 0..50 {
            assert_eq!(fault(&store).await, None);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(write, check);
}

async fn events_are_selected(TestPlace { store, .. }: TestPlace) {
    let times = [5, 6, 7, 8, 9];
    for time in times {
        let one = AuditEvent {
            at: at(time),
            actor: (time > 6).then(|| "admin".to_owned()),
            actor_name: (time > 7).then(|| "Ann".to_owned()),
            action: if time == 9 {
                Action::ClientDeleted
            } else {
                Action::ClientUpdated
            },
            ..event(&time.to_string())
        };
        store.audit.append(&one).await.unwrap();
    }
    let select = async |filter: AuditFilter| {
        let (found, next) = store.audit.find(0, 100, &filter).await.unwrap();
        assert_eq!(next, None);
        let positions = found.into_iter().map(|logged| logged.position);
        positions.collect::<Vec<_>>()
    };
    let none = AuditFilter::default;
    assert_eq!(select(none()).await, [1, 2, 3, 4, 5]);
    let since = Some(at(7));
    assert_eq!(select(AuditFilter { since, ..none() }).await, [3, 4, 5]);
    let by = |actor: &str| AuditFilter {
        actor: Some(actor.to_owned()),
        ..none()
    };
    assert_eq!(select(by("admin")).await, [3, 4, 5]);
    assert_eq!(select(by("Ann")).await, [4, 5]);
    let actions = vec![Action::ClientDeleted, Action::ClientCreated];
    assert_eq!(select(AuditFilter { actions, ..none() }).await, [5]);
    let subject = Some("6".to_owned());
    assert_eq!(select(AuditFilter { subject, ..none() }).await, [2]);
    let (found, next) = store.audit.find(0, 2, &by("admin")).await.unwrap();
    assert_eq!((found.len(), next), (2, Some(4)));
}
