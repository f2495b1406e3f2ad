//! The loaded scripts: their names, the hashes of their texts, the time of loading, and statistics of calls.

use serde_json::{Map, Value, json};

use crate::base::clock::Timestamp;
use crate::service::Context;

/// Returns the loaded scripts.
pub fn shown(cx: &Context<'_>) -> Map<String, Value> {
    let set = &cx.snapshot.scripts;
    let scripts: Vec<Value> = set
        .scripts()
        .iter()
        .map(|script| {
            let hooks: Vec<&str> = script.hooks.iter().map(|hook| hook.name()).collect();
            json!({"name": script.name, "hash": script.hash, "hooks": hooks, "warnings": script.warnings})
        })
        .collect();
    let calls: Vec<Value> = set
        .statistics()
        .iter()
        .map(|one| {
            json!({
                "script": one.script, "hook": one.hook.name(), "calls": one.calls, "faults": one.faults,
                "ran_seconds": one.ran.as_secs_f64(), "waited_seconds": one.waited.as_secs_f64(),
            })
        })
        .collect();
    let shown = json!({
        "revision": set.revision(), "since": Timestamp::unix(set.since()), "scripts": scripts, "calls": calls,
    });
    shown.as_object().cloned().unwrap_or_default()
}
