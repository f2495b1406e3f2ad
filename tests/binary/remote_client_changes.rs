//! `registrar clients create`, `set`, `disable`, `enable`, `delete`, `rotate-secret` and `rotate-token`.

use serde_json::{Value, json};

use crate::process::{Registrar, command};
use crate::remote::{Ran, write_credentials};

/// Runs a command with the credentials of `client`.
fn run_as(registrar: &Registrar, client: &Value, arguments: &[&str]) -> Ran {
    let folder = tempfile::TempDir::new().expect("a folder");
    let (server, file) = (registrar.url(""), write_credentials(folder.path(), client));
    let more = ["--server", &server, "--credentials", &file];
    let output = command(&[arguments, &more].concat()).output();
    Ran::of(&output.expect("the binary runs"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name}: {value}"))
}

fn show(registrar: &Registrar, id: &str) -> Value {
    let shown = registrar.cli(&["clients", "show", id, "--format", "json"]);
    shown.json()
}

#[test]
fn a_client_is_created_from_members_and_from_a_file() {
    let registrar = Registrar::start();
    let ran = registrar.cli(&[
        "clients",
        "create",
        "client_name=Nightly export",
        r#"grant_types=["client_credentials"]"#,
        "trusted_client=true",
        "--format",
        "json",
    ]);
    assert!(ran.err.contains("shown only once"), "{}", ran.err);
    let made = ran.json();
    assert_eq!(made["metadata"]["client_name"], "Nightly export");
    assert_eq!(made["metadata"]["trusted_client"], true);
    // The credentials work, but they are not those of an administrator.
    run_as(&registrar, &made, &["clients", "list"]).failed(1, &["scope"]);
    let members = json!({
        "redirect_uris": ["https://client.example.org/cb"], "client_name": "Of the file",
    });
    let arguments = [
        "clients",
        "create",
        "--json",
        "-",
        "client_name=Of the flag",
    ];
    let table = registrar
        .cli_reading(&arguments, members.to_string().as_bytes())
        .fine();
    for part in [
        "metadata.client_name",
        "Of the flag",
        "client_secret",
        "registration_access_token",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    for (arguments, code, said) in [
        (&["clients", "create"][..], 2, "MEMBER=VALUE"),
        (&["clients", "create", "client_name"], 2, "MEMBER=VALUE"),
        (
            &["clients", "create", "redirect_uris=[\"x\"]"],
            1,
            "redirect_uris",
        ),
        (
            &["clients", "create", "client_id=chosen"],
            1,
            "this server chooses it",
        ),
        (
            &["clients", "create", "--json", "/nonexistent.json"],
            1,
            "/nonexistent.json",
        ),
    ] {
        registrar.cli(arguments).failed(code, &[said]);
    }
}

#[tokio::test]
async fn members_are_set_and_removed_and_the_others_stay() {
    let registrar = Registrar::start();
    let client = registrar
        .register(json!({"client_name": "Old", "contacts": ["a@example.org"]}))
        .await;
    let id = text(&client, "client_id");
    let changed = registrar
        .cli(&[
            "clients",
            "set",
            id,
            "client_name=New",
            "contacts=null",
            "--revision",
            "1",
            "--format",
            "json",
        ])
        .json();
    assert_eq!(changed["metadata"]["client_name"], "New");
    assert_eq!(changed["metadata"]["contacts"], Value::Null);
    assert_eq!(
        changed["metadata"]["redirect_uris"],
        json!(["https://client.example.org/cb"])
    );
    registrar
        .cli(&["clients", "set", id, "client_name=Late", "--revision", "1"])
        .failed(1, &["precondition_failed", "revision is 2"]);
    registrar
        .cli(&["clients", "set", id, "client_secret=chosen"])
        .failed(1, &["client_secret"]);
    registrar
        .cli(&["clients", "set", "unknown", "client_name=x"])
        .failed(1, &["client not found"]);
    registrar
        .cli(&["clients", "set", id])
        .failed(2, &["MEMBER=VALUE"]);
    assert_eq!(show(&registrar, id)["metadata"]["client_name"], "New");
}

#[tokio::test]
async fn named_clients_are_disabled_enabled_and_deleted_also_from_standard_input() {
    let registrar = Registrar::start();
    let mut ids = Vec::new();
    for name in ["A", "B", "C"] {
        let client = registrar.register(json!({"client_name": name})).await;
        ids.push(text(&client, "client_id").to_owned());
    }
    let disabled = |id: &str| show(&registrar, id)["metadata"]["disabled"].clone();
    let line = registrar
        .cli(&["clients", "disable", &ids[0], &ids[1]])
        .fine();
    assert_eq!(line, "2 disabled\n");
    assert_eq!(
        [disabled(&ids[0]), disabled(&ids[1]), disabled(&ids[2])],
        [json!(true), json!(true), Value::Null]
    );
    let listed = format!("{}\n\n  {}\r\n", ids[0], ids[1]);
    let enabled = registrar.cli_reading(
        &["clients", "enable", "-", "--format", "json"],
        listed.as_bytes(),
    );
    assert_eq!(enabled.json(), json!({"enabled": 2}));
    assert_eq!(disabled(&ids[0]), Value::Null);
    let some = registrar.cli(&["clients", "disable", "unknown", &ids[2]]);
    some.failed(
        1,
        &[
            "unknown: client not found",
            "1 client could not be disabled; 1 disabled",
        ],
    );
    assert_eq!(disabled(&ids[2]), json!(true));
    registrar
        .cli(&["clients", "disable", "administrator"])
        .failed(1, &["access_denied", "/admin/v1/administrators"]);
    let all = ids.join("\n");
    let deleted = registrar.cli_reading(&["clients", "delete", "-"], all.as_bytes());
    assert_eq!(deleted.fine(), "3 deleted\n");
    registrar
        .cli(&["clients", "show", &ids[0]])
        .failed(1, &["client not found"]);
}

#[tokio::test]
async fn credentials_are_replaced_and_shown_once() {
    let registrar = Registrar::start();
    let client = registrar.register(json!({})).await;
    let id = text(&client, "client_id");
    let ran = registrar.cli(&["clients", "rotate-secret", id, "--format", "json"]);
    assert!(
        ran.err.contains("client_secret: shown only once"),
        "{}",
        ran.err
    );
    let rotated = ran.json();
    assert_ne!(rotated["client_secret"], client["client_secret"]);
    let ran = registrar.cli(&["clients", "rotate-token", id, "--format", "json"]);
    let renewed = ran.json();
    let read = async |token: &Value| {
        let request = reqwest::Client::new().get(text(&client, "registration_client_uri"));
        let request = request.bearer_auth(token.as_str().expect("a token"));
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(read(&client["registration_access_token"]).await, 401);
    assert_eq!(read(&renewed["registration_access_token"]).await, 200);
    let public = json!({"token_endpoint_auth_method": "none"});
    let public = registrar.register(public).await;
    registrar
        .cli(&["clients", "rotate-secret", text(&public, "client_id")])
        .failed(1, &["no_client_secret", "token_endpoint_auth_method"]);
}

#[tokio::test]
async fn each_change_needs_the_scope_for_writing() {
    let registrar = Registrar::start();
    let create = [
        "admin",
        "create",
        "--name",
        "Help desk",
        "--scope",
        "clients.read",
    ];
    let desk = registrar
        .cli(&[&create[..], &["--format", "json"]].concat())
        .json();
    let client = registrar.register(json!({})).await;
    let id = text(&client, "client_id");
    for arguments in [
        &["clients", "create", "client_name=x"][..],
        &["clients", "set", id, "client_name=x"],
        &["clients", "disable", id],
        &["clients", "enable", id],
        &["clients", "delete", id],
        &["clients", "rotate-secret", id],
        &["clients", "rotate-token", id],
        &["clients", "disable", "--client-id", id, "--confirm", "1"],
        &["clients", "enable", "--client-id", id, "--dry-run"],
        &["clients", "delete", "--client-id", id, "--confirm", "1"],
    ] {
        run_as(&registrar, &desk, arguments).failed(1, &["clients.write"]);
    }
    run_as(&registrar, &desk, &["clients", "show", id]).fine();
    assert_eq!(show(&registrar, id)["revision"], 1);
}

#[tokio::test]
async fn many_clients_are_changed_after_their_number_is_confirmed() {
    let registrar = Registrar::start();
    for name in ["A", "B", "C"] {
        let members = json!({"client_name": name, "software_id": "s"});
        registrar.register(members).await;
    }
    let filter = ["--software-id", "s"];
    let run = |verb: &str, more: &[&str]| {
        let arguments = [&["clients", verb], &filter[..], more].concat();
        registrar.cli(&arguments)
    };
    for (verb, done) in [
        ("disable", "3 disabled\n"),
        ("enable", "3 enabled\n"),
        ("delete", "3 deleted\n"),
    ] {
        run(verb, &[]).failed(2, &["3 clients", "--dry-run", "--confirm 3"]);
        let dry = run(verb, &["--dry-run"]).fine();
        assert!(dry.starts_with("3 clients would be changed\n"), "{dry}");
        assert_eq!(dry.lines().count(), 4, "{dry}");
        let dry = run(verb, &["--dry-run", "--format", "json"]).json();
        assert_eq!(dry["count"], 3);
        run(verb, &["--confirm", "2"]).failed(1, &["count_differs", "3 clients match, not 2"]);
        run(verb, &["--confirm", "3", "--dry-run"]).failed(2, &["cannot be used with"]);
        assert_eq!(run(verb, &["--confirm", "3"]).fine(), done);
    }
    registrar
        .cli(&["clients", "disable"])
        .failed(2, &["an ID, or a filter"]);
    registrar
        .cli(&["clients", "disable", "x", "--confirm", "1"])
        .failed(2, &["cannot be used with"]);
}
