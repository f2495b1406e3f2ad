//! `registrar script` as an operator calls it.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::command;

fn script(arguments: &[&str]) -> Output {
    let arguments: Vec<&str> = ["script"].iter().chain(arguments).copied().collect();
    command(&arguments).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn folder(files: &[(&str, &str)]) -> (TempDir, String) {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("its folder");
        std::fs::write(path, text).expect("the file is written");
    }
    let path = folder.path().to_str().expect("a path").to_owned();
    (folder, path)
}

/// Returns the shipped scripts and every example.
fn shipped() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(root.join("examples/scripts")).expect("there are examples");
    let examples = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir());
    std::iter::once(root.join("scripts"))
        .chain(examples)
        .collect()
}

#[test]
fn all_shipped_scripts_pass_their_tests() {
    let folders = shipped();
    assert!(folders.len() >= 10, "{folders:?}");
    let readme =
        std::fs::read_to_string("examples/scripts/README.md").expect("the examples have a README");
    for folder in folders {
        let path = folder.to_str().expect("a path");
        let name = folder.file_name().expect("a name").to_string_lossy();
        assert!(
            name == "scripts" || readme.contains(&format!("]({name})")),
            "{name} is missing from the README"
        );
        let checked = script(&["check", "--strict", "--scripts", path]);
        assert!(
            checked.status.success(),
            "{path}: {}",
            text(&checked.stderr)
        );
        let tested = script(&["test", "--scripts", path]);
        let output = text(&tested.stdout);
        assert!(
            tested.status.success(),
            "{path}:\n{output}{}",
            text(&tested.stderr)
        );
        assert!(
            output
                .lines()
                .filter(|line| line.starts_with("ok "))
                .count()
                >= 2,
            "{path}: {output}"
        );
    }
}

const SCRIPT: &str = "fn createClient(context) {\n    context.client.scope = \"openid\";\n    log::info(\"seen\");\n    context.client.client_name != \"bad\"\n}\n";

#[test]
fn a_failing_test_exits_with_1_and_names_its_line() {
    let tests = "fn test_good() { assert(true); }\nfn test_bad() {\n    assert_eq(1, 2);\n}\n";
    let (_folder, path) = folder(&[("10-a.rhai", SCRIPT), ("tests/a.rhai", tests)]);
    let output = script(&["test", "--scripts", &path]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "1..2\nok 1 - a.rhai::test_good\nnot ok 2 - a.rhai::test_bad\n\
        # tests/a.rhai:3:5: the two values are not equal\n# left:  1\n# right: 2\n#         assert_eq(1, 2);\n#         ^\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(text(&output.stderr), "registrar: 1 of 2 tests failed\n");
    assert!(
        script(&["test", "--scripts", &path, "good"])
            .status
            .success()
    );
    let none = script(&["test", "--scripts", &path, "godo"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("'godo'"));
}

#[test]
fn scripts_and_schemas_are_shown_as_yaml_too() {
    let (_folder, path) = folder(&[("10-a.rhai", SCRIPT)]);
    let yaml = text(&script(&["check", "--scripts", &path, "--format", "yaml"]).stdout);
    assert!(
        yaml.starts_with("- name: 10-a.rhai\n") && yaml.contains("  - createClient\n"),
        "{yaml}"
    );
    let schema = |more: &[&str]| {
        let output = command(&[&["schema", "Client"], more].concat()).output();
        text(&output.expect("the binary runs").stdout)
    };
    let json: Value = serde_json::from_str(&schema(&[])).expect("JSON");
    let kind = json["type"].as_str().expect("a type");
    let yaml = schema(&["--format", "yaml"]);
    assert!(yaml.contains(&format!("type: {kind}\n")), "{yaml}");
}

#[test]
fn a_folder_without_tests_does_not_pass() {
    let (_folder, path) = folder(&[("10-a.rhai", SCRIPT)]);
    let output = script(&["test", "--scripts", &path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("has no fn test_*"));
}

#[test]
fn a_call_shows_the_changes_and_the_operations() {
    let (_folder, path) = folder(&[
        ("s/10-a.rhai", SCRIPT),
        ("request.json", "{\"client_name\": \"K\", \"scope\": \"a\"}"),
    ]);
    let (scripts, request) = (format!("{path}/s"), format!("{path}/request.json"));
    let call = |more: &[&str]| {
        let arguments = [
            "call",
            "createClient",
            "--scripts",
            &scripts,
            "--request",
            &request,
        ];
        script(&arguments.iter().chain(more).copied().collect::<Vec<_>>())
    };
    let output = text(&call(&[]).stdout);
    assert!(
        output.starts_with("createClient: passed\n  - scope: \"a\"\n  + scope: \"openid\"\n"),
        "{output}"
    );
    assert!(
        output.contains("  log: info: seen\n") && output.contains(" operations, "),
        "{output}"
    );
    let json: Value = serde_json::from_slice(&call(&["--format", "json"]).stdout).expect("JSON");
    assert_eq!(
        (&json["outcome"], &json["client"]["scope"]),
        (&"passed".into(), &"openid".into())
    );
    let yaml = text(&call(&["--format", "yaml"]).stdout);
    assert!(
        yaml.contains("outcome: passed\n") && yaml.contains("  scope: openid\n"),
        "{yaml}"
    );
    // What earlier versions called it.
    assert!(text(&call(&["--format", "text"]).stdout).starts_with("createClient: passed\n"));
    assert!(
        json["operations"].as_u64() > Some(5) && json["microseconds"].as_u64() > Some(0),
        "{json}"
    );
    std::fs::write(
        &request,
        "{\"request\": {\"client_name\": \"bad\"}, \"trustLevel\": \"token\"}",
    )
    .expect("a request");
    let refused = call(&[]);
    assert!(refused.status.success());
    assert!(text(&refused.stdout).starts_with("createClient: refused by 10-a.rhai: 400\n"));
    std::fs::write(&request, "{\"request\": {}, \"trustLevl\": \"token\"}").expect("a request");
    assert!(text(&call(&[]).stderr).contains("unknown field `trustLevl`"));
}

#[test]
fn a_fault_of_a_call_is_shown_with_its_line_if_it_has_one() {
    let (_folder, path) = folder(&[("s/10-a.rhai", ""), ("request.json", "{}")]);
    let (scripts, request) = (format!("{path}/s"), format!("{path}/request.json"));
    for (body, expected) in [
        (
            "",
            "10-a.rhai:1:1: createClient must return true or false, not (): end the hook with `true`",
        ),
        (
            "loop { }",
            "10-a.rhai:1:1: Too many operations (scripts.limits.operations)",
        ),
        (
            "throw #{ status: 403 }",
            "10-a.rhai:1:28: a thrown map needs `error`",
        ),
    ] {
        std::fs::write(
            format!("{scripts}/10-a.rhai"),
            format!("fn createClient(context) {{ {body} }}"),
        )
        .expect("a script");
        let output = script(&[
            "call",
            "createClient",
            "--scripts",
            &scripts,
            "--request",
            &request,
        ]);
        assert_eq!(output.status.code(), Some(1));
        let shown = text(&output.stdout);
        let start = format!("createClient: failed by 10-a.rhai: 500\n  {expected}\n");
        assert!(shown.starts_with(&start), "{shown}");
    }
}

#[test]
fn check_shows_hooks_and_warnings_or_the_invalid_line() {
    let (_folder, path) = folder(&[
        ("10-a.rhai", SCRIPT),
        ("20-bb.rhai", "fn update(context) { true }"),
        ("30-c.rhai.txt", SCRIPT),
    ]);
    let output = text(&script(&["check", "--scripts", &path]).stdout);
    assert!(
        output
            .starts_with("SCRIPT         HOOKS\n10-a.rhai      createClient\n20-bb.rhai     none")
            && output.contains("\n30-c.rhai.txt  ignored\n"),
        "{output}"
    );
    for warning in [
        "warning: the script has no hook, so it is never called; add one, such as `fn createClient(context) { true }`, or \
         move what other scripts use to lib/ (20-bb.rhai, line 1, column 1)\n",
        "rename it to 30-c.rhai (30-c.rhai.txt)\n",
    ] {
        assert!(output.contains(warning), "{output}");
    }
    let json = script(&["check", "--scripts", &path, "--format", "json"]).stdout;
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json[0]["hooks"], serde_json::json!(["createClient"]));
    assert_eq!(json[2]["findings"][0]["severity"], "warning");
    let misspelled = "fn createClinet(context) { true }";
    std::fs::write(format!("{path}/20-bb.rhai"), misspelled).expect("a script");
    let wrong = script(&["check", "--scripts", &path]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("20-bb.rhai:1:1: the function createClinet is never called; did you mean the hook createClient?"));
    std::fs::write(format!("{path}/20-bb.rhai"), "fn f() {\n    let x = ;\n}").expect("a script");
    let wrong = script(&["check", "--scripts", &path]);
    assert_eq!(wrong.status.code(), Some(1));
    let message = text(&wrong.stderr);
    assert!(
        message.contains("20-bb.rhai:2:13: ") && message.contains("\n        let x = ;\n"),
        "{message}"
    );
}

#[test]
fn check_works_without_a_configuration_and_without_the_secrets() {
    let (_folder, path) = folder(&[
        (
            "s/10-a.rhai",
            "const KEY = secrets::get(\"verifier\");\nfn deleteClient(context) { secrets::get(\"verfier\") == \"\" }",
        ),
        ("s/20-b.rhai", "fn clientDeleted(context) { }"),
        (
            "c.toml",
            "[scripts.secrets]\nverifier = { env = \"REGISTRAR_TESTS_HAVE_NO_SUCH_VARIABLE\" }\n",
        ),
    ]);
    let check = |arguments: &[&str]| {
        let mut check = command(&["script", "check"]);
        check
            .current_dir(&path)
            .args(arguments)
            .output()
            .expect("the binary runs")
    };
    let output = check(&["--scripts", "s", "--config", "c.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    for part in [
        "warning: scripts.secrets.verifier: the environment variable REGISTRAR_TESTS_HAVE_NO_SUCH_VARIABLE is not set",
        "error: 10-a.rhai:2:41: [scripts.secrets] has no secret 'verfier'; did you mean 'verifier'?",
    ] {
        assert!(message.contains(part), "{message}");
    }
    std::fs::remove_file(format!("{path}/s/10-a.rhai")).expect("a script");
    let output = check(&["--scripts", "s"]);
    let message = text(&output.stderr);
    assert!(output.status.success(), "{message}");
    assert!(
        message.contains("config/registrar.toml not found; using the defaults"),
        "{message}"
    );
    let message = text(&check(&["--scripts", "s/20-b.rhai"]).stderr);
    assert!(
        message.contains("s/20-b.rhai: this is a file; name the folder with the scripts"),
        "{message}"
    );
    // Without a folder, nobody has said what is to be checked.
    assert_eq!(check(&[]).status.code(), Some(1));
}

const MISTAKES: &str = "import \"lib/names\" as names;\nfn createClient(context) {\n    if context.client.redirect_uri == () {\n        return names::hots(\"x\") == \"y\";\n    }\n    print(context.client);\n    true\n}\n";

#[test]
fn check_finds_mistakes_and_strict_fails_for_warnings() {
    let (_folder, path) = folder(&[
        ("10-a.rhai", MISTAKES),
        ("lib/names.rhai", "fn host(uri) { uri::parse(uri).host }"),
    ]);
    let output = script(&["check", "--scripts", &path]);
    assert_eq!(output.status.code(), Some(1));
    let (shown, message) = (text(&output.stdout), text(&output.stderr));
    assert!(
        message.contains("2 errors:\nerror: 10-a.rhai:3:23: unknown metadata 'redirect_uri'; did you mean 'redirect_uris'?\n        if context.client.redirect_uri == () {\n                          ^\n"),
        "{message}"
    );
    assert!(
        message.contains(
            "error: 10-a.rhai:4:23: lib/names.rhai has no function hots; did you mean host?"
        ),
        "{message}"
    );
    assert!(!message.contains("warning"), "{message}");
    for warning in [
        "createClient has no matching updateClient",
        "`print` writes the whole of a client",
    ] {
        assert!(shown.contains(&format!("  warning: {warning}")), "{shown}");
    }
    let json = script(&["check", "--scripts", &path, "--format", "json"]);
    assert_eq!(json.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let findings = json[0]["findings"].as_array().expect("findings");
    let severities: Vec<_> = findings.iter().map(|found| &found["severity"]).collect();
    assert_eq!(severities, ["warning", "error", "error", "warning"]);
    assert_eq!(
        (&findings[1]["line"], &findings[1]["column"]),
        (&3.into(), &23.into())
    );
    let fixed = MISTAKES
        .replace("redirect_uri ", "redirect_uris ")
        .replace("hots", "host");
    std::fs::write(format!("{path}/10-a.rhai"), fixed).expect("a script");
    assert!(script(&["check", "--scripts", &path]).status.success());
    let strict = script(&["check", "--strict", "--scripts", &path]);
    assert_eq!(strict.status.code(), Some(1));
    let message = text(&strict.stderr);
    assert!(
        message.contains("2 warnings:\nwarning: 10-a.rhai:2:1: createClient has no matching"),
        "{message}"
    );
}

#[test]
fn a_configuration_whose_scripts_have_mistakes_is_invalid() {
    let (_folder, path) = folder(&[
        ("scripts/10-a.rhai", MISTAKES),
        (
            "scripts/lib/names.rhai",
            "fn hots(uri) { uri::parse(uri).host }",
        ),
        ("registrar.toml", ""),
    ]);
    let configuration = |more: &str| {
        let text = format!("[scripts]\ndirectory = \"{path}/scripts\"\n{more}");
        std::fs::write(format!("{path}/registrar.toml"), text).expect("a configuration");
        let file = format!("{path}/registrar.toml");
        command(&["check", "--config", &file])
            .output()
            .expect("the binary runs")
    };
    let output = configuration("");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("unknown metadata 'redirect_uri'"),
        "{}",
        text(&output.stderr)
    );
    let output =
        configuration("[registration]\ndynamicRegistrationCustomAttributes = [\"redirect_uri\"]\n");
    assert!(
        output.status.success(),
        "a custom member is known: {}",
        text(&output.stderr)
    );
}

#[test]
fn definitions_are_written_as_one_file_per_module() {
    let (_folder, path) = folder(&[]);
    let output = format!("{path}/.rhai/definitions");
    assert!(
        script(&["definitions", "--output", &output])
            .status
            .success()
    );
    let jwt = std::fs::read_to_string(format!("{output}/jwt.d.rhai")).expect("the file of jwt");
    assert!(
        jwt.starts_with("module jwt;\n\n/// ")
            && jwt.contains("\nfn verify(token: String, jwks: ?, expected: Map) -> Map;\n")
    );
    assert_eq!(
        script(&["definitions", "--output", "/dev/null/x"])
            .status
            .code(),
        Some(1)
    );
}
