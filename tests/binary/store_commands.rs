//! `registrar store check`, `export` and `accept`.

#![expect(clippy::indexing_slicing, reason = "tests report problems by failing")]

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::acknowledged::{Client, Found};
use crate::process::{Database, Registrar, command};

pub(crate) fn store(data: &Path, arguments: &[&str]) -> Output {
    let data = ["--data", data.to_str().expect("a path")];
    command(&[&["store"][..], arguments, &data].concat())
        .output()
        .expect("the binary runs")
}

pub(crate) fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes))
        .concat()
}

/// Returns a store with three clients whose server has stopped.
pub(crate) async fn stopped(database: Database) -> (TempDir, Vec<Client>) {
    let mut registrar = Registrar::start_with(&database.configuration(""));
    let http = reqwest::Client::new();
    let mut clients = Vec::new();
    for name in ["a", "b", "c"] {
        clients.push(
            Client::register(&registrar.url(""), &http, name)
                .await
                .expect("an answer"),
        );
    }
    assert!(registrar.terminate().success());
    (registrar.into_folder(), clients)
}

#[tokio::test]
async fn an_intact_store_is_fine_and_is_exported() {
    intact(Database::Sled).await;
}

#[tokio::test]
async fn an_intact_store_of_fjall_is_fine_and_is_exported() {
    intact(Database::Fjall).await;
}

async fn intact(database: Database) {
    let (folder, clients) = stopped(database).await;
    let (data, file) = (folder.path().join("data"), folder.path().join("export"));
    let check = store(&data, &["check"]);
    // The administrator is the fourth.
    assert!(
        check.status.success() && text(&check).contains("fine, 4 clients"),
        "{}",
        text(&check)
    );
    let export = store(&data, &["export", file.to_str().expect("a path")]);
    assert!(export.status.success(), "{}", text(&export));
    let lines = fs::read_to_string(&file).expect("it is there");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        lines.last(),
        Some(&serde_json::json!({"clients": clients.len()}))
    );
    for member in [
        "client_id",
        "client_secret",
        "registration_access_token_sha256",
        "metadata",
        "provenance",
    ] {
        assert!(
            lines[..3].iter().all(|line| line.get(member).is_some()),
            "{member} in {lines:?}"
        );
    }
    let again = store(&data, &["export", file.to_str().expect("a path")]);
    assert_eq!(
        again.status.code(),
        Some(1),
        "an existing file is not overwritten"
    );
    let said = format!(
        "registrar: {} already exists; name another file",
        file.display()
    );
    assert!(text(&again).starts_with(&said), "{}", text(&again));
    assert_eq!(
        fs::read_dir(folder.path()).expect("files").count(),
        4,
        "the copies are gone"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn an_export_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, _) = stopped(Database::Sled).await;
    let file = folder.path().join("export");
    store(
        &folder.path().join("data"),
        &["export", file.to_str().expect("a path")],
    );
    assert_eq!(
        fs::metadata(file)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
}

#[tokio::test]
async fn a_lost_batch_stops_the_start_until_the_loss_is_accepted() {
    lost_batch(Database::Sled).await;
}

#[tokio::test]
async fn a_lost_batch_of_fjall_stops_the_start_until_the_loss_is_accepted() {
    lost_batch(Database::Fjall).await;
}

/// Returns whether a file or folder of this name belongs to the database of a store.
fn is_database(name: &Path) -> bool {
    let name = name.to_string_lossy();
    name == "db" || name == "fjall" || name.starts_with("snap.")
}

/// Copies the database of the store in `from`, in place of that in `to`.
fn put_database(from: &Path, to: &Path) {
    for entry in fs::read_dir(to).expect("files") {
        let path = entry.expect("a file").path();
        if is_database(Path::new(path.file_name().expect("a name"))) {
            let removed = if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
            removed.expect("it is removed");
        }
    }
    for entry in fs::read_dir(from).expect("files") {
        let entry = entry.expect("a file");
        if is_database(Path::new(&entry.file_name())) {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    }
}

/// Copies a file, or a folder with everything in it.
fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).expect("it is copied");
        return;
    }
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("files") {
        let entry = entry.expect("a file");
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

async fn lost_batch(database: Database) {
    let (folder, mut clients) = stopped(database).await;
    let (old, data) = (folder.path().join("old"), folder.path().join("data"));
    fs::create_dir(&old).expect("a folder");
    put_database(&data, &old);
    let (mut registrar, http) = (
        Registrar::try_start_in(folder, std::time::Duration::from_mins(1))
            .ok()
            .expect("it starts"),
        reqwest::Client::new(),
    );
    Client::register(&registrar.url(""), &http, "last")
        .await
        .expect("an answer");
    registrar.kill();
    let folder = registrar.into_folder();
    // The earlier database with the later mark, as if the end of the log had been lost.
    put_database(&old, &data);
    let check = store(&data, &["check"]);
    assert_eq!(check.status.code(), Some(1));
    assert!(
        text(&check).contains("acknowledged batches are missing"),
        "{}",
        text(&check)
    );
    let refusal = Registrar::try_start_in(folder, std::time::Duration::from_mins(1))
        .err()
        .expect("it is refused");
    assert_eq!(refusal.code, Some(1));
    assert!(
        refusal.log.contains("acknowledged batches are missing"),
        "{}",
        refusal.log
    );

    let folder = refusal.folder;
    assert!(store(&data, &["accept"]).status.success());
    let registrar = Registrar::try_start_in(folder, std::time::Duration::from_mins(1))
        .ok()
        .expect("it starts");
    for client in &mut clients {
        assert_eq!(client.look(&registrar, &http).await, Found::Due);
    }
}

#[test]
fn a_store_that_is_in_use_or_missing_is_left_alone() {
    for database in [Database::Sled, Database::Fjall] {
        in_use_or_missing(&Registrar::start_with(&database.configuration("")));
    }
}

fn in_use_or_missing(registrar: &Registrar) {
    let data = registrar.folder().join("data");
    let file = registrar.folder().join("export");
    for arguments in [
        &["check"][..],
        &["export", file.to_str().expect("a path")],
        &["accept"],
    ] {
        let output = store(&data, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(
            text(&output).contains("another registrar has the folder"),
            "{}",
            text(&output)
        );
    }
    let nowhere = registrar.folder().join("nowhere");
    for arguments in [
        &["check"][..],
        &["export", file.to_str().expect("a path")],
        &["accept"],
    ] {
        let output = store(&nowhere, arguments);
        let said = format!(
            "registrar: there is no store in {}; name its folder with --data",
            nowhere.display()
        );
        assert!(
            output.status.code() == Some(1) && text(&output).starts_with(&said),
            "{arguments:?}: {}",
            text(&output)
        );
    }
    assert!(!nowhere.exists());
}

#[tokio::test]
async fn a_lost_key_stops_the_start_until_the_loss_is_accepted() {
    lost_key(Database::Sled).await;
}

#[tokio::test]
async fn a_lost_key_beside_fjall_stops_the_start_until_the_loss_is_accepted() {
    lost_key(Database::Fjall).await;
}

async fn lost_key(database: Database) {
    let (folder, clients) = stopped(database).await;
    let data = folder.path().join("data");
    fs::remove_file(data.join("registrar.key")).expect("it is removed");
    let check = store(&data, &["check"]);
    assert_eq!(check.status.code(), Some(1), "{}", text(&check));
    for part in [
        "registrar.key: it is missing",
        "registrar store accept",
        "1 fault found",
    ] {
        assert!(
            text(&check).contains(part),
            "'{}' does not say '{part}'",
            text(&check)
        );
    }
    let patience = std::time::Duration::from_mins(1);
    let refusal = Registrar::try_start_in(folder, patience)
        .err()
        .expect("it is refused");
    assert!(
        refusal.log.contains("registrar store accept"),
        "{}",
        refusal.log
    );

    let accept = store(&data, &["accept"]);
    assert!(accept.status.success(), "{}", text(&accept));
    for part in [
        "registrar.key",
        "client secrets",
        "registrar admin reset",
        "the next start continues",
    ] {
        assert!(
            text(&accept).contains(part),
            "'{}' does not say '{part}'",
            text(&accept)
        );
    }
    assert!(store(&data, &["check"]).status.success());
    let reset = ["admin", "reset", "--data", data.to_str().expect("a path")];
    assert!(
        command(&reset)
            .output()
            .expect("the binary runs")
            .status
            .success()
    );
    let registrar = Registrar::try_start_in(refusal.folder, patience)
        .ok()
        .expect("it starts");
    let list = registrar
        .cli(&["clients", "list", "--format", "json"])
        .json();
    assert_eq!(list.as_array().expect("an array").len(), clients.len() + 1);
}
