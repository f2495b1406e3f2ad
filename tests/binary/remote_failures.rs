//! What the commands print when the server is unreachable, rejects the credentials, or is not a registrar.

use std::io::{Read, Write};

use serde_json::json;

use crate::process::{Registrar, command};
use crate::remote::{Ran, write_credentials};
use crate::tls;

fn run(arguments: &[&str]) -> Ran {
    Ran::of(&command(arguments).output().expect("the binary runs"))
}

#[test]
fn an_unreachable_server_is_named_with_a_remedy() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let folder = tempfile::TempDir::new().unwrap();
    let credentials = write_credentials(
        folder.path(),
        &json!({"client_id": "a", "client_secret": "s"}),
    );
    let refused = run(&[
        "clients",
        "list",
        "--server",
        &server,
        "--credentials",
        &credentials,
    ]);
    refused.failed(
        1,
        &[
            &format!("the server at {server} is unreachable"),
            "Connection refused",
            "--server",
        ],
    );
    run(&["clients", "list", "--server", "nowhere"]).failed(2, &["expected an http or https URL"]);
    let unknown = run(&[
        "clients",
        "list",
        "--server",
        "http://no.such.host.invalid",
        "--credentials",
        &credentials,
    ]);
    unknown.failed(
        1,
        &[
            "the server at http://no.such.host.invalid is unreachable",
            "warning",
            "not https",
        ],
    );
}

#[test]
fn an_answer_of_another_program_is_reported() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = format!("http://{}", listener.local_addr().expect("an address"));
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = [0; 4_096];
        assert_ne!(stream.read(&mut head).expect("a request"), 0);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            .expect("it is written");
        // Reading until the client has finished avoids a reset of the connection.
        while stream.read(&mut head).is_ok_and(|length| length > 0) {}
    });
    let folder = tempfile::TempDir::new().unwrap();
    let credentials = write_credentials(
        folder.path(),
        &json!({"client_id": "a", "client_secret": "s"}),
    );
    let ran = run(&[
        "tokens",
        "list",
        "--server",
        &server,
        "--credentials",
        &credentials,
    ]);
    ran.failed(1, &["is not from a Registrar (status 200)"]);
    other.join().expect("it answered");
}

#[tokio::test]
async fn credentials_are_found_and_must_be_valid() {
    let registrar = Registrar::start();
    let server = registrar.url("");
    let folder = tempfile::TempDir::new().unwrap();
    let list = ["clients", "list", "--server", &server];

    let file = registrar.folder().join("cli.toml");
    let data = registrar.folder().join("data");
    let text = format!(
        "[server]\nlisten = {:?}\n[store]\nurl = \"sled:{}\"\n",
        registrar.host(),
        data.display()
    );
    std::fs::write(&file, text).unwrap();
    let config = file.to_str().unwrap();
    let table = run(&["clients", "list", "--config", config]).fine();
    assert!(
        table.contains("administrator"),
        "the file names the server and the credentials"
    );

    std::fs::write(&file, "[store]\nurl = \"sled:/no/such/store\"\n").unwrap();
    let nowhere = run(&[&list[..], &["--config", config]].concat());
    nowhere.failed(
        1,
        &[
            "no credentials found",
            "/no/such/store/admin-credentials.json",
            "--credentials",
        ],
    );

    let wrong = write_credentials(
        folder.path(),
        &json!({"client_id": "administrator", "client_secret": "wrong"}),
    );
    let refused = run(&[&list[..], &["--credentials", &wrong]].concat());
    let said = [
        "rejected the credentials",
        &wrong,
        "the secret is wrong",
        "registrar admin reset",
    ];
    refused.failed(1, &said);

    let right: serde_json::Value =
        serde_json::from_slice(&std::fs::read(registrar.credentials()).unwrap()).unwrap();
    let secret = right["client_secret"].as_str().unwrap();
    let by_environment = |pairs: &[(&str, &str)]| {
        let mut command = command(&[&list[..], &["--config", config]].concat());
        Ran::of(
            &command
                .envs(pairs.iter().copied())
                .output()
                .expect("the binary runs"),
        )
    };
    let (id, key) = ("REGISTRAR_CLIENT_ID", "REGISTRAR_CLIENT_SECRET");
    let table = by_environment(&[(id, "administrator"), (key, secret)]).fine();
    assert!(table.contains("administrator"));
    by_environment(&[(id, "administrator")]).failed(1, &["REGISTRAR_CLIENT_SECRET is not"]);
    by_environment(&[(key, secret)]).failed(1, &["REGISTRAR_CLIENT_ID is not"]);
    by_environment(&[(id, "administrator"), (key, "wrong")]).failed(1, &["the environment"]);
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let registrar = Registrar::start_with("[[scopes]]\nid = \"openid\"\n");
    let folder = tempfile::TempDir::new().unwrap();
    let machine =
        json!({"redirect_uris": null, "grant_types": ["client_credentials"], "scope": "openid"});
    let machine = registrar.register(machine).await;
    let credentials = write_credentials(folder.path(), &machine);
    let server = registrar.url("");
    let with = |config: &str| {
        let file = folder.path().join("cli.toml");
        std::fs::write(&file, config).unwrap();
        let file = file.to_str().unwrap();
        run(&[
            "clients",
            "list",
            "--server",
            &server,
            "--credentials",
            &credentials,
            "--config",
            file,
        ])
    };
    let id = machine["client_id"].as_str().unwrap();
    with("").failed(1, &[id, "lacks the scope clients.read"]);
    // The configuration file belongs to another server. The given token lacks the scope.
    with("scopes = []\n[admin.scopes]\nclientsRead = \"openid\"\n")
        .failed(1, &["permission denied", "lacks the scope clients.read"]);
}

#[test]
fn the_admin_listener_is_used() {
    let registrar = Registrar::start_with("[admin]\nlisten = \"127.0.0.1:0\"\n");
    let admin = registrar
        .greeting
        .split("metrics are on ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let admin = admin.expect("it prints the address");
    registrar
        .cli(&["clients", "list"])
        .failed(1, &["was not found", "--admin-server"]);
    assert!(
        registrar
            .cli(&["clients", "list", "--admin-server", admin])
            .fine()
            .contains("administrator")
    );
}

#[test]
fn an_untrusted_certificate_is_reported_and_can_be_trusted() {
    let files = tempfile::TempDir::new().unwrap();
    let configuration = tls::configuration(files.path());
    let registrar = Registrar::start_with(&configuration);
    registrar.cli(&["clients", "list"]).failed(
        1,
        &[
            "the TLS certificate of https://127.0.0.1:",
            "certificate",
            "--ca",
        ],
    );
    let ca = files.path().join("server.pem");
    let ca = ca.to_str().unwrap();
    assert!(
        registrar
            .cli(&["clients", "list", "--ca", ca])
            .fine()
            .contains("administrator")
    );
    registrar
        .cli(&["clients", "list", "--ca", "/no/such/file"])
        .failed(1, &["--ca: cannot read /no/such/file"]);
    let plain = registrar.url("").replace("https:", "http:");
    let ran = registrar.cli(&["clients", "list", "--server", &plain]);
    assert_ne!(
        ran.code,
        Some(0),
        "a repeated flag is rejected: {}",
        ran.err
    );
}
