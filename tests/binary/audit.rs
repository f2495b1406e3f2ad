//! The audit log as lines of the log of the server, and `registrar audit` with its conditions and its check.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests report problems by failing"
)]

use serde_json::{Value, json};

use crate::process::{Registrar, command, until};
use crate::remote::Ran;

const CLIENT: &str = "https://client.example.org/cb";

/// Returns the events of the audit log in the log of the server.
fn logged(registrar: &Registrar) -> Vec<Value> {
    let log = registrar.log();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let lines = lines.filter(|line| line["target"] == "registrar::audit");
    lines.map(|line| line["event"].clone()).collect()
}

/// Registers a client, and changes and deletes it.
async fn register_change_and_delete(registrar: &Registrar) -> String {
    let http = reqwest::Client::new();
    let body = json!({"redirect_uris": [CLIENT], "client_name": "First"});
    let created = http.post(registrar.url("/register")).json(&body).send();
    let client: Value = created.await.unwrap().json().await.unwrap();
    let uri = client["registration_client_uri"].as_str().unwrap();
    let token = client["registration_access_token"].as_str().unwrap();
    let body = json!({
        "client_id": client["client_id"], "redirect_uris": [CLIENT], "client_name": "Second",
        "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}, "token_endpoint_auth_method": "none",
    });
    let changed = http.put(uri).bearer_auth(token).json(&body).send();
    let changed = changed.await.unwrap();
    assert_eq!(changed.status(), 200, "{}", changed.text().await.unwrap());
    let changed: Value = changed.json().await.unwrap();
    let token = changed["registration_access_token"]
        .as_str()
        .unwrap_or(token);
    let deleted = http.delete(uri).bearer_auth(token).send();
    assert_eq!(deleted.await.unwrap().status(), 204);
    client["client_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_event_of_the_audit_log_is_a_line_of_the_log_whatever_its_level_is() {
    let registrar = Registrar::start_with(
        "[telemetry]\nauditLog = true\nlevel = \"error\"\nformat = \"json\"\n",
    );
    let id = register_change_and_delete(&registrar).await;
    let of_client = || {
        let mut events = logged(&registrar);
        events.retain(|event| event["subject"] == id.as_str());
        events
    };
    until(async || of_client().len() >= 3).await;
    let lines = of_client();
    let shown = registrar
        .cli(&["audit", "--subject", &id, "--format", "json"])
        .fine();
    let shown: Vec<Value> = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, shown, "the events are the same as in the API");
    let update = &lines[1]["details"];
    assert_eq!(update["before"]["client_name"], "First");
    assert_eq!(update["after"]["client_name"], "Second");
    let names = update["changed"].as_array().unwrap();
    assert!(names.contains(&json!("jwks")), "{update}");
    assert_eq!(
        update["after"]["jwks"],
        Value::Null,
        "its value is not shown"
    );
    assert_eq!(lines[2]["details"]["before"]["client_name"], "Second");
    let log = registrar.log();
    assert!(
        !log.contains("request answered"),
        "the level is error: {log}"
    );
}

#[tokio::test]
async fn events_are_no_lines_of_the_log_unless_they_are_wanted() {
    let registrar = Registrar::start();
    let id = register_change_and_delete(&registrar).await;
    let out = registrar
        .cli(&["audit", "--subject", &id, "--format", "json"])
        .fine();
    assert_eq!(out.lines().count(), 3);
    assert_eq!(logged(&registrar), [Value::Null; 0]);
}

#[tokio::test]
async fn the_command_selects_events() {
    let registrar = Registrar::start();
    let id = register_change_and_delete(&registrar).await;
    let count = |arguments: &[&str]| {
        let all = [&["audit", "--format", "json"], arguments].concat();
        registrar.cli(&all).fine().lines().count()
    };
    assert_eq!(count(&["--actor", &id]), 2);
    let both = "client_updated,client_deleted";
    assert_eq!(count(&["--action", both]), 2);
    assert_eq!(count(&["--action", both, "--since", "1h"]), 2);
    assert_eq!(
        count(&["--action", both, "--since", "2100-01-01T00:00:00Z"]),
        0
    );
    registrar
        .cli(&["audit", "--since", "yesterday"])
        .failed(2, &["expected a time such as"]);
    registrar
        .cli(&["audit", "--action", "client.update"])
        .failed(1, &["action is not an action of the audit log"]);
}

#[tokio::test]
async fn the_command_checks_the_digests_and_finds_a_noted_one() {
    let mut registrar = Registrar::start();
    register_change_and_delete(&registrar).await;
    let found = registrar
        .cli(&["audit", "verify", "--format", "json"])
        .json();
    assert_eq!(
        (&found["first"], &found["fault"]),
        (&json!(1), &Value::Null)
    );
    let noted = found["digest"].as_str().unwrap();
    let last = found["last"].as_u64().unwrap();
    register_change_and_delete(&registrar).await;
    registrar.terminate();
    let registrar = registrar.start_again();
    let said = registrar.cli(&["audit", "verify", "--from", noted]).fine();
    let noted_at = format!("the event at position {last} has the digest");
    assert!(
        said.contains("events verified, from position 1 to") && said.contains(&noted_at),
        "{said}"
    );
    registrar
        .cli(&["audit", "verify", "--from", &"0".repeat(64)])
        .failed(1, &["no event that is kept has the digest 000"]);
    registrar
        .cli(&["audit", "verify", "--after", "1000"])
        .failed(1, &["position 1000", "it is missing"]);
}

/// Returns the arguments that check the store of a server that has stopped.
fn offline<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["audit", "verify", "--data", data], more].concat()
}

#[tokio::test]
async fn the_digests_are_checked_without_a_server() {
    let mut registrar = Registrar::start();
    register_change_and_delete(&registrar).await;
    let data = registrar.folder().join("data");
    let data = data.to_str().unwrap().to_owned();
    Ran::of(&command(&offline(&data, &[])).output().unwrap())
        .failed(1, &["another registrar has the folder"]);
    let asked = registrar
        .cli(&["audit", "verify", "--format", "json"])
        .json();
    registrar.terminate();
    let json = ["--format", "json"];
    let found = Ran::of(&command(&offline(&data, &json)).output().unwrap()).json();
    assert_eq!(found, asked);
    let noted = found["digest"].as_str().unwrap();
    let said = Ran::of(
        &command(&offline(&data, &["--from", noted]))
            .output()
            .unwrap(),
    )
    .fine();
    assert!(
        said.contains("has the digest that was looked for"),
        "{said}"
    );
    let other = "0".repeat(64);
    Ran::of(
        &command(&offline(&data, &["--from", &other]))
            .output()
            .unwrap(),
    )
    .failed(1, &["no event that is kept has the digest 000"]);
    Ran::of(
        &command(&offline(&data, &["--from", "abc"]))
            .output()
            .unwrap(),
    )
    .failed(2, &["64 hexadecimal digits"]);
    Ran::of(&command(&offline("/nowhere", &[])).output().unwrap()).failed(1, &["no store in"]);
}

/// Checks the lines of a log, as a SIEM has them.
fn checked(lines: &[String]) -> Ran {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines.join("\n")).unwrap();
    let file = file.path().to_str().unwrap();
    Ran::of(
        &command(&["audit", "verify", "--file", file])
            .output()
            .unwrap(),
    )
}

/// Returns the index of the line with this action.
fn line_of(lines: &[String], action: &str) -> usize {
    let member = format!("\"action\":\"{action}\"");
    let found = lines.iter().position(|line| line.contains(&member));
    found.unwrap_or_else(|| panic!("no {action} in {lines:#?}"))
}

#[tokio::test]
async fn changed_removed_and_moved_lines_of_a_siem_are_found() {
    let registrar = Registrar::start_with("[telemetry]\nauditLog = true\nformat = \"json\"\n");
    register_change_and_delete(&registrar).await;
    until(async || logged(&registrar).len() >= 4).await;
    let log = registrar.log();
    let lines: Vec<String> = log.lines().map(str::to_owned).collect();
    let said = checked(&lines).fine();
    assert!(said.contains("verified, from position 1 to"), "{said}");
    let shown = registrar.cli(&["audit", "--format", "json"]).fine();
    let shown: Vec<String> = shown.lines().map(str::to_owned).collect();
    assert!(checked(&shown).fine().contains("from position 1 to"));
    // The same line twice is one event.
    let (update, delete) = (
        line_of(&lines, "client_updated"),
        line_of(&lines, "client_deleted"),
    );
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        checked(&lines)
    };
    with(&|lines| lines.insert(update, lines[update].clone())).fine();
    with(&|lines| lines[update] = lines[update].replace("Second", "Another"))
        .failed(1, &["its digest does not fit"]);
    with(&|lines| lines[update] = lines[update].replace("\"done\"", "\"refused\""))
        .failed(1, &["not an event as a server"]);
    with(&|lines| drop(lines.remove(update))).failed(1, &["it is missing"]);
    with(&|lines| lines.swap(update, delete)).failed(1, &["it is missing"]);
    // Whoever moves events gives them other positions.
    let position = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        format!("\"position\":{}", value["event"]["position"])
    };
    with(&|lines| {
        lines.swap(update, delete);
        let (first, second) = (position(&lines[update]), position(&lines[delete]));
        lines[update] = lines[update].replace(&first, &second);
        lines[delete] = lines[delete].replace(&second, &first);
    })
    .failed(1, &["its digest does not fit"]);
    // A file may begin anywhere.
    let said = checked(&lines[update..]).fine();
    assert!(said.contains("is the first one here"), "{said}");
    // journalctl writes something before each line.
    let prefixed = |line: &String| format!("Nov 30 12:00:00 host registrar[{{1}}]: {line}");
    let journal: Vec<String> = lines.iter().map(prefixed).collect();
    let said = checked(&journal).fine();
    assert!(said.contains("verified, from position 1 to"), "{said}");
    let changed = |line: &String| prefixed(line).replace("Second", "Another");
    let journal: Vec<String> = lines.iter().map(changed).collect();
    checked(&journal).failed(1, &["its digest does not fit"]);
    // Nothing that was verified is not a log that is fine.
    let nothing = "no event was verified";
    checked(&[]).failed(1, &[nothing, "0 lines without an event"]);
    let text = ["no event".to_owned(), "{}".to_owned()];
    checked(&text).failed(1, &[nothing, "2 lines without an event"]);
    let last = lines[delete].clone();
    checked(&[last]).failed(1, &[nothing, "only the event before it could confirm"]);
    let stripped = |line: &String| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        event.as_object_mut().unwrap().shift_remove("digest");
        event.to_string()
    };
    let stripped: Vec<String> = shown.iter().map(stripped).collect();
    let said = format!("{} events without a digest", stripped.len());
    checked(&stripped).failed(1, &[nothing, &said]);
}
