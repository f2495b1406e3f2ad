//! Hooks that run after the response.

use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::super::Hook;
use super::{World, facts, object, world};
use crate::client::Metadata;
use crate::config::ScriptSettings;

const TELL: &str = "fn clientCreated(context) {
    http::post(`https://other.example.org/${context.client.client_id}`, context.client.to_map(), #{});
}";

fn telling(script: &str, change: impl FnOnce(&mut ScriptSettings)) -> World {
    let world = world(
        &[
            ("10-a.rhai", script),
            ("20-none.rhai", "fn updateClient(context) { true }"),
        ],
        |settings| {
            settings.retry_pauses_ms = vec![1, 1];
            change(settings);
        },
    );
    world.unwrap()
}

fn tell(world: &World, id: usize) {
    let id = format!("c{id}");
    world.host.answer_json(
        "POST",
        &format!("https://other.example.org/{id}"),
        201,
        &json!({}),
    );
    let client = Metadata::new(object(json!({"client_id": id, "client_name": "K"})));
    world
        .set
        .tell(Hook::ClientCreated, facts(json!({})), client);
}

/// Delivers all queued events, and returns.
async fn finish(world: &World) {
    let finished = CancellationToken::new();
    finished.cancel();
    world
        .set
        .runtime()
        .notify(finished, Duration::from_secs(20))
        .await;
}

#[tokio::test]
async fn scripts_are_notified_of_every_event() {
    let world = telling(TELL, |_| {});
    for id in 0..100 {
        tell(&world, id);
    }
    assert_eq!(
        (
            world.host.calls().len(),
            world.set.runtime().notifications_waiting()
        ),
        (0, 100)
    );
    finish(&world).await;
    let mut told: Vec<String> = world
        .host
        .calls()
        .into_iter()
        .map(|call| call.url)
        .collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 100);
    let told = String::from_utf8(world.host.calls()[0].body.clone().unwrap()).unwrap();
    assert!(told.contains("\"client_name\":\"K\""));
    let runtime = world.set.runtime();
    assert_eq!(
        (
            runtime.notifications_waiting(),
            runtime.notifications_lost()
        ),
        (0, 0)
    );
}

#[tokio::test]
async fn a_fault_is_retried_and_finally_given_up() {
    let counts = |failures: u32| {
        format!(
            "fn clientCreated(context) {{
                let tries = kv::increment(\"tries\", 1, 60);
                if tries <= {failures} {{ throw `not yet: ${{tries}}` }}
            }}"
        )
    };
    for (failures, calls, faults, lost) in [(0, 1, 0, 0), (2, 3, 2, 0), (9, 3, 3, 1)] {
        let world = telling(&counts(failures), |_| {});
        tell(&world, 1);
        finish(&world).await;
        let counted = &world.set.statistics()[0];
        assert_eq!(
            (counted.calls, counted.faults),
            (calls, faults),
            "{failures}"
        );
        assert_eq!(world.set.runtime().notifications_lost(), lost);
    }
}

#[tokio::test]
async fn the_result_of_a_notification_hook_is_ignored() {
    for body in [
        "false",
        "5",
        "throw #{ error: \"e\" }",
        "context.createWebApplicationException(400, #{ error: \"e\" })",
    ] {
        let world = telling(&format!("fn clientCreated(context) {{ {body} }}"), |_| {});
        tell(&world, 1);
        finish(&world).await;
        assert_eq!(
            (
                world.set.statistics()[0].calls,
                world.set.runtime().notifications_lost()
            ),
            (1, 0),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_failing_script_does_not_withhold_an_event_from_the_next_one_for_ever() {
    let fails = "fn clientCreated(context) { throw 1 }";
    let world = world(&[("10-a.rhai", fails), ("20-b.rhai", TELL)], |settings| {
        settings.retry_pauses_ms = vec![1];
    });
    let world = world.unwrap();
    tell(&world, 1);
    finish(&world).await;
    let calls: Vec<u64> = world
        .set
        .statistics()
        .iter()
        .map(|counted| counted.calls)
        .collect();
    assert_eq!(calls, [2, 1]);
}

#[tokio::test]
async fn events_that_do_not_fit_are_dropped_and_counted() {
    let world = telling(TELL, |settings| settings.limits.waiting_notifications = 10);
    for id in 0..12 {
        tell(&world, id);
    }
    let runtime = world.set.runtime();
    assert_eq!(
        (
            runtime.notifications_waiting(),
            runtime.notifications_lost()
        ),
        (10, 2)
    );
    finish(&world).await;
    let large = Metadata::new(object(json!({"client_name": "a".repeat(20 * 8_192)})));
    world.set.tell(Hook::ClientCreated, facts(json!({})), large);
    assert_eq!(
        runtime.notifications_lost(),
        3,
        "the size of an event counts"
    );
}

#[tokio::test]
async fn a_stop_waits_for_a_limited_time() {
    let world = telling(TELL, |_| {});
    world.host.hold();
    tell(&world, 1);
    let finished = CancellationToken::new();
    finished.cancel();
    world
        .set
        .runtime()
        .notify(finished, Duration::from_millis(50))
        .await;
    assert_eq!(world.set.runtime().notifications_lost(), 1);
    world.host.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_with_a_shared_task_never_run_in_it() {
    for hook in Hook::ALL {
        let world = super::hooked(hook, "true");
        for _ in 0..100 {
            world.set.pace(hook).note(Duration::ZERO, false);
        }
        let asked = world.set.on_a_thread(hook, facts(json!({})), |asking| {
            Ok(asking.round.permit.is_here())
        });
        let told = [
            Hook::DeleteClient,
            Hook::ClientCreated,
            Hook::ClientUpdated,
            Hook::ClientDeleted,
        ];
        assert_eq!(asked.await.unwrap(), !told.contains(&hook), "{hook:?}");
    }
}

#[tokio::test]
async fn scripts_without_the_hook_are_not_notified() {
    let world = telling("fn createClient(context) { true }", |_| {});
    tell(&world, 1);
    assert_eq!(world.set.runtime().notifications_waiting(), 0);
}
