//! `registrar events compare`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::process::Registrar;
use crate::remote::Ran;

const TEMPLATE: &str = "[[exports]]\ntarget = \"keycloak\"\nroles = [\"reader\"]\n";

/// Returns the list of a connector.
fn list(lines: &[Value]) -> String {
    let is_client = |line: &&Value| line.get("client_id").is_some();
    let count = lines.iter().filter(is_client).count();
    let mut text = String::new();
    for line in lines.iter().chain([&json!({ "clients": count })]) {
        writeln!(text, "{line}").expect("a text");
    }
    text
}

/// Returns the client as a connector shows it.
fn listed(client: &Value) -> Value {
    json!({
        "client_id": client["client_id"], "redirect_uris": client["redirect_uris"],
        "grant_types": client["grant_types"], "exports": {"roles": ["reader"]},
    })
}

/// Returns the exit code, the findings and the summary.
fn compared(registrar: &Registrar, lines: &[Value], more: &[&str]) -> (i32, Vec<Value>, Value) {
    let arguments = ["events", "compare", "keycloak", "--format", "json"];
    let ran = registrar.cli_reading(&[&arguments, more].concat(), list(lines).as_bytes());
    let out = ran.out.lines();
    let mut found: Vec<Value> = out
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let summary = found.pop().unwrap_or_else(|| panic!("{}", ran.err));
    (ran.code.expect("a code"), found, summary)
}

#[tokio::test]
async fn equal_lists_have_no_difference() {
    let registrar = Registrar::start_with(TEMPLATE);
    let mut lines = Vec::new();
    // More than a page.
    for _ in 0..120 {
        lines.push(listed(&registrar.register(json!({})).await));
    }
    let summary = json!({"here": 120, "there": 120, "differences": 0});
    assert_eq!(compared(&registrar, &lines, &[]), (0, vec![], summary));
    // In a file, for people.
    let file = registrar.folder().join("list.ndjson");
    std::fs::write(&file, list(&lines)).expect("a file");
    let file = file.to_str().expect("a path");
    let table = registrar
        .cli(&["events", "compare", "keycloak", file])
        .fine();
    assert_eq!(table, "120 clients here, 120 there, 0 differences\n");
}

#[tokio::test]
async fn what_is_missing_surplus_or_different_there_is_listed() {
    let registrar = Registrar::start_with(TEMPLATE);
    let missing = registrar.register(json!({})).await;
    let mut changed = listed(&registrar.register(json!({})).await);
    let same = listed(&registrar.register(json!({})).await);
    let unsupported = registrar
        .register(json!({"token_endpoint_auth_method": "none"}))
        .await;
    changed["redirect_uris"] = json!(["https://elsewhere.example"]);
    changed["exports"] = json!({"roles": ["admin"]});
    let abilities = json!({"supports": {"token_endpoint_auth_method": ["client_secret_basic"]}});
    let lines = [
        abilities,
        changed.clone(),
        same,
        // A client that it should not have, and one that nobody knows here.
        listed(&unsupported),
        json!({"client_id": "~surplus"}),
        json!({"client_id": "~by-hand"}),
    ];
    let (code, mut found, summary) = compared(
        &registrar,
        &lines,
        &["--ignore", "~by-hand", "--ignore", "other"],
    );
    let mut expected = vec![
        json!({"client_id": missing["client_id"], "difference": "missing"}),
        json!({"client_id": changed["client_id"], "difference": "differs", "member": "redirect_uris",
            "here": ["https://client.example.org/cb"], "there": ["https://elsewhere.example"]}),
        json!({"client_id": changed["client_id"], "difference": "differs", "member": "exports.roles",
            "here": ["reader"], "there": ["admin"]}),
        json!({"client_id": unsupported["client_id"], "difference": "surplus"}),
        json!({"client_id": "~surplus", "difference": "surplus"}),
    ];
    // They are in the order of the identifiers, which are random.
    let id = |found: &Value| found["client_id"].as_str().map(str::to_owned);
    assert!(found.is_sorted_by_key(id), "{found:?}");
    for list in [&mut found, &mut expected] {
        list.sort_by_cached_key(|found| (id(found), found["member"].to_string()));
    }
    assert_eq!((code, found), (1, expected));
    assert_eq!(summary, json!({"here": 3, "there": 4, "differences": 5}));

    let ran = registrar.cli_reading(&["events", "compare", "keycloak"], list(&lines).as_bytes());
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let table: Vec<&str> = ran.out.lines().collect();
    assert!(table[0].starts_with("CLIENT_ID "), "{table:?}");
    assert_eq!(table.len(), 8, "{table:?}");
    assert_eq!(table[7], "3 clients here, 5 there, 6 differences");
    assert_eq!(ran.err, "");
}

#[tokio::test]
async fn a_comparison_that_is_not_possible_fails_with_another_code() {
    let registrar = Registrar::start();
    let compare = ["events", "compare", "keycloak"];
    for (input, said) in [
        ("", "standard input: the list is truncated"),
        ("{\"client_id\": \"a\"}\n", "the list is truncated"),
        ("x\n", "standard input:1: "),
    ] {
        registrar
            .cli_reading(&compare, input.as_bytes())
            .failed(2, &[said]);
    }
    // This is noticed during the comparison only.
    let twice = [json!({"client_id": "a"}), json!({"client_id": "a"})];
    let ran = registrar.cli_reading(&compare, list(&twice).as_bytes());
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("has the client a twice"), "{}", ran.err);
    registrar
        .cli(&["events", "compare", "keycloak", "/does/not/exist"])
        .failed(2, &["/does/not/exist cannot be read"]);
    registrar.cli(&["events", "compare"]).failed(2, &["TARGET"]);
    let nobody = crate::remote::write_credentials(
        registrar.folder(),
        &json!({"client_id": "nobody", "client_secret": "wrong"}),
    );
    let file = registrar.folder().join("list.ndjson");
    std::fs::write(&file, list(&[])).expect("a file");
    let server = registrar.url("");
    let connection = ["--server", &server, "--credentials", &nobody];
    let file = [
        "events",
        "compare",
        "keycloak",
        file.to_str().expect("a path"),
    ];
    let output = crate::process::command(&[&file[..], &connection].concat()).output();
    let ran = Ran::of(&output.expect("it runs"));
    ran.failed(2, &["rejected the credentials"]);
}
