//! `registrar script test`: writes TAP (<https://testanything.org>) to standard output.

use std::sync::Arc;

use super::ScriptArguments;
use crate::script::testing::{Suite, Test, TestFailure};

pub(super) fn run(arguments: &ScriptArguments, filter: Option<&str>) -> Result<(), String> {
    let beginning = arguments.beginning()?;
    let folder = beginning.settings.directory.join("tests");
    let suite = Suite::load(beginning)
        .map_err(|errors| format!("the tests cannot be loaded:\n{errors}"))?;
    let suite = Arc::new(suite);
    let is_wanted = |test: &&Test| filter.is_none_or(|part| test.to_string().contains(part));
    let tests: Vec<&Test> = suite.tests().iter().filter(is_wanted).collect();
    match (tests.is_empty(), filter) {
        (false, _) => {}
        (true, Some(part)) => {
            return Err(format!(
                "no test in {} has '{part}' in its name",
                folder.display()
            ));
        }
        (true, None) => return Err(format!("{} has no fn test_*", folder.display())),
    }
    match super::runtime()?.block_on(run_all(&suite, &tests)) {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} tests failed", tests.len())),
    }
}

/// Runs the tests one after the other and returns the number of failures.
async fn run_all(suite: &Arc<Suite>, tests: &[&Test]) -> usize {
    say!("1..{}", tests.len());
    let mut failed = 0;
    for (number, test) in (1..).zip(tests) {
        match suite.run(test).await {
            Ok(()) => say!("ok {number} - {test}"),
            Err(failure) => {
                failed += 1;
                say!("not ok {number} - {test}\n{}", diagnostics(&failure));
            }
        }
    }
    failed
}

/// Formats a failure as TAP comments.
fn diagnostics(failure: &TestFailure) -> String {
    let mut lines: Vec<String> = failure
        .error
        .to_string()
        .lines()
        .map(str::to_owned)
        .collect();
    if failure.calls.contains(" > ") {
        lines.push(format!("called: {}", failure.calls));
    }
    lines.extend(failure.log.iter().map(|line| format!("log: {line}")));
    lines
        .iter()
        .map(|line| format!("# {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
