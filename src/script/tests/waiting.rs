//! Scripts that wait do not hold up other scripts.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{World, create, world};
use crate::config::{ScriptLimits, ScriptSettings};
use crate::script::{Hook, HookError, ScriptSet, run::permits::Permits, run::permits::WaitsFor};

const WAITS: &str = "fn createClient(context) {
    if context.client.client_name == \"waits\" { http::get(\"https://slow.example.org/\"); }
    true
}";

fn limited(change: impl FnOnce(&mut ScriptLimits)) -> World {
    let change = |settings: &mut ScriptSettings| {
        settings.limits = ScriptLimits {
            deadline_ms: 5_000,
            ..ScriptLimits::default()
        };
        change(&mut settings.limits);
    };
    let world = world(&[("10-a.rhai", WAITS)], change).unwrap();
    world
        .host
        .answer_json("GET", "https://slow.example.org/", 200, &json!({}));
    world
}

/// Calls the scripts of `set` in a separate task.
fn begin(set: &Arc<ScriptSet>, client: Value) -> impl Future<Output = Result<(), HookError>> {
    let set = Arc::clone(set);
    create_owned(set, client)
}

async fn create_owned(set: Arc<ScriptSet>, client: Value) -> Result<(), HookError> {
    create(&set, client).await.map(drop)
}

/// Lets other tasks run until `condition` is true.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_hundred_waiting_calls_release_their_slots() {
    let world = limited(|limits| limits.concurrent = 2);
    world.host.hold();
    let waiting = join_all((0..100).map(|_| begin(&world.set, json!({"client_name": "waits"}))));
    let others = async {
        until(|| world.host.waiting() == 100).await;
        let others =
            join_all((0..50).map(|_| begin(&world.set, json!({"client_name": "goes"})))).await;
        assert_eq!(world.host.waiting(), 100, "all of them still wait");
        world.host.release();
        others
    };
    let (waited, others) = tokio::join!(waiting, others);
    assert!(
        waited.iter().chain(&others).all(Result::is_ok),
        "{waited:?} {others:?}"
    );
}

#[tokio::test]
async fn the_number_of_waiting_calls_is_limited_across_reloads() {
    let world = limited(|limits| limits.waiting = 2);
    world.host.hold();
    let waiting = join_all((0..2).map(|_| begin(&world.set, json!({"client_name": "waits"}))));
    let one_more = async {
        until(|| world.host.waiting() == 2).await;
        let again = ScriptSet::load(&world.set.runtime().settings, world.set.runtime()).unwrap();
        let refused = create(&Arc::new(again), json!({"client_name": "waits"})).await;
        world.host.release();
        refused
    };
    let (waited, refused) = tokio::join!(waiting, one_more);
    assert!(waited.iter().all(Result::is_ok));
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("scripts.limits.waiting")
    );
}

#[tokio::test]
async fn waiting_does_not_count_for_the_deadline_but_has_its_own_limit() {
    let world = limited(|limits| (limits.deadline_ms, limits.http_ms) = (1_000, 1_500));
    world.host.hold();
    let Err(HookError::Fault(fault)) = create(&world.set, json!({"client_name": "waits"})).await
    else {
        panic!()
    };
    let asked = world.host.calls()[0].timeout;
    assert_eq!(
        (fault.message, asked),
        (
            "no response within 1500 ms".to_owned(),
            Duration::from_millis(1_500)
        )
    );
    let counted = &world.set.statistics()[0];
    assert_eq!(
        (counted.hook, counted.calls, counted.faults),
        (Hook::CreateClient, 1, 1)
    );
    assert!(
        counted.waited >= Duration::from_millis(1_500)
            && counted.ran < Duration::from_millis(1_500),
        "{counted:?}"
    );
}

#[tokio::test]
async fn time_spent_waiting_is_deducted_from_the_remaining_time() {
    let script = "fn createClient(context) {
        for i in 0..2 { try { http::request(#{ url: \"https://slow.example.org/\", timeoutMs: 2000 }); } catch { } }
        try { http::get(\"https://slow.example.org/\"); } catch (error) { throw `then: ${error}`; }
    }";
    let change = |settings: &mut ScriptSettings| settings.limits.http_ms = 3_000;
    let world = world(&[("10-a.rhai", script)], change).unwrap();
    world.host.hold();
    let ended = create(&world.set, json!({})).await.unwrap_err().to_string();
    assert!(
        ended.contains("then: ") && ended.contains("httpMs"),
        "{ended}"
    );
    let asked: Vec<u128> = world
        .host
        .calls()
        .iter()
        .map(|call| call.timeout.as_millis())
        .collect();
    assert_eq!((asked.len(), asked[0]), (2, 2_000));
    assert!(asked[1] <= 1_000, "{asked:?}");
}

#[tokio::test]
async fn a_call_that_gets_no_slot_back_ends() {
    let limits = ScriptLimits {
        concurrent: 1,
        queue_ms: 500,
        ..ScriptLimits::default()
    };
    let permits = Arc::new(Permits::new(&limits));
    let permit = permits.take(false).await.unwrap();
    assert_eq!(permit.over(), None);
    let runtime = tokio::runtime::Handle::current();
    let waiting = tokio::task::spawn_blocking(move || {
        // While this script waits, another script takes the only slot and keeps it.
        let other = permit.wait(WaitsFor::Far, Duration::from_secs(1), |_| {
            runtime.block_on(permits.take(false))
        });
        assert!(other.unwrap().is_some());
        permit.over()
    });
    assert_eq!(
        waiting.await.unwrap(),
        Some("timed out waiting for a slot (scripts.limits.queueMs)")
    );
}
