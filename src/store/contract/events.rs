//! The event log and its consumers.

use serde_json::json;

use super::{TestPlace, at, client, id, on_every_backend, race};
use crate::client::{Client, TrustLevel};
use crate::store::Change;
use crate::store::events::consumers::Turn;
use crate::store::events::{
    Along, Cause, ConsumerState, Event, EventType, Lease, LoggedEvent, Order, Parked, Reason, Trim,
    WaitingEvent,
};
use crate::store::transfer::Existing;

on_every_backend!(
    every_change_of_a_client_has_an_event,
    a_change_that_fails_has_no_event,
    clients_of_the_operator_have_no_events,
    sweeps_and_imports_have_events,
    a_deleted_client_is_known_as_long_as_its_event,
    the_log_is_limited,
    clients_are_replayed_to_one_consumer,
    a_consumer_starts_once_and_continues,
    one_server_works_for_a_consumer,
    the_state_of_a_consumer_changes_only_while_no_server_works_for_it,
    parked_events_are_retried_or_skipped,
);

fn along(reason: Reason) -> Along {
    Along {
        change: Change::default(),
        cause: Cause {
            at: at(7),
            reason,
            ..Cause::default()
        },
        audited: None,
    }
}

async fn log(place: &TestPlace) -> Vec<LoggedEvent> {
    place.store.events.page(0, 1_000).await.unwrap()
}

fn kinds(log: &[LoggedEvent]) -> Vec<&'static str> {
    log.iter()
        .map(|logged| logged.event.kind.as_str())
        .collect()
}

async fn replace(place: &TestPlace, client: &Client) {
    let seen = place.store.clients.find(&client.id).await.unwrap().unwrap();
    place
        .store
        .clients
        .replace(&seen, client, along(Reason::Request))
        .await
        .unwrap();
}

async fn every_change_of_a_client_has_an_event(place: TestPlace) {
    let mut watch = place.store.events.watch();
    watch.borrow_and_update();
    let one = client("one", json!({}));
    place
        .store
        .clients
        .insert(&one, along(Reason::Administrator))
        .await
        .unwrap();
    assert!(watch.has_changed().unwrap());
    let named = |revision: u64, members: serde_json::Value| {
        client("one", json!({"revision": revision, "metadata": members}))
    };
    replace(&place, &named(2, json!({"client_name": "K"}))).await;
    replace(
        &place,
        &named(3, json!({"client_name": "K", "disabled": true})),
    )
    .await;
    replace(
        &place,
        &named(4, json!({"client_name": "L", "disabled": false})),
    )
    .await;
    let secret =
        json!({"secret": {"sealed": "AAAA"}, "metadata": {"client_name": "L", "disabled": false}});
    let mut with_secret = client("one", secret);
    replace(&place, &with_secret).await;
    with_secret.secret.as_mut().unwrap().sealed = serde_json::from_value(json!("BBBB")).unwrap();
    replace(&place, &with_secret).await;
    // Nobody else can see that a client was used.
    with_secret.last_used_at = Some(at(9));
    replace(&place, &with_secret).await;
    let seen = place.store.clients.find(&one.id).await.unwrap().unwrap();
    place
        .store
        .clients
        .remove(&seen, along(Reason::Request))
        .await
        .unwrap();

    let log = log(&place).await;
    let expected = [
        "client.created",
        "client.updated",
        "client.disabled",
        "client.enabled",
        "client.updated",
        "client.secret_rotated",
        "client.deleted",
    ];
    assert_eq!(kinds(&log), expected);
    let positions: Vec<u64> = log.iter().map(|logged| logged.position).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(place.store.events.last().await.unwrap(), 7);
    assert_eq!(place.store.events.find(3).await.unwrap().unwrap(), log[2]);
    let changed: Vec<&[String]> = log.iter().map(|logged| &*logged.event.changed).collect();
    assert_eq!(changed[1], ["client_name"]);
    assert_eq!(changed[3], ["client_name", "disabled"]);
    assert_eq!(changed[5], ["client_secret"]);
    let first = &log[0].event;
    assert_eq!(
        (first.reason, first.at, first.revision),
        (Reason::Administrator, at(7), 1)
    );
    assert_ne!(first.id, log[1].event.id);
}

async fn a_change_that_fails_has_no_event(place: TestPlace) {
    let one = client("one", json!({}));
    let inserted = race(8, |_| {
        let (clients, one) = (place.store.clients.clone(), one.clone());
        async move { clients.insert(&one, along(Reason::Request)).await.is_ok() }
    });
    assert_eq!(
        inserted
            .await
            .into_iter()
            .filter(|is_first| *is_first)
            .count(),
        1
    );
    assert_eq!(kinds(&log(&place).await), ["client.created"]);
}

async fn clients_of_the_operator_have_no_events(place: TestPlace) {
    let mut client = client("administrator", json!({}));
    client.provenance.trust_level = TrustLevel::Operator;
    let clients = &place.store.clients;
    clients
        .insert(&client, along(Reason::Administrator))
        .await
        .unwrap();
    client.revision += 1;
    client.expires_at = Some(at(9));
    replace(&place, &client).await;
    let seen = clients.find(&client.id).await.unwrap().unwrap();
    clients
        .remove(&seen, along(Reason::Administrator))
        .await
        .unwrap();
    assert!(log(&place).await.is_empty());
}

async fn sweeps_and_imports_have_events(place: TestPlace) {
    let clients = [
        client("short", json!({"expires_at": 5})),
        client("unused", json!({})),
    ];
    let imported = place
        .store
        .clients
        .import(&clients, Existing::Refuse, |_| Ok(along(Reason::Import)));
    assert_eq!(imported.await.unwrap().created, 2);
    let replaced = [client("unused", json!({"metadata": {"client_name": "K"}}))];
    let imported = place
        .store
        .clients
        .import(&replaced, Existing::Replace, |_| Ok(along(Reason::Import)));
    assert_eq!(imported.await.unwrap().replaced, 1);
    assert_eq!(place.store.clients.sweep(at(5), 10).await.unwrap(), 1);
    let unused = crate::store::clients::unused::Unused {
        never_since: Some(at(50)),
        idle_since: None,
    };
    let mut sweep = unused.sweep();
    while !sweep.is_over() {
        let swept = place
            .store
            .uses
            .sweep_unused(&mut sweep, 10, |_| Ok(along(Reason::Unused)));
        swept.await.unwrap();
    }
    let log = log(&place).await;
    let told: Vec<(&str, &str, Reason)> = log
        .iter()
        .map(|logged| {
            let event = &logged.event;
            (event.kind.as_str(), event.client_id.as_str(), event.reason)
        })
        .collect();
    let expected = [
        ("client.created", "short", Reason::Import),
        ("client.created", "unused", Reason::Import),
        ("client.updated", "unused", Reason::Import),
        ("client.deleted", "short", Reason::Expired),
        ("client.deleted", "unused", Reason::Unused),
    ];
    assert_eq!(told, expected);
}

async fn create_and_delete(place: &TestPlace, name: &str) {
    let one = client("one", json!({"metadata": {"client_name": name}}));
    place
        .store
        .clients
        .insert(&one, along(Reason::Request))
        .await
        .unwrap();
    let seen = place.store.clients.find(&one.id).await.unwrap().unwrap();
    place
        .store
        .clients
        .remove(&seen, along(Reason::Request))
        .await
        .unwrap();
}

fn every(kept_from: u64) -> Trim {
    Trim {
        kept_from,
        wanted_from: 0,
        since: at(0),
        free_to: 0,
    }
}

async fn a_deleted_client_is_known_as_long_as_its_event(place: TestPlace) {
    let name = async || {
        let deleted = place.store.events.deleted(&id("one")).await.unwrap()?;
        deleted
            .metadata
            .metadata()
            .text("client_name")
            .map(str::to_owned)
    };
    assert_eq!(name().await, None);
    create_and_delete(&place, "K").await;
    assert_eq!(name().await.as_deref(), Some("K"));
    create_and_delete(&place, "L").await;
    assert_eq!(name().await.as_deref(), Some("L"));
    assert_eq!(place.store.events.trim(every(4), 100).await.unwrap(), 3);
    assert_eq!(
        name().await.as_deref(),
        Some("L"),
        "the later deletion is kept"
    );
    assert!(place.store.events.trim(every(5), 100).await.unwrap() > 0);
    assert_eq!(name().await, None);
    assert_eq!(place.store.events.first().await.unwrap(), 5);
}

async fn the_log_is_limited(place: TestPlace) {
    for turn in 0..10_u64 {
        let one = client(&format!("c{turn}"), json!({}));
        let mut along = along(Reason::Request);
        along.cause.at = at(turn);
        place.store.clients.insert(&one, along).await.unwrap();
    }
    let first = async || place.store.events.first().await.unwrap();
    let trim = async |bounds: Trim| place.store.events.trim(bounds, 100).await.unwrap();
    // Old events are kept as long as a consumer has not received them.
    let old = Trim {
        kept_from: 0,
        wanted_from: 0,
        since: at(5),
        free_to: 3,
    };
    assert_eq!((trim(old).await, first().await), (3, 4));
    let received = Trim { free_to: 10, ..old };
    assert_eq!((trim(received).await, first().await), (2, 6));
    let few = Trim {
        wanted_from: 8,
        ..received
    };
    assert_eq!((trim(few).await, first().await), (2, 8));
    assert_eq!((trim(every(10)).await, first().await), (2, 10));
    assert_eq!((trim(every(11)).await, first().await), (1, 11));
    assert_eq!(trim(every(11)).await, 0);
    assert_eq!(place.store.events.last().await.unwrap(), 10);
}

async fn clients_are_replayed_to_one_consumer(place: TestPlace) {
    let clients = [client("a", json!({})), client("b", json!({}))];
    let cause = along(Reason::Replay).cause;
    let events = &place.store.events;
    events
        .replay(&clients, "webhook:crm", &cause, Change::default())
        .await
        .unwrap();
    let log = log(&place).await;
    assert_eq!(kinds(&log), ["client.created", "client.created"]);
    for logged in log {
        assert_eq!(logged.event.consumer.as_deref(), Some("webhook:crm"));
        assert_eq!(logged.event.reason, Reason::Replay);
    }
}

fn state(cursor: u64) -> ConsumerState {
    ConsumerState {
        cursor,
        waiting: vec![WaitingEvent {
            position: 2,
            client_id: id("one"),
            attempts: 3,
            failing_since: Some(at(4)),
            due: Some(at(9)),
            error: Some("refused".to_owned()),
            resume_at: None,
            is_deletion: true,
        }],
        ..ConsumerState::default()
    }
}

fn turn(cursor: u64) -> Turn {
    Turn {
        state: state(cursor),
        ..Turn::default()
    }
}

async fn a_consumer_starts_once_and_continues(place: TestPlace) {
    let consumers = &place.store.consumers;
    assert_eq!(consumers.state("hooks").await.unwrap(), None);
    consumers.begin("hooks", &state(5)).await.unwrap();
    consumers.begin("hooks", &state(9)).await.unwrap();
    assert_eq!(consumers.state("hooks").await.unwrap(), Some(state(5)));
    consumers
        .commit("hooks", &Lease::default(), &turn(6))
        .await
        .unwrap();
    assert_eq!(consumers.state("hooks").await.unwrap(), Some(state(6)));
    assert_eq!(consumers.state("webhook:crm").await.unwrap(), None);
}

async fn one_server_works_for_a_consumer(place: TestPlace) {
    let consumers = &place.store.consumers;
    let none = consumers.lease("hooks").await.unwrap();
    let taken = race(8, |server| {
        let (consumers, none) = (consumers.clone(), none.clone());
        async move {
            consumers
                .take_lease("hooks", &none, &server.to_string(), 0)
                .await
                .unwrap()
        }
    });
    let taken: Vec<Lease> = taken.await.into_iter().flatten().collect();
    assert_eq!(taken.len(), 1);
    let first = &taken[0];
    consumers.commit("hooks", first, &turn(1)).await.unwrap();
    let second = consumers
        .take_lease("hooks", first, "another", 0)
        .await
        .unwrap()
        .unwrap();
    assert!(
        consumers.commit("hooks", first, &turn(2)).await.is_err(),
        "it was overtaken"
    );
    assert_eq!(consumers.state("hooks").await.unwrap(), Some(state(1)));
    consumers.release_lease("hooks", first).await.unwrap();
    assert_eq!(consumers.lease("hooks").await.unwrap(), second);
    consumers.release_lease("hooks", &second).await.unwrap();
    assert_eq!(consumers.lease("hooks").await.unwrap(), Lease::default());
}

async fn the_state_of_a_consumer_changes_only_while_no_server_works_for_it(place: TestPlace) {
    let consumers = &place.store.consumers;
    let change = async |cursor| {
        let changed = consumers.change_idle("hooks", |_| Some(state(cursor)));
        changed.await.unwrap()
    };
    assert!(!change(1).await, "there is no state");
    consumers.begin("hooks", &state(5)).await.unwrap();
    assert!(change(6).await);
    let none = Lease::default();
    let lease = consumers.take_lease("hooks", &none, "one", 0);
    let lease = lease.await.unwrap().unwrap();
    assert!(!change(7).await);
    assert_eq!(consumers.state("hooks").await.unwrap(), Some(state(6)));
    consumers.release_lease("hooks", &lease).await.unwrap();
    assert!(change(7).await);
    let unchanged = consumers.change_idle("hooks", |_| None).await.unwrap();
    assert!(!unchanged);
}

async fn parked_events_are_retried_or_skipped(place: TestPlace) {
    let consumers = &place.store.consumers;
    let event = Event {
        id: "evt_1".to_owned(),
        kind: EventType::Updated,
        at: at(3),
        client_id: id("one"),
        revision: 2,
        reason: Reason::Request,
        changed: vec!["client_name".to_owned()],
        actor: None,
        correlation_id: None,
        consumer: None,
        context: None,
        pending: None,
        pending_type: None,
    };
    let parked: Vec<Parked> = (1..=3)
        .map(|position| Parked {
            position,
            event: event.clone(),
            attempts: 9,
            error: "refused".to_owned(),
            given_up_at: at(99),
        })
        .collect();
    let turn = Turn {
        parked: parked.clone(),
        ..turn(4)
    };
    consumers
        .order("hooks", 2, Order::Skip, Change::default())
        .await
        .unwrap();
    consumers
        .commit("hooks", &Lease::default(), &turn)
        .await
        .unwrap();
    assert_eq!(consumers.parked("hooks", 0, 10).await.unwrap(), parked);
    assert_eq!(consumers.parked("hooks", 1, 1).await.unwrap(), parked[1..2]);
    assert_eq!(consumers.count_parked("hooks", 10).await.unwrap(), 3);
    assert!(
        consumers
            .parked("webhook:crm", 0, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        consumers.orders("hooks", 10).await.unwrap(),
        [(2, Order::Skip)]
    );
    // An order that the operator has replaced is not removed with the previous one.
    consumers
        .remove_order("hooks", 2, Order::Retry)
        .await
        .unwrap();
    assert_eq!(consumers.orders("hooks", 10).await.unwrap().len(), 1);
    consumers
        .remove_order("hooks", 2, Order::Skip)
        .await
        .unwrap();
    assert!(consumers.orders("hooks", 10).await.unwrap().is_empty());

    assert!(
        consumers
            .unpark("hooks", 1, false, Change::default())
            .await
            .unwrap()
    );
    assert!(
        !consumers
            .unpark("hooks", 1, false, Change::default())
            .await
            .unwrap()
    );
    assert!(log(&place).await.is_empty());
    assert!(
        consumers
            .unpark("hooks", 3, true, Change::default())
            .await
            .unwrap()
    );
    let again = log(&place).await;
    let expected = Event {
        consumer: Some("hooks".to_owned()),
        ..event
    };
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].event, expected);
    assert_eq!(
        consumers.parked("hooks", 0, 10).await.unwrap(),
        parked[1..2]
    );
}
