//! The order in which the events of a client are delivered.

use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::super::Hook;
use super::{World, facts, object, world};
use crate::client::Metadata;

/// A script that notifies another system of a change, with a URL that names the change.
const TELL: &str = "
fn tell(what, client) { http::post(`https://other.example.org/${client.client_id}/${what}`, (), #{}); }
fn clientCreated(context) { tell(\"created\", context.client); }
fn clientUpdated(context) { tell(context.client.client_name, context.client); }
fn clientDeleted(context) { tell(\"deleted\", context.client); }";

fn telling(script: &str, pauses: &[u64]) -> World {
    world(&[("10-a.rhai", script)], |settings| {
        settings.retry_pauses_ms = pauses.to_vec();
    })
    .unwrap()
}

/// Queues a change to the client called `id`, and defines the responses of the other system.
fn tell(world: &World, hook: Hook, id: &str, name: &str) {
    for what in ["created", "deleted", name] {
        let url = format!("https://other.example.org/{id}/{what}");
        world.host.answer_json("POST", &url, 200, &json!({}));
    }
    let client = Metadata::new(object(json!({"client_id": id, "client_name": name})));
    world.set.tell(hook, facts(json!({})), client);
}

/// Returns the notifications about the client called `id` that the other system has received, in order.
fn told(world: &World, id: &str) -> Vec<String> {
    let of = format!("https://other.example.org/{id}/");
    let calls = world.host.calls();
    calls
        .iter()
        .filter_map(|call| call.url.strip_prefix(&of).map(str::to_owned))
        .collect()
}

fn calls(world: &World, hook: Hook) -> u64 {
    world
        .set
        .statistics()
        .iter()
        .filter(|counted| counted.hook == hook)
        .map(|counted| counted.calls)
        .sum()
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Delivers queued events while `meanwhile` runs, and then the remaining events.
async fn during(world: &World, meanwhile: impl Future<Output = ()>) {
    let finish = CancellationToken::new();
    let meanwhile = async {
        meanwhile.await;
        finish.cancel();
    };
    tokio::join!(
        world
            .set
            .runtime()
            .notify(finish.clone(), Duration::from_secs(20)),
        meanwhile
    );
    assert_eq!(world.set.runtime().notifications_waiting(), 0);
}

#[tokio::test]
async fn events_of_one_client_are_delivered_one_at_a_time_and_in_order() {
    let world = telling(TELL, &[]);
    world.host.hold();
    tell(&world, Hook::ClientCreated, "a", "");
    for name in ["1", "2", "3"] {
        tell(&world, Hook::ClientUpdated, "a", name);
    }
    tell(&world, Hook::ClientCreated, "b", "");
    during(&world, async {
        until(|| !told(&world, "a").is_empty() && !told(&world, "b").is_empty()).await;
        assert_eq!(
            (
                told(&world, "a"),
                world.set.runtime().notifications_waiting()
            ),
            (vec!["created".to_owned()], 5)
        );
        world.host.release();
    })
    .await;
    assert_eq!(told(&world, "a"), ["created", "1", "2", "3"]);
}

#[tokio::test]
async fn a_later_event_waits_until_the_previous_one_is_given_up() {
    let fails =
        "fn clientCreated(context) { tell(\"created\", context.client); throw \"not told\"; }";
    let script = TELL.replace(
        "fn clientCreated(context) { tell(\"created\", context.client); }",
        fails,
    );
    let world = telling(&script, &[1, 1]);
    tell(&world, Hook::ClientCreated, "a", "");
    tell(&world, Hook::ClientUpdated, "a", "1");
    tell(&world, Hook::ClientUpdated, "b", "1");
    during(&world, async {}).await;
    assert_eq!(told(&world, "a"), ["created", "created", "created", "1"]);
    assert_eq!(
        (
            told(&world, "b").len(),
            world.set.runtime().notifications_lost()
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_deleted_client_is_not_recreated_by_a_late_retry() {
    let fails = "fn clientCreated(context) {
        if kv::increment(context.client.client_id, 1, 60) == 1 { throw \"not yet\" }
        tell(\"created\", context.client);
    }";
    let script = TELL.replace(
        "fn clientCreated(context) { tell(\"created\", context.client); }",
        fails,
    );
    // The deletion does not wait for an hour. A stop of the server would end the pause too.
    let world = telling(&script, &[3_600_000]);
    tell(&world, Hook::ClientCreated, "a", "");
    during(&world, async {
        until(|| calls(&world, Hook::ClientCreated) == 1).await;
        tell(&world, Hook::ClientDeleted, "a", "");
        until(|| !told(&world, "a").is_empty()).await;
    })
    .await;
    assert_eq!(
        (told(&world, "a"), calls(&world, Hook::ClientCreated)),
        (vec!["deleted".to_owned()], 1)
    );
    assert_eq!(
        world.set.runtime().notifications_lost(),
        0,
        "nothing is lost: the deletion replaces the other events"
    );
}

#[tokio::test]
async fn a_deletion_waits_for_the_running_event_and_replaces_queued_ones() {
    let world = telling(TELL, &[]);
    world.host.hold();
    tell(&world, Hook::ClientCreated, "a", "");
    during(&world, async {
        until(|| !told(&world, "a").is_empty()).await;
        for (hook, id) in [
            (Hook::ClientUpdated, "a"),
            (Hook::ClientDeleted, "a"),
            (Hook::ClientCreated, "b"),
        ] {
            tell(&world, hook, id, "1");
        }
        until(|| !told(&world, "b").is_empty()).await;
        assert_eq!(told(&world, "a"), ["created"]);
        world.host.release();
    })
    .await;
    assert_eq!(told(&world, "a"), ["created", "deleted"]);
}

#[tokio::test]
async fn events_before_a_deletion_that_arrive_later_are_dropped() {
    let world = telling(TELL, &[]);
    tell(&world, Hook::ClientDeleted, "a", "");
    tell(&world, Hook::ClientUpdated, "a", "1");
    during(&world, async {}).await;
    assert_eq!(told(&world, "a"), ["deleted"]);
}

#[tokio::test]
async fn a_client_with_stuck_events_delays_no_other() {
    let script = "fn clientUpdated(context) {
        if context.client.client_id == \"stuck\" { http::get(\"https://slow.example.org/\"); }
    }";
    let world = telling(script, &[]);
    world
        .host
        .answer_json("GET", "https://slow.example.org/", 200, &json!({}));
    world.host.hold();
    for _ in 0..20 {
        tell(&world, Hook::ClientUpdated, "stuck", "1");
    }
    for number in 0..20 {
        tell(&world, Hook::ClientUpdated, &format!("c{number}"), "1");
    }
    during(&world, async {
        until(|| calls(&world, Hook::ClientUpdated) == 20).await;
        assert_eq!(
            (
                world.host.calls().len(),
                world.set.runtime().notifications_lost()
            ),
            (1, 0)
        );
        world.host.release();
    })
    .await;
    assert_eq!(world.host.calls().len(), 20);
}
