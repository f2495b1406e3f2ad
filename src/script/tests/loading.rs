use serde_json::json;

use super::{create, load};
use crate::script::Hook;

#[test]
fn a_script_that_cannot_be_loaded_is_named_with_the_position() {
    let check = |files: &[(&str, &str)], expected: &str| {
        let errors = load(files, |_| {}).unwrap_err();
        assert!(
            errors.contains(expected),
            "{errors}\ndoes not contain\n{expected}"
        );
    };
    check(
        &[("10-a.rhai", "fn createClient(context) {\n    let x = ;\n}")],
        "10-a.rhai:2:13: ",
    );
    check(
        &[("10-a.rhai", "fn createClient(context) {\n    let x = ;\n}")],
        "\n        let x = ;\n                ^",
    );
    check(
        &[("10-a.rhai", "\nfn createClient(a, b) { true }")],
        "10-a.rhai:2:1: wrong number of parameters; the hook is createClient(context)",
    );
    check(
        &[("10-a.rhai", "import \"../x\" as x;")],
        "10-a.rhai:1:8: '../x' cannot be imported",
    );
    check(
        &[("10-a.rhai", "import \"/etc/passwd\" as x;")],
        "cannot be imported",
    );
    check(
        &[("10-a.rhai", "fn createClient(context) { eval(\"1\") }")],
        "10-a.rhai:1:",
    );
    check(
        &[("10-a.rhai", "fn createClient(context) { unknown_variable }")],
        "10-a.rhai:1:",
    );
    check(&[("10-a.rhai", "throw \"at the top\"")], "at the top");
    check(&[("10-a.rhai", "loop {}")], "operations");
    check(&[("10-a.rhai", "")], "10-a.rhai: the file is empty");
    check(
        &[("10-a.rhai", "fn f() {}"), ("lib/a.rhai", "\n ")],
        "lib/a.rhai: the file is empty",
    );
    check(
        &[
            ("10-a.rhai", "import \"lib/a\" as a;"),
            ("lib/a.rhai", "import \"lib/a\" as b;"),
        ],
        "imports itself",
    );
    check(
        &[("10-a.rhai", "fn f( {"), ("20-b.rhai", "fn g( {")],
        "20-b.rhai:1:",
    );
    assert!(
        load(&[], |settings| settings.directory = "does/not/exist".into())
            .unwrap_err()
            .contains("folder not found")
    );
}

#[test]
fn a_misspelled_hook_stops_the_load_unless_something_calls_it() {
    for (name, hook) in [
        ("createCleint", "createClient"),
        ("create_client", "createClient"),
        ("clientUpdate", "clientUpdated"),
        ("modifyPostRespone", "modifyPostResponse"),
    ] {
        let text = format!("fn helper() {{ 1 }}\nfn {name}(context) {{ true }}");
        let said = load(&[("10-a.rhai", &text)], |_| {}).unwrap_err();
        let expected = format!(
            "10-a.rhai:2:1: the function {name} is never called; did you mean the hook {hook}?"
        );
        assert!(said.starts_with(&expected), "{said}");
        for call in [
            format!("{name}(context)"),
            format!("context.{name}()"),
            format!("Fn(\"{name}\").call(context)"),
        ] {
            let text = format!("{text}\nfn deleteClient(context) {{ {call} }}");
            load(&[("10-a.rhai", &text)], |_| {}).unwrap();
        }
    }
    let library = "fn createClients(context) { true }";
    load(&[("lib/a.rhai", library)], |_| {}).unwrap();
}

#[test]
fn several_unreadable_scripts_are_reported_in_the_order_of_their_names() {
    let names: Vec<String> = (10..40)
        .map(|number| format!("{number}-a.rhai"))
        .chain((10..20).map(|number| format!("lib/{number}.rhai")))
        .collect();
    // Written in reverse, since some file systems list files as they were made.
    let files: Vec<(&str, &str)> = names.iter().rev().map(|name| (&**name, "")).collect();
    let errors = load(&files, |_| {}).unwrap_err();
    let files: Vec<&str> = errors
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(file, _)| file)
        .collect();
    assert_eq!(files, names);
}

#[tokio::test]
async fn the_top_level_runs_once_and_its_constants_are_kept() {
    let script = "const LIMIT = 3;\nlet token = crypto::random_token(16);\nexport token as token;\nfn createClient(context) { context.client.client_name = `${global::LIMIT}`; true }";
    let set = load(
        &[
            ("10-a.rhai", script),
            ("tests/ignored.rhai", "this does not compile"),
        ],
        |_| {},
    )
    .unwrap();
    assert_eq!(
        create(&set, json!({}))
            .await
            .unwrap()
            .client
            .text("client_name"),
        Some("3")
    );
}

#[test]
fn the_shipped_scripts_load() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let set = load(&[], |settings| settings.directory = directory).unwrap();
    assert!(set.has(Hook::CreateClient));
}
