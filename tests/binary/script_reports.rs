//! `registrar script test --coverage` and `--profile`, as an operator calls them.

use std::process::Output;

use tempfile::TempDir;

use crate::process::command;

const SCRIPT: &str = r#"import "lib/names" as names;
fn createClient(context) {
    if !names::is_good(context.client.client_name) {
        log::info("bad");
        return false;
    }
    true
}
"#;
const LIBRARY: &str = r#"fn is_good(name) {
    name != "bad"
}
fn unused() {
    throw "no";
}
"#;
const TESTS: &str = r#"fn test_good() { assert_eq(run("createClient", #{ request: #{ client_name: "K" } }).outcome, "passed"); }
fn test_fails() {
    assert(run("createClient").outcome == "refused");
}
"#;

/// Runs `registrar script test` with scripts in a folder of their own. `FOLDER` in an argument is that folder.
fn tested(arguments: &[&str]) -> (TempDir, Output) {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, text) in [
        ("10-a.rhai", SCRIPT),
        ("lib/names.rhai", LIBRARY),
        ("tests/a.rhai", TESTS),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("its folder");
        std::fs::write(path, text).expect("the file is written");
    }
    let path = folder.path().to_str().expect("a path");
    let mut all = ["script", "test", "--scripts", path]
        .map(str::to_owned)
        .to_vec();
    for argument in arguments {
        all.push(argument.replace("FOLDER", path));
    }
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let output = command(&all).output().expect("the binary runs");
    (folder, output)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_coverage_lists_the_lines_that_did_not_run() {
    let (_folder, output) = tested(&["--coverage", "good"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let expected = "1..1
ok 1 - a.rhai::test_good
# COVERAGE        LINES  COVERED        %  NOT RUN
# 10-a.rhai           5        3     60.0  4-5
# lib/names.rhai      2        1     50.0  5
# total               7        4     57.1
";
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn the_coverage_is_written_for_editors_also_when_a_test_fails() {
    let (folder, output) = tested(&["--coverage-file", "FOLDER/lcov.info"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "registrar: 1 of 2 tests failed\n");
    assert!(!text(&output.stdout).contains("COVERAGE"));
    let lcov = std::fs::read_to_string(folder.path().join("lcov.info")).expect("the file");
    let expected = "TN:\nSF:FOLDER/10-a.rhai\nDA:1,2\nDA:3,2\nDA:4,0\nDA:5,0\nDA:7,2\nLF:5\nLH:3\nend_of_record\n\
        TN:\nSF:FOLDER/lib/names.rhai\nDA:2,2\nDA:5,0\nLF:2\nLH:1\nend_of_record\n";
    let path = folder.path().to_str().expect("a path");
    assert_eq!(lcov, expected.replace("FOLDER", path));
}

#[test]
fn a_coverage_file_that_cannot_be_written_is_an_error() {
    let (_folder, output) = tested(&["--coverage-file", "FOLDER/missing/lcov.info", "good"]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(
        message.contains("missing/lcov.info cannot be written: "),
        "{message}"
    );
}

#[test]
fn the_profile_lists_the_operations_of_each_function() {
    let (_folder, output) = tested(&["--profile", "good"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = text(&output.stdout);
    let mut functions = Vec::new();
    for line in output.lines().skip(3) {
        let mut words = line.split_whitespace().skip(1);
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
        let (own, total, calls) = (number(), number(), number());
        assert!(own > Some(0) && total >= own, "{output}");
        functions.push((calls, words.skip(1).collect::<Vec<_>>().join(" ")));
    }
    functions.sort();
    let expected = [
        "createClient (10-a.rhai:2)",
        "is_good (lib/names.rhai:1)",
        "top level (10-a.rhai)",
    ];
    assert_eq!(
        functions,
        expected.map(|function| (Some(1), function.to_owned()))
    );
}
