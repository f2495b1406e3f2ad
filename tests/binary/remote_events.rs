//! `registrar events`.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::Registrar;

/// A registrar with a hook that fails for clients named `stuck`, and is attempted once.
fn with_hook() -> Registrar {
    let configuration = "[scripts]\nretryPausesMs = []\n";
    Registrar::start_prepared(configuration, |command| {
        let folder = command
            .get_args()
            .skip_while(|argument| *argument != "--data")
            .nth(1);
        let folder = std::path::Path::new(folder.expect("a folder"))
            .parent()
            .expect("its parent");
        let scripts = folder.join("scripts");
        std::fs::create_dir(&scripts).expect("a folder");
        let script = "fn clientCreated(context) {
            if context.client.client_name == \"stuck\" { throw \"the other system is down\" }
        }";
        std::fs::write(scripts.join("10-a.rhai"), script).expect("a script");
        command.arg("--scripts").arg(scripts);
    })
}

/// Returns the output of a command in JSON lines.
fn lines(registrar: &Registrar, arguments: &[&str]) -> Vec<Value> {
    let out = registrar
        .cli(&[arguments, &["--format", "json"]].concat())
        .fine();
    let parsed = out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    parsed.collect()
}

/// Waits until the consumer `hooks` has this member.
fn until(registrar: &Registrar, name: &str, value: u64) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let consumers = registrar
            .cli(&["events", "consumers", "--format", "json"])
            .json();
        let hooks = consumers.get(0).and_then(|hooks| hooks.get(name));
        if hooks.is_some_and(|count| *count == value) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{name} is not {value}: {consumers}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test]
async fn events_are_listed() {
    let registrar = Registrar::start();
    assert_eq!(
        registrar
            .cli(&["events", "list", "--format", "json"])
            .fine(),
        ""
    );
    let client = registrar.register(json!({})).await;
    let id = client["client_id"].as_str().unwrap();
    registrar.cli(&["clients", "delete", id]).fine();
    let events = lines(&registrar, &["events", "list"]);
    let types: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["client.created", "client.deleted"]);
    assert_eq!(
        lines(&registrar, &["events", "list", "--after", "1"]),
        events[1..]
    );
    assert_eq!(
        lines(&registrar, &["events", "list", "--limit", "1"]),
        events[..1]
    );
    let table = registrar.cli(&["events", "list"]).fine();
    let table: Vec<&str> = table.lines().collect();
    assert_eq!(table.len(), 3, "{table:?}");
    assert!(table[0].starts_with("POSITION  TIME"), "{table:?}");
    assert!(
        table[2].contains("client.deleted") && table[2].contains(id),
        "{table:?}"
    );
    assert!(table[2].ends_with("administrator"), "{table:?}");
    registrar
        .cli(&["events", "list", "--after", "9"])
        .failed(1, &["events_gone", "Registrar-Position"]);
}

/// `registrar events follow`.
struct Following {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Following {
    fn start(registrar: &Registrar, arguments: &[&str]) -> Self {
        let follow = ["events", "follow", "--format", "json"];
        let mut command = registrar.asked(&[&follow, arguments].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
        let out = child.stdout.take().expect("a pipe");
        let lines = BufReader::new(out).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        let line = self.lines.next().expect("a line").expect("a text");
        serde_json::from_str(&line).expect("JSON")
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn events_are_followed_as_they_occur() {
    let registrar = Registrar::start();
    let first = registrar.register(json!({})).await;
    let mut following = Following::start(&registrar, &["--after", "0"]);
    assert_eq!(following.next()["client_id"], first["client_id"]);
    let second = registrar.register(json!({})).await;
    let event = following.next();
    assert_eq!(
        (&event["client_id"], &event["position"]),
        (&second["client_id"], &json!(2))
    );
}

#[tokio::test]
async fn events_that_were_given_up_are_retried_and_skipped() {
    let registrar = with_hook();
    for _ in 0..3 {
        registrar.register(json!({"client_name": "stuck"})).await;
    }
    until(&registrar, "parked", 3);
    let parked = lines(&registrar, &["events", "parked"]);
    assert_eq!(parked.len(), 3);
    assert_eq!(
        (&parked[0]["consumer"], &parked[0]["position"]),
        (&json!("hooks"), &json!(1))
    );
    let table = registrar
        .cli(&["events", "parked", "--consumer", "hooks"])
        .fine();
    assert!(table.contains("the other system is down"), "{table}");
    let table = registrar.cli(&["events", "consumers"]).fine();
    assert!(
        table
            .lines()
            .nth(1)
            .is_some_and(|row| row.starts_with("hooks ")),
        "{table}"
    );

    assert_eq!(
        registrar.cli(&["events", "skip", "hooks", "1"]).fine(),
        "1 skipped\n"
    );
    registrar
        .cli(&["events", "skip", "hooks", "1"])
        .failed(1, &["event not found"]);
    assert_eq!(
        registrar.cli(&["events", "retry", "hooks", "2"]).fine(),
        "1 retried\n"
    );
    // It is parked again, at the position of the repetition.
    until(&registrar, "cursor", 4);
    until(&registrar, "parked", 2);
    assert_eq!(
        registrar.cli(&["events", "retry", "hooks", "--all"]).fine(),
        "2 retried\n"
    );
    until(&registrar, "cursor", 6);
    until(&registrar, "parked", 2);
    registrar
        .cli(&["events", "retry", "hooks"])
        .failed(2, &["POSITION"]);
    registrar
        .cli(&["events", "parked", "--consumer", "other"])
        .failed(1, &["consumer not found"]);
    let enabled = registrar.cli(&["events", "enable", "hooks"]).fine();
    assert_eq!(enabled, "hooks enabled\n");
}

#[tokio::test]
async fn existing_clients_are_replayed() {
    let registrar = with_hook();
    for software in ["a", "b", "b"] {
        registrar.register(json!({"software_id": software})).await;
    }
    let replay = ["events", "replay", "--hook", "clientCreated"];
    assert_eq!(registrar.cli(&replay).fine(), "3 replayed\n");
    let filtered = [
        &replay[..],
        &["--filter", "software_id=b", "--format", "json"],
    ]
    .concat();
    assert_eq!(registrar.cli(&filtered).json(), json!({"replayed": 2}));
    until(&registrar, "cursor", 8);
    assert_eq!(lines(&registrar, &["events", "list"]).len(), 3);
    registrar
        .cli(&["events", "replay", "--hook", "clientDeleted"])
        .failed(1, &["only clientCreated"]);
    registrar
        .cli(&["events", "replay", "--webhook", "x"])
        .failed(1, &["webhook not found"]);
    registrar.cli(&["events", "replay"]).failed(2, &["--hook"]);
    registrar
        .cli(&[
            "events",
            "replay",
            "--hook",
            "clientCreated",
            "--filter",
            "name=x",
        ])
        .failed(2, &["unknown key name"]);
}
