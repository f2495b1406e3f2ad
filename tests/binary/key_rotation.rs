//! `registrar key`: the key of the secrets is replaced while the server runs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{Registrar, command};
use crate::remote::Ran;

/// Runs a command that works on the files.
fn local(arguments: &[&str]) -> Ran {
    Ran::of(&command(arguments).output().expect("the binary runs"))
}

/// Registers a client that has a secret.
async fn register(registrar: &Registrar, name: &str) -> Value {
    let members =
        json!({ "client_name": name, "grant_types": ["client_credentials"], "scope": "read" });
    registrar.register(members).await
}

/// Returns the status of a token request with the secret of `client`.
async fn authenticates(registrar: &Registrar, client: &Value) -> u16 {
    let text = |member: &str| client[member].as_str().expect("a text").to_owned();
    let answer = reqwest::Client::new()
        .post(registrar.url("/token"))
        .basic_auth(text("client_id"), Some(text("client_secret")))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials")
        .send()
        .await;
    answer.expect("an answer").status().as_u16()
}

/// Waits until the rotation is complete, and returns its state.
async fn completed(registrar: &Registrar) -> Value {
    let limit = tokio::time::Instant::now() + Duration::from_mins(1);
    loop {
        let state = registrar.cli(&["key", "status", "--format", "json"]).json();
        if state
            .pointer("/rotation/stage")
            .is_some_and(|stage| stage == "complete")
        {
            return state;
        }
        assert!(tokio::time::Instant::now() < limit, "{state}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The steps of a rotation in the audit log.
const STEPS: [&str; 4] = [
    "key_announced",
    "key_put_in_force",
    "key_rotation_completed",
    "key_removed",
];

/// Waits until the audit log has `count` events of rotations, and returns them.
async fn audited(registrar: &Registrar, count: usize) -> Vec<Value> {
    let limit = tokio::time::Instant::now() + Duration::from_mins(1);
    loop {
        let actions = STEPS.join(",");
        let said = registrar.cli(&["audit", "--action", &actions, "--format", "json"]);
        let lines = said.fine();
        let events = lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        let events: Vec<Value> = events.collect();
        if events.len() >= count {
            assert_eq!(events.len(), count, "{lines}");
            return events;
        }
        assert!(tokio::time::Instant::now() < limit, "{lines}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_new_key_seals_and_the_previous_one_opens_until_everything_is_sealed_anew() {
    let registrar = Registrar::start_with(SCOPES);
    let data = registrar.folder().join("data");
    let folder = &data.to_str().expect("a path").to_owned();
    let mut clients = Vec::new();
    for number in 0..150 {
        clients.push(register(&registrar, &format!("before {number}")).await);
    }
    let first = registrar.cli(&["key", "status", "--format", "json"]).json();
    assert!(first.get("rotation").is_none(), "{first}");
    let said = local(&["key", "rotate", "--data", folder]).fine();
    assert!(
        said.contains(first["key"].as_str().expect("a name")),
        "{said}"
    );
    local(&["key", "rotate", "--data", folder])
        .failed(1, &["a rotation is under way", "registrar key finish"]);
    // Registrations and token requests go on meanwhile.
    for number in 0..20 {
        clients.push(register(&registrar, &format!("meanwhile {number}")).await);
        assert_eq!(authenticates(&registrar, &clients[number]).await, 200);
    }
    let state = completed(&registrar).await;
    assert_eq!(state["previous"], json!([first["key"]]));
    assert!(
        state["rotation"]["sealed_anew"].as_u64() >= Some(150),
        "{state}"
    );
    let text = registrar.cli(&["key", "status"]).fine();
    assert!(
        text.contains("complete  ") && text.contains("sealed    "),
        "{text}"
    );
    let said = registrar.cli(&["key", "finish", "--data", folder]).fine();
    assert!(said.starts_with("1 previous key removed"), "{said}");
    let steps = audited(&registrar, 4).await;
    for (step, action) in steps.iter().zip(STEPS) {
        let named = [
            &step["action"],
            &step["subject"],
            &step["details"]["previous"],
        ];
        assert_eq!(named, [&json!(action), &state["key"], &first["key"]]);
    }
    assert_eq!(
        steps[2]["details"]["sealed_anew"],
        state["rotation"]["sealed_anew"]
    );
    // The next start has only the new key.
    let mut registrar = registrar;
    registrar.terminate();
    let registrar = registrar.start_again();
    for client in &clients {
        assert_eq!(authenticates(&registrar, client).await, 200);
    }
    let state = registrar.cli(&["key", "status", "--format", "json"]).json();
    assert_eq!(state["previous"], json!([]));
    assert_eq!(
        registrar.cli(&["key", "finish", "--data", folder]).fine(),
        format!("0 previous keys removed from {folder}/registrar.key\n")
    );
}

#[tokio::test]
async fn a_rotation_survives_a_kill_and_needs_both_keys_until_it_is_complete() {
    let registrar = Registrar::start_with(SCOPES);
    let data = registrar.folder().join("data");
    let folder = data.to_str().expect("a path").to_owned();
    let file = data.join("registrar.key");
    let mut clients = Vec::new();
    for number in 0..300 {
        clients.push(register(&registrar, &format!("client {number}")).await);
    }
    local(&["key", "rotate", "--data", &folder]).fine();
    let limit = tokio::time::Instant::now() + Duration::from_mins(1);
    loop {
        let state = registrar.cli(&["key", "status", "--format", "json"]).json();
        if state.pointer("/rotation/in_force_at").is_some() {
            break;
        }
        assert!(tokio::time::Instant::now() < limit, "{state}");
    }
    let mut registrar = registrar;
    registrar.kill();
    let registrar = registrar.start_again();
    let state = completed(&registrar).await;
    assert!(
        state["rotation"]["sealed_anew"].as_u64() <= Some(301),
        "{state}"
    );
    for client in &clients {
        assert_eq!(authenticates(&registrar, client).await, 200);
    }
    // A step is an event once, although the server was killed between two of them.
    let steps = audited(&registrar, 3).await;
    assert!(steps.iter().map(|step| &step["action"]).eq(&STEPS[..3]));
    // A key file without the key in force is refused while the server runs, and the server goes on.
    let both = std::fs::read_to_string(&file).expect("the keys");
    let previous = both.lines().nth(1).expect("two keys").to_owned();
    std::fs::write(&file, &previous).expect("it is written");
    let limit = tokio::time::Instant::now() + Duration::from_mins(1);
    loop {
        let ready: Value = reqwest::get(registrar.url("/readyz"))
            .await
            .expect("an answer")
            .json()
            .await
            .expect("JSON");
        if ready.get("keyError").is_some_and(|error| {
            error
                .as_str()
                .is_some_and(|error| error.contains("not the key of this store"))
        }) {
            break;
        }
        assert!(tokio::time::Instant::now() < limit, "{ready}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(authenticates(&registrar, &clients[0]).await, 200);
    assert!(!registrar.log().contains(&previous), "no key is logged");
}

#[tokio::test]
async fn the_key_file_may_be_a_name_in_the_working_directory() {
    let here = tempfile::TempDir::new().expect("a folder");
    std::fs::create_dir(here.path().join("scripts")).expect("a folder");
    let registrar = Registrar::start_prepared("[store]\nkeyFile = \"my.key\"\n", |command| {
        command.current_dir(here.path());
    });
    let file = here.path().join("my.key");
    let lines = || {
        std::fs::read_to_string(&file)
            .expect("the keys")
            .lines()
            .count()
    };
    assert_eq!(lines(), 1);
    let configuration = registrar.folder().join("registrar.toml");
    let configuration = configuration.to_str().expect("a path");
    let data = registrar.folder().join("data");
    let data = data.to_str().expect("a path");
    let mut rotate = command(&["key", "rotate", "--config", configuration, "--data", data]);
    let rotated = rotate.current_dir(here.path()).output();
    let said = Ran::of(&rotated.expect("the binary runs")).fine();
    assert!(said.ends_with(" in my.key\n"), "{said}");
    assert_eq!(lines(), 2);
    completed(&registrar).await;
}

/// A scope that clients can register.
const SCOPES: &str = "[[scopes]]\nid = \"read\"\n";

#[tokio::test]
async fn a_secret_of_scripts_is_read_again_when_its_file_changes() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let (word, scripts) = (folder.path().join("word"), folder.path().join("scripts"));
    std::fs::create_dir(&scripts).expect("a folder");
    let script =
        r#"fn createClient(context) { context.client.software_id = secrets::get("word"); true }"#;
    std::fs::write(scripts.join("10-word.rhai"), script).expect("a script");
    std::fs::write(&word, "the first word\n").expect("a secret");
    let registrar = Registrar::start_with(&format!(
        "[scripts]\ndirectory = {scripts:?}\n[scripts.secrets]\nword = {{ file = {word:?} }}\n"
    ));
    let said = async |text: &str| {
        let limit = tokio::time::Instant::now() + Duration::from_mins(1);
        while registrar.register(json!({})).await["software_id"] != text {
            assert!(tokio::time::Instant::now() < limit, "{}", registrar.log());
        }
    };
    said("the first word").await;
    std::fs::write(folder.path().join("new"), "another word\n").expect("a secret");
    std::fs::rename(folder.path().join("new"), &word).expect("it is renamed");
    said("another word").await;
    // What is too short to be a secret changes nothing, and is told.
    std::fs::write(&word, "short").expect("a secret");
    let limit = tokio::time::Instant::now() + Duration::from_mins(1);
    while !registrar
        .log()
        .contains("script secret reload failed; keeping the previous secrets")
    {
        assert!(tokio::time::Instant::now() < limit, "{}", registrar.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    said("another word").await;
    assert!(
        !registrar.log().contains("another word"),
        "no secret is logged"
    );
}
