use serde_json::json;

use super::super::HookError;
use super::{create, load};
use crate::config::{ScriptLimits, ScriptSettings};

#[tokio::test]
async fn hostile_scripts_fault_and_nothing_else_happens() {
    let limits = |settings: &mut ScriptSettings| {
        settings.limits = ScriptLimits { deadline_ms: 2_000, ..ScriptLimits::default() }
    };
    let bodies = [
        ("loop { }", "operations"),
        ("createClient(context)", "overflow"),
        ("let s = \"aaaaaaaa\"; loop { s += s; }", "too large"),
        ("let a = [1]; loop { a += a; }", "too large"),
        ("let m = #{}; let i = 0; loop { m[\"k\" + i] = i; i += 1; }", "too "),
        ("let a = []; a.pad(1000000000, 0); true", "too large"),
        ("let s = \"\"; s.pad(1000000000, 'a'); true", "too large"),
        ("sleep(1); true", "can not sleep"),
        ("sleep(0.5); true", "can not sleep"),
        ("import \"../x\" as x; true", "../x"),
        ("import \"/etc/passwd\" as x; true", "/etc/passwd"),
        ("import \"lib/none\" as x; true", "lib/none"),
        (
            "context.createWebApplicationException(400, \"{\\\"a\\\":\" + \"[\".to_string() + \"\"); true",
            "JSON",
        ),
    ];
    for (body, part) in bodies {
        let set = load(&[("10-a.rhai", &format!("fn createClient(context) {{ {body} }}"))], limits).unwrap();
        let Err(HookError::Fault(fault)) = create(&set, json!({})).await else { panic!("{body}") };
        assert!(fault.message.to_lowercase().contains(&part.to_lowercase()), "{body}: {}", fault.message);
    }
}

#[tokio::test]
async fn a_deadline_ends_what_the_count_of_operations_would_not() {
    let set = load(&[("10-a.rhai", "fn createClient(context) { loop { } }")], |settings| {
        settings.limits = ScriptLimits { operations: u64::MAX, deadline_ms: 50, ..ScriptLimits::default() };
    })
    .unwrap();
    let started = std::time::Instant::now();
    let Err(HookError::Fault(fault)) = create(&set, json!({})).await else { panic!() };
    assert!(fault.message.contains("deadlineMs"), "{fault:?}");
    assert!(started.elapsed().as_secs() < 10);
}

#[tokio::test]
async fn scripts_take_turns_and_who_waits_too_long_is_told() {
    let set = load(&[("10-a.rhai", "fn createClient(context) { loop { } }")], |settings| {
        settings.limits =
            ScriptLimits { operations: u64::MAX, deadline_ms: 300, concurrent: 1, ..ScriptLimits::default() };
    })
    .unwrap();
    let (one, other) = tokio::join!(create(&set, json!({})), create(&set, json!({})));
    let busy = [&one, &other].into_iter().filter(|outcome| matches!(outcome, Err(HookError::Busy))).count();
    assert_eq!(busy, 1, "{one:?} {other:?}");
}
