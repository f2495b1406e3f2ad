//! Hooks that run after the response.

use std::time::Duration;

use serde_json::json;

use super::{World, facts, object, world};
use crate::client::Metadata;
use crate::script::Hook;

fn telling(scripts: &[(&str, &str)]) -> World {
    world(scripts, |_| {}).unwrap()
}

/// Notifies the scripts from the one named `from`. Returns the script that failed.
async fn notify(world: &World, from: Option<&str>) -> Option<String> {
    let client = Metadata::new(object(json!({"client_id": "c1", "client_name": "K"})));
    let told = world
        .set
        .notify(Hook::ClientCreated, facts(json!({})), &client, from);
    told.await.err().map(|not_notified| not_notified.script)
}

fn called(world: &World) -> Vec<(String, u64)> {
    let statistics = world.set.statistics();
    statistics
        .into_iter()
        .map(|one| (one.script, one.calls))
        .collect()
}

#[tokio::test]
async fn scripts_are_notified_in_order_from_the_one_that_failed() {
    let counts = "fn clientCreated(context) { kv::increment(\"n\", 1, 60); }";
    let fails_once = "fn clientCreated(context) {
        if kv::increment(\"n\", 1, 60) == 1 { throw \"not yet\" }
    }";
    let world = telling(&[
        ("10-a.rhai", counts),
        ("20-b.rhai", fails_once),
        ("30-none.rhai", "fn updateClient(context) { true }"),
        ("40-d.rhai", counts),
    ]);
    let failed = notify(&world, None).await;
    assert_eq!(failed.as_deref(), Some("20-b.rhai"));
    assert_eq!(notify(&world, failed.as_deref()).await, None);
    let expected = [
        ("10-a.rhai", 1),
        ("20-b.rhai", 2),
        ("30-none.rhai", 0),
        ("40-d.rhai", 1),
    ];
    let expected: Vec<(String, u64)> = expected
        .into_iter()
        .map(|(name, calls)| (name.to_owned(), calls))
        .collect();
    assert_eq!(called(&world), expected);
    // A script that is no longer there cannot be continued with: all are called.
    assert_eq!(notify(&world, Some("15-gone.rhai")).await, None);
    assert_eq!(called(&world)[0].1, 2);
}

#[tokio::test]
async fn the_result_of_a_notification_hook_is_ignored() {
    for body in [
        "false",
        "5",
        "throw #{ error: \"e\" }",
        "context.createWebApplicationException(400, #{ error: \"e\" })",
    ] {
        let script = format!("fn clientCreated(context) {{ {body} }}");
        let world = telling(&[("10-a.rhai", &script)]);
        assert_eq!(notify(&world, None).await, None, "{body}");
        assert_eq!(world.set.statistics()[0].calls, 1, "{body}");
    }
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
            Hook::RegistrationPending,
        ];
        assert_eq!(asked.await.unwrap(), !told.contains(&hook), "{hook:?}");
    }
}
