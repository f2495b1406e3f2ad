//! How `registrar clients list` and `show` find, order and show clients.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::process::Registrar;

/// Returns the names of the clients that the command lists, in its order.
fn names(registrar: &Registrar, arguments: &[&str]) -> Vec<String> {
    let all = [&["clients", "list", "--format", "json"], arguments].concat();
    let list = registrar.cli(&all).json();
    let clients = list.as_array().expect("an array").iter();
    let names = clients.map(|client| client["client_name"].as_str().unwrap_or_default());
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn clients_are_found_by_their_registration_and_times_of_every_form() {
    let registrar = Registrar::start();
    for name in ["b", "A"] {
        registrar.register(json!({"client_name": name})).await;
    }
    let open = ["--trust-level", "open"];
    for (filters, count) in [
        (&["--address", "127.0.0.0/8"][..], 2),
        (&["--address", "192.0.2.1"], 0),
        (&["--disabled", "false"], 2),
        (&["--disabled", "true"], 0),
        (&["--never-used"], 2),
        (&["--used-from", "30d"], 0),
        (&["--issued-from", "1h30m"], 2),
        (&["--issued-from", "+1h"], 0),
        (&["--issued-before", "2026-01-01"], 0),
        (&["--initial-access-token", "x"], 0),
        (&["--statement-iss", "https://issuer.example"], 0),
        (&["--script-version", "x"], 0),
    ] {
        let found = names(&registrar, &[&open[..], filters].concat());
        assert_eq!(found.len(), count, "{filters:?}");
    }
    registrar
        .cli(&["clients", "list", "--address", "192.0.2.0/33"])
        .failed(1, &["address must be an address or a network"]);
    registrar
        .cli(&["clients", "list", "--used-from", "1m1h"])
        .failed(2, &["30d (ago)"]);
}

#[tokio::test]
async fn a_list_is_sorted_and_keeps_the_first_clients() {
    let registrar = Registrar::start();
    for name in ["b", "A", "c"] {
        registrar.register(json!({"client_name": name})).await;
    }
    let sorted = |more: &[&str]| names(&registrar, &[&["--trust-level", "open"], more].concat());
    assert_eq!(sorted(&["--sort", "client_name"]), ["A", "b", "c"]);
    assert_eq!(
        sorted(&["--sort", "client_name", "--limit", "2"]),
        ["A", "b"]
    );
    let newest = sorted(&["--sort=-issued_at"]);
    let again = sorted(&["--sort", "-issued_at"]);
    assert_eq!((newest.len(), newest), (3, again));
}

#[tokio::test]
async fn yaml_has_the_same_members_as_json() {
    let registrar = Registrar::start();
    let members = json!({"client_name": "no", "contacts": ["a@example.org"]});
    let client = registrar.register(members).await;
    let id = client["client_id"].as_str().expect("an identifier");
    let shown = registrar
        .cli(&["clients", "show", id, "--format", "yaml"])
        .fine();
    for line in [
        &format!("client_id: {id}"),
        "revision: 1",
        "  client_name: \"no\"",
        "  - a@example.org",
        "  trust_level: open",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    let list = registrar
        .cli(&["clients", "list", "--format", "yaml"])
        .fine();
    let items = list
        .lines()
        .filter(|line| line.starts_with("- client_id: "));
    assert_eq!(items.count(), 2, "{list}");
    let none = ["clients", "list", "--client-id", "none", "--format", "yaml"];
    assert_eq!(registrar.cli(&none).fine(), "[]\n");
}

#[tokio::test]
async fn a_watched_client_is_shown_until_the_command_ends() {
    let registrar = Registrar::start();
    let client = registrar.register(json!({"client_name": "First"})).await;
    let id = client["client_id"].as_str().expect("an identifier");
    let watch = ["clients", "show", id, "--watch=1s", "--format", "yaml"];
    let mut watching = registrar.asked(&watch);
    let mut watching = watching
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let out = BufReader::new(watching.stdout.take().expect("a pipe"));
    let mut names = out
        .lines()
        .map_while(Result::ok)
        .filter(|line| line.starts_with("  client_name: "));
    assert_eq!(names.next().as_deref(), Some("  client_name: First"));
    registrar
        .cli(&["clients", "set", id, "client_name=Second"])
        .fine();
    let second = names.find(|line| line == "  client_name: Second");
    assert!(second.is_some(), "the change is shown");
    watching.kill().expect("it runs");
    watching.wait().expect("it ends");
    registrar
        .cli(&["clients", "show", id, "--watch=0"])
        .failed(2, &["at least one second"]);
    registrar
        .cli(&["clients", "show", "unknown", "--watch"])
        .failed(1, &["client not found"]);
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let run = |arguments: &[&str]| {
        let output = crate::command(arguments).output().expect("the binary runs");
        crate::remote::Ran::of(&output)
    };
    for (shell, marks) in [
        ("bash", ["complete -F", "rotate-secret", "--dry-run"]),
        ("zsh", ["#compdef registrar", "rotate-secret", "--dry-run"]),
        (
            "fish",
            ["complete -c registrar", "rotate-secret", "dry-run"],
        ),
    ] {
        let text = run(&["completions", shell]).fine();
        for mark in marks {
            assert!(text.contains(mark), "{shell}: {mark}");
        }
    }
    run(&["completions", "tcsh"]).failed(2, &["bash, zsh, fish"]);
    let page = run(&["man"]).fine();
    for mark in [
        ".TH registrar 1",
        ".SH SUBCOMMANDS",
        "clients",
        "completions",
    ] {
        assert!(page.contains(mark), "{mark}: {page}");
    }
    let page = run(&["man", "clients", "disable"]).fine();
    for mark in [
        "registrar\\-clients\\-disable",
        "\\-\\-confirm",
        "\\-\\-used\\-before",
    ] {
        assert!(page.contains(mark), "{mark}: {page}");
    }
    run(&["man", "clients", "unknown"]).failed(2, &["there is no command clients unknown"]);
}
