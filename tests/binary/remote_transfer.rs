//! `registrar clients export`, `import` and the deletion of many clients; `registrar audit`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::process::{Registrar, command};
use crate::remote::{Ran, write_credentials};

/// Starts a server with `number` clients of one software.
async fn with_clients(number: usize) -> (Registrar, Vec<Value>) {
    let registrar = Registrar::start();
    let mut clients = Vec::new();
    for at in 0..number {
        clients.push(
            registrar
                .register(json!({"client_name": format!("C{at}"), "software_id": "s"}))
                .await,
        );
    }
    (registrar, clients)
}

fn count(registrar: &Registrar) -> usize {
    let list = registrar
        .cli(&["clients", "list", "--software-id", "s", "--format", "json"])
        .json();
    list.as_array().expect("an array").len()
}

#[tokio::test]
async fn an_export_is_imported_by_another_server() {
    let (registrar, clients) = with_clients(3).await;
    let ran = registrar.cli(&["clients", "export"]);
    assert!(ran.err.contains("3 clients exported"), "{}", ran.err);
    let export = ran.fine();
    let lines: Vec<Value> = export
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!((lines.len(), &lines[3]), (4, &json!({"clients": 3})));

    let file = registrar.folder().join("clients.ndjson");
    let name = file.to_str().unwrap();
    assert_eq!(
        registrar
            .cli(&["clients", "export", "--output", name])
            .fine(),
        ""
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), export);
    assert!(!registrar.folder().join("clients.ndjson.new").exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600,
            "the export contains secrets"
        );
    }

    let other = Registrar::start();
    assert_eq!(
        other.cli(&["clients", "import", name]).fine(),
        "3 imported, 0 replaced, 0 skipped\n"
    );
    let read = reqwest::Client::new()
        .get(other.url(&format!(
            "/register?client_id={}",
            clients[0]["client_id"].as_str().unwrap()
        )))
        .bearer_auth(clients[0]["registration_access_token"].as_str().unwrap());
    let read: Value = read.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        read["client_secret"], clients[0]["client_secret"],
        "the secret is the same on the other server"
    );

    registrar
        .cli(&["clients", "export", "--output", name])
        .failed(1, &[name, "already exists"]);
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        export,
        "the existing file is not changed"
    );
    let said = [
        "client_exists: line 1: ",
        "--existing skip",
        "before that: 0 imported",
    ];
    other.cli(&["clients", "import", name]).failed(1, &said);
    let skipped = other
        .cli(&["clients", "import", name, "--existing", "skip"])
        .fine();
    assert_eq!(skipped, "0 imported, 0 replaced, 3 skipped\n");
    let replaced = other.cli_reading(
        &[
            "clients",
            "import",
            "--existing",
            "replace",
            "--format",
            "json",
        ],
        export.as_bytes(),
    );
    assert_eq!(
        replaced.json(),
        json!({"imported": 0, "replaced": 3, "skipped": 0})
    );
}

#[tokio::test]
async fn nothing_of_a_truncated_file_is_imported() {
    let (registrar, _) = with_clients(3).await;
    let export = registrar.cli(&["clients", "export"]).fine();
    let other = Registrar::start();
    let file = other.folder().join("cut.ndjson");
    let name = file.to_str().unwrap();
    let ends: Vec<usize> = export.match_indices('\n').map(|(at, _)| at + 1).collect();
    for (length, said) in [
        (ends[1], "truncated"),
        (ends[2] - 10, "truncated"),
        (0, "truncated"),
    ] {
        std::fs::write(&file, &export[..length]).unwrap();
        other
            .cli(&["clients", "import", name])
            .failed(1, &["cut.ndjson", said, "nothing was imported"]);
    }
    let without_one = [&export[..ends[0]], &export[ends[1]..]].concat();
    std::fs::write(&file, without_one).unwrap();
    other
        .cli(&["clients", "import", name])
        .failed(1, &["contains 2 clients", "states 3"]);
    assert_eq!(count(&other), 0);
    other
        .cli(&["clients", "import", "/no/such/file"])
        .failed(1, &["/no/such/file cannot be read"]);
    // The truncation of piped input is detected only at its end.
    let ran = other.cli_reading(&["clients", "import"], &export.as_bytes()[..ends[1]]);
    ran.failed(1, &["invalid_import", "imported"]);
    other
        .cli_reading(&["clients", "import"], b"{}\n")
        .failed(1, &["invalid_import", "client_id"]);
}

#[tokio::test]
async fn an_export_that_is_not_read_to_its_end_fails() {
    let (registrar, _) = with_clients(1).await;
    let mut command = registrar.asked(&["clients", "export"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    Ran::of(&child.wait_with_output().expect("it ends"))
        .failed(1, &["closed before the export was complete"]);
    let ran = registrar.cli(&["clients", "export", "--output", "/no/such/folder/file"]);
    ran.failed(1, &["/no/such/folder/file.new cannot be written"]);
}

#[test]
fn an_export_that_breaks_off_leaves_no_file() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = format!("http://{}", listener.local_addr().expect("an address"));
    let dying = std::thread::spawn(move || {
        let token = r#"{"access_token": "t", "token_type": "Bearer", "expires_in": 60}"#;
        let token = format!(
            "Content-Length: {}\r\nConnection: close\r\n\r\n{token}",
            token.len()
        );
        for rest in [
            token.as_str(),
            "Transfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n",
        ] {
            let (stream, _) = listener.accept().expect("a connection");
            answer(stream, rest);
        }
    });
    let folder = tempfile::TempDir::new().unwrap();
    let credentials = write_credentials(
        folder.path(),
        &json!({"client_id": "a", "client_secret": "s"}),
    );
    let file = folder.path().join("clients.ndjson");
    let output = ["--output", file.to_str().unwrap()];
    let arguments = [
        "clients",
        "export",
        "--server",
        &server,
        "--credentials",
        &credentials,
    ];
    let output = command(&[&arguments[..], &output].concat())
        .output()
        .expect("the binary runs");
    Ran::of(&output).failed(1, &["the export was truncated"]);
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["credentials.json"]);
    dying.join().expect("it answered");
}

/// Reads a request to the end of its head and answers it.
fn answer(mut stream: TcpStream, rest: &str) {
    let (mut head, mut piece) = (Vec::new(), [0; 4_096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = stream.read(&mut piece).expect("a request");
        head.extend_from_slice(piece.get(..length).expect("what was read"));
    }
    stream
        .write_all(format!("HTTP/1.1 200 OK\r\n{rest}").as_bytes())
        .expect("it is written");
}

#[tokio::test]
async fn many_clients_are_deleted_by_a_filter() {
    let (registrar, _) = with_clients(3).await;
    let other = registrar.register(json!({"software_id": "other"})).await;
    let deleted = registrar
        .cli(&[
            "clients",
            "delete",
            "--software-id",
            "s",
            "--confirm",
            "3",
            "--format",
            "json",
        ])
        .json();
    assert_eq!(deleted["deleted"], 3);
    assert_eq!(count(&registrar), 0);
    registrar
        .cli(&["clients", "show", other["client_id"].as_str().unwrap()])
        .fine();
    let none = registrar
        .cli(&["clients", "delete", "--software-id", "s", "--confirm", "0"])
        .fine();
    assert_eq!(none, "0 deleted\n");
}

#[tokio::test]
async fn the_audit_log_is_read_and_followed() {
    let (registrar, clients) = with_clients(2).await;
    let id = clients[0]["client_id"].as_str().unwrap();
    registrar.cli(&["clients", "delete", id]).fine();
    let lines = registrar.cli(&["audit", "--format", "json"]).fine();
    let events: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let last = events.last().expect("an event");
    assert_eq!(
        (&last["action"], &last["subject"]),
        (&json!("client_deleted"), &json!(id))
    );
    assert_eq!(last["actor"], "administrator");
    let table = registrar.cli(&["audit"]).fine();
    assert!(
        table
            .lines()
            .next()
            .is_some_and(|heading| heading.ends_with("DETAILS")),
        "{table}"
    );
    assert!(table.contains("trust_level=open"), "{table}");
    assert_eq!(table.lines().count(), events.len() + 1, "{table}");
    assert!(
        table
            .lines()
            .last()
            .is_some_and(|row| row.contains("client_deleted") && row.contains(id)),
        "{table}"
    );

    let position = last["position"].to_string();
    assert_eq!(
        registrar
            .cli(&["audit", "--after", &position, "--format", "json"])
            .fine(),
        ""
    );
    let mut command = registrar.asked(&[
        "audit", "--follow", "--after", &position, "--format", "json",
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let client = registrar.register(json!({})).await;
    let event: Value =
        serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON");
    assert_eq!(event["subject"], client["client_id"]);
    child.kill().expect("it is ended");
    child.wait().expect("it ends");
}
