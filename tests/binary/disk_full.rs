//! A full disk: changes are rejected, stored clients stay readable, and the server recovers when
//! space is available again. A limit on the size of files stands in for the disk, since a test
//! cannot mount one.

#![expect(clippy::indexing_slicing, reason = "tests report problems by failing")]

use std::process::Command;

use crate::acknowledged::{Client, Found, answered};
use crate::process::{Database, Registrar, command, until};

const CONFIGURATION: &str =
    "[telemetry]\nlevel = \"warn\"\n[registration]\nrateLimitRegistrationRequestCount = 0\n";
/// Maximum size of a file in bytes.
const ROOM: u64 = 3 << 19;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_rejects_changes_until_space_is_available_again() {
    full_disk(Database::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_fjall_rejects_changes_until_space_is_available_again() {
    full_disk(Database::Fjall).await;
}

async fn full_disk(database: Database) {
    let configuration = database.configuration(CONFIGURATION);
    let mut registrar = Registrar::start_prepared(&configuration, |command| {
        // Without this the system kills a process that writes beyond the limit.
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
            .arg(command.get_program())
            .args(command.get_args());
        shell.current_dir(env!("CARGO_MANIFEST_DIR")).env_clear();
        for (name, value) in command.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        *command = shell;
    });
    let (http, url) = (reqwest::Client::new(), registrar.url(""));
    let mut clients = vec![
        Client::register(&url, &http, "before")
            .await
            .expect("an answer"),
    ];
    bound(&registrar, &ROOM.to_string());

    let body = crate::body(&"x".repeat(500));
    let register = || answered(http.post(format!("{url}/register")).json(&body));
    let mut status = 201;
    for number in 0..5_000 {
        let name = format!("room {number}");
        let mut body = body.clone();
        body["client_name"] = format!("{name} v1").into();
        body["client_uri"] = "https://client.example.org/1".into();
        body["contacts"] = serde_json::json!(["v1@example.org"]);
        body["software_id"] = "x".repeat(200).into();
        let (found, answer) = answered(http.post(format!("{url}/register")).json(&body))
            .await
            .expect("an answer");
        status = found;
        if found != 201 {
            break;
        }
        clients.extend(Client::acknowledged(&answer, &name));
    }
    assert_eq!(status, 503, "{} clients fit", clients.len());
    assert!(clients.len() > 50, "{} clients fit", clients.len());
    // sled splits an overfull page when it is read, which is not possible now. The clients on that
    // page are unavailable.
    let mut waiting = 0;
    for client in &mut clients {
        match client.look(&registrar, &http).await {
            Found::Due => {}
            Found::Unavailable => waiting += 1,
            Found::Lost(what) => panic!("{what}: {}", registrar.log()),
        }
    }
    assert!(
        waiting < clients.len(),
        "none of the {waiting} clients can be read"
    );
    assert_eq!(
        answered(http.get(format!("{url}/readyz")))
            .await
            .expect("an answer")
            .0,
        503
    );
    assert_eq!(register().await.expect("an answer").0, 503);

    bound(&registrar, "unlimited");
    until(async || register().await.expect("an answer").0 == 201).await;
    clients.push(
        Client::register(&url, &http, "after")
            .await
            .expect("an answer"),
    );
    for client in &mut clients {
        assert_eq!(client.look(&registrar, &http).await, Found::Due);
    }
    registrar.kill();
    let data = registrar.folder().join("data");
    let check = command(&["store", "check", "--data", data.to_str().expect("a path")])
        .output()
        .expect("it runs");
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stdout)
    );
    let registrar = registrar.start_again();
    for client in &mut clients {
        assert_eq!(
            client.look(&registrar, &http).await,
            Found::Due,
            "nothing is lost"
        );
    }
}

/// Limits the size of the files that the server writes.
fn bound(registrar: &Registrar, bytes: &str) {
    let status = Command::new("prlimit")
        .args([
            "--pid",
            &registrar.id().to_string(),
            &format!("--fsize={bytes}:unlimited"),
        ])
        .status();
    assert!(status.expect("prlimit of util-linux is there").success());
}
