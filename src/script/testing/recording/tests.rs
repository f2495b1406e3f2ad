use std::sync::Arc;

use tempfile::TempDir;

use super::super::{FileCoverage, FunctionProfile, Given, Suite, World, WorldSettings, hook};
use super::Recorder;
use crate::config::ScriptSettings;
use crate::script::load;

const SCRIPT: &str = r#"import "lib/names" as names;
const WORD = names::word();

fn createClient(context) {
    let kept = context.client.contacts.filter(|item| item != "bad");
    if kept.is_empty() {
        log::info("nothing");
        return false;
    }
    let word = switch context.client.client_name {
        "a" => "one",
        "b" => helper(2),
        _ => "many"
    };
    for item in kept {
        names::each(kept, |name| {
            log::info(`${name} ${word}`);
        });
    }
    true
}

fn helper(number) {
    number + 1
}

fn clientCreated(context) {
    log::info(global::WORD);
}
"#;
const LIBRARY: &str = r#"fn word() { "x" }
fn each(list, work) {
    for item in list {
        work.call(item);
    }
}
fn unused() {
    throw "no";
}
"#;
const A: &str = r#"fn test_a() { assert_eq(run("createClient", #{ request: #{ contacts: ["x", "bad", "y"], client_name: "a" } }).outcome, "passed"); }
"#;
const B: &str = r#"fn test_b() { assert_eq(run("createClient", #{ request: #{ contacts: ["x"], client_name: "b" } }).outcome, "passed"); }
"#;
const CREATED: &str = r#"fn test_created() { run("clientCreated"); }
"#;

fn settings(script: &str, tests: &str) -> (TempDir, WorldSettings) {
    let folder = TempDir::new().unwrap();
    for (name, text) in [
        ("10-a.rhai", script),
        ("lib/names.rhai", LIBRARY),
        ("tests/all.rhai", tests),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let settings = ScriptSettings {
        directory: folder.path().to_owned(),
        ..ScriptSettings::default()
    };
    let beginning = WorldSettings {
        settings,
        custom: Vec::new(),
    };
    (folder, beginning)
}

/// Runs `tests`, which may fail, and returns the suite with what it has recorded.
async fn recorded(script: &str, tests: &str) -> Arc<Suite> {
    let (_folder, beginning) = settings(script, tests);
    let mut suite = Suite::load(beginning).unwrap();
    suite.record();
    let suite = Arc::new(suite);
    for test in suite.tests() {
        drop(suite.run(test).await);
    }
    suite
}

/// Runs tests that must pass.
async fn passed(script: &str, tests: &str) -> Arc<Suite> {
    let (_folder, beginning) = settings(script, tests);
    let mut suite = Suite::load(beginning).unwrap();
    suite.record();
    let suite = Arc::new(suite);
    for test in suite.tests() {
        let done = suite.run(test).await;
        assert!(done.is_ok(), "{test}: {done:?}");
    }
    suite
}

fn of_file(suite: &Suite, file: &str) -> FileCoverage {
    let mut coverage = suite.coverage().into_iter();
    coverage.find(|coverage| coverage.file == file).unwrap()
}

fn function(suite: &Suite, file: &str, line: usize) -> FunctionProfile {
    let functions = suite.profile().functions.into_iter();
    let mut found: Vec<FunctionProfile> = functions
        .filter(|function| function.file == file && function.line == Some(line))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[tokio::test]
async fn the_lines_of_scripts_libraries_and_closures_are_counted() {
    let suite = passed(SCRIPT, A).await;
    let script = of_file(&suite, "10-a.rhai");
    assert_eq!(script.missed(), [7..=8, 12..=13, 24..=28]);
    // The lines of `filter`, of the case that ran, and of the closure that the library called.
    let times: Vec<u64> = [5, 11, 17, 20].map(|line| script.lines[&line]).into();
    assert_eq!(times, [3, 1, 4, 1]);
    let library = of_file(&suite, "lib/names.rhai");
    assert_eq!(library.missed(), [8..=8]);
    assert_eq!(library.lines[&4], 4);
    let files: Vec<String> = suite.coverage().into_iter().map(|of| of.file).collect();
    assert_eq!(
        files,
        ["10-a.rhai", "lib/names.rhai"],
        "tests are not reported"
    );
}

#[tokio::test]
async fn all_tests_are_counted_together() {
    let suite = passed(SCRIPT, &format!("{A}{B}{CREATED}")).await;
    let script = of_file(&suite, "10-a.rhai");
    assert_eq!(script.missed(), [7..=8, 13..=13]);
    assert_eq!(script.lines[&20], 2);
    assert_eq!(script.covered() + 3, script.lines.len());
}

#[tokio::test]
async fn a_file_that_no_test_uses_has_no_line_that_ran() {
    let suite = passed("fn createClient(context) { true }\n", "fn test_it() { }").await;
    for coverage in suite.coverage() {
        assert_eq!(coverage.covered(), 0, "{coverage:?}");
        assert!(!coverage.lines.is_empty());
    }
    assert!(suite.profile().functions.is_empty());
}

#[tokio::test]
async fn operations_belong_to_the_function_that_used_them() {
    let suite = passed(SCRIPT, A).await;
    let hook = function(&suite, "10-a.rhai", 4);
    let each = function(&suite, "lib/names.rhai", 2);
    let closure = function(&suite, "10-a.rhai", 16);
    let filter = function(&suite, "10-a.rhai", 5);
    assert_eq!(hook.name.as_deref(), Some("createClient"));
    let calls = [&hook, &each, &closure, &filter].map(|function| function.calls);
    assert_eq!(calls, [1, 2, 4, 3]);
    assert_eq!(closure.own, closure.total);
    assert_eq!(each.total, each.own + closure.own);
    assert_eq!(hook.total, hook.own + each.total + filter.total);
    let profile = suite.profile();
    assert_eq!(profile.host_calls["log::info"], 4);
    assert_eq!(profile.host_calls.len(), 1, "a library is no host module");
    assert!(
        profile
            .functions
            .is_sorted_by(|one, next| one.own >= next.own)
    );
}

#[tokio::test]
async fn a_function_that_calls_itself_or_fails_is_counted_once() {
    let script = "fn createClient(context) {
    try { down(5); } catch { }
    let unset;
    down(3);
}
fn down(n) {
    if n == 0 { throw 1; }
    down(n - 1);
}
";
    let suite = recorded(script, "fn test_it() { run(\"createClient\"); }").await;
    let (hook, down) = (
        function(&suite, "10-a.rhai", 1),
        function(&suite, "10-a.rhai", 6),
    );
    assert_eq!((hook.calls, down.calls), (1, 10));
    assert_eq!(down.total, down.own);
    assert_eq!(hook.total, hook.own + down.own);
    let lines: Vec<(usize, u64)> = of_file(&suite, "10-a.rhai").lines.into_iter().collect();
    assert_eq!(lines, [(2, 1), (3, 1), (4, 1), (7, 10), (8, 8)]);
}

#[tokio::test]
async fn recording_changes_neither_the_result_nor_the_operations() {
    let (folder, beginning) = settings(SCRIPT, A);
    let texts = load::read(folder.path()).unwrap();
    let mut trials = Vec::new();
    for recorder in [None, Some(Arc::new(Recorder::default()))] {
        let world = World::recorded(&beginning, recorder);
        let given: Given = serde_json::from_value(serde_json::json!({
            "request": { "contacts": ["x", "y"], "client_name": "b" }
        }))
        .unwrap();
        let called = hook("createClient").unwrap();
        let mut trial = world.call(&texts, None, called, given).await.unwrap();
        assert!(trial.operations > 0);
        trial.microseconds = 0;
        trials.push(trial);
    }
    assert_eq!(trials[0], trials[1]);
}

#[tokio::test]
async fn a_script_cannot_read_its_calls() {
    let (folder, beginning) = settings("fn createClient(context) { back_trace(); true }\n", A);
    let texts = load::read(folder.path()).unwrap();
    for recorder in [None, Some(Arc::new(Recorder::default()))] {
        let world = World::recorded(&beginning, recorder);
        let called = hook("createClient").unwrap();
        let trial = world.call(&texts, None, called, Given::default()).await;
        let message = trial.unwrap().message.unwrap();
        assert!(message.contains("cannot read its calls"), "{message}");
    }
}
