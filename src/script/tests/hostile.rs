use serde_json::json;

use super::{create, facts, hooked, load, object};
use crate::client::Metadata;
use crate::config::{ScriptLimits, ScriptSettings};
use crate::script::{Hook, HookError};

/// Milliseconds that a script may wait for a processor: on a busy machine, a thread of the lowest priority waits long.
const LONG: u64 = 600_000;

#[tokio::test]
async fn hostile_scripts_cause_a_fault_and_nothing_else() {
    let limits = |settings: &mut ScriptSettings| {
        // The deadline is so long that it never ends a script, however busy the machine is.
        settings.limits = ScriptLimits {
            deadline_ms: 60_000,
            queue_ms: LONG,
            ..ScriptLimits::default()
        }
    };
    let bodies = [
        ("loop { }", "operations"),
        ("createClient(context)", "overflow"),
        ("let s = \"aaaaaaaa\"; loop { s += s; }", "too large"),
        ("let a = [1]; loop { a += a; }", "too large"),
        (
            "let m = #{}; let i = 0; loop { m[\"k\" + i] = i; i += 1; }",
            "too ",
        ),
        ("let a = []; a.pad(1000000000, 0); true", "too large"),
        ("let s = \"\"; s.pad(1000000000, 'a'); true", "too large"),
        (
            "let s = \"aaaaaaaa\"; for i in 0..12 { s += s; } let i = 0; loop { context.client[`client_name#a${i}`] = s; i += 1; }",
            "resultBytes",
        ),
        (
            "let s = \"aaaaaaaa\"; for i in 0..10 { s += s; } let a = []; for i in 0..7 { a.push(s); } for i in 0..9 { context.client[`client_name#a${i}`] = a; } true",
            "resultBytes",
        ),
        ("throw 5", "the script threw 5"),
        ("|| true", "not a value of the type Fn"),
        ("sleep(1); true", "cannot sleep"),
        ("sleep(0.5); true", "cannot sleep"),
        ("import \"../x\" as x; true", "../x"),
        ("import \"/etc/passwd\" as x; true", "/etc/passwd"),
        ("import \"lib/none\" as x; true", "lib/none"),
        (
            "context.createWebApplicationException(400, \"{\\\"a\\\":\" + \"[\".to_string() + \"\"); true",
            "JSON",
        ),
    ];
    for (body, part) in bodies {
        let text = format!("fn createClient(context) {{ {body} }}");
        let set = load(&[("10-a.rhai", &text)], limits).unwrap();
        let Err(HookError::Fault(fault)) = create(&set, json!({})).await else {
            panic!("{body}")
        };
        assert!(
            fault.message.to_lowercase().contains(&part.to_lowercase()),
            "{body}: {}",
            fault.message
        );
    }
}

#[tokio::test]
async fn the_deadline_ends_what_the_operation_limit_does_not() {
    let set = load(
        &[("10-a.rhai", "fn createClient(context) { loop { } }")],
        |settings| {
            settings.limits = ScriptLimits {
                operations: u64::MAX,
                deadline_ms: 50,
                queue_ms: LONG,
                ..ScriptLimits::default()
            };
        },
    )
    .unwrap();
    let started = std::time::Instant::now();
    let Err(HookError::Fault(fault)) = create(&set, json!({})).await else {
        panic!()
    };
    assert!(fault.message.contains("deadlineMs"), "{fault:?}");
    assert!(started.elapsed().as_secs() < 40);
}

#[tokio::test]
async fn scripts_take_turns_and_waiting_too_long_is_reported() {
    let set = load(
        &[("10-a.rhai", "fn createClient(context) { loop { } }")],
        |settings| {
            settings.limits = ScriptLimits {
                operations: u64::MAX,
                deadline_ms: 600,
                queue_ms: 50,
                concurrent: 1,
                ..ScriptLimits::default()
            };
        },
    )
    .unwrap();
    let (one, other) = tokio::join!(create(&set, json!({})), create(&set, json!({})));
    let is_busy = |outcome: &Result<_, HookError>| matches!(outcome, Err(HookError::Busy));
    assert!(is_busy(&one) || is_busy(&other), "{one:?} {other:?}");
    // The script that got a slot ends too: by its deadline, or because a busy machine gave it no time.
    assert!(one.is_err() && other.is_err(), "{one:?} {other:?}");
}

#[tokio::test]
async fn an_answer_is_limited_in_size() {
    let grow = "let s = \"aaaaaaaa\"; for i in 0..12 { s += s; }";
    let modify = async |body: &str| {
        let world = hooked(Hook::ModifyReadResponse, &format!("{grow} {body}"));
        let response = object(json!({"client_id": "c"}));
        world
            .set
            .modify_response(
                Hook::ModifyReadResponse,
                response,
                facts(json!({})),
                Metadata::default(),
            )
            .await
    };
    assert!(
        modify("for i in 0..7 { response[`a${i}`] = s; } true")
            .await
            .is_ok()
    );
    for body in [
        "for i in 0..9 { response[`a${i}`] = s; } true",
        "let i = 0; loop { response[`a${i}`] = s; i += 1; }",
        "for i in 0..9 { response[`a${i}`] = s; response[`a${i}`] = (); } for i in 0..9 { response[`a${i}`] = s; } true",
    ] {
        let ended = modify(body).await.unwrap_err().to_string();
        assert!(
            ended.contains("scripts.limits.resultBytes"),
            "{body}: {ended}"
        );
    }
}

#[tokio::test]
async fn answers_and_log_lines_of_scripts_have_the_same_limit() {
    let ended = async |hook: Hook, body: &str| {
        let text = format!(
            "fn {}(context) {{ let s = \"\"; s.pad(2000, 'a'); {body} }}",
            hook.name()
        );
        let set = load(&[("10-a.rhai", &text)], |settings| {
            settings.limits.result_bytes = 1_000;
        })
        .unwrap();
        let (facts, client) = (facts(json!({})), Metadata::default());
        match hook {
            Hook::CreateClient => set
                .decide(hook, facts, client)
                .await
                .map(drop)
                .unwrap_err()
                .to_string(),
            _ => set
                .ask(hook, facts, client)
                .await
                .map(drop)
                .unwrap_err()
                .to_string(),
        }
    };
    for (hook, body) in [
        (
            Hook::CreateClient,
            "context.createWebApplicationException(400, #{ error: s }); true",
        ),
        (Hook::VerifyEvidence, "#{ a: s }"),
        (Hook::GetDcrJwks, "#{ keys: [s] }"),
    ] {
        let ended = ended(hook, body).await;
        assert!(
            ended.contains("scripts.limits.resultBytes"),
            "{body}: {ended}"
        );
    }
}
