//! `registrar store restore`, killed at random moments.

use std::fs;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::acknowledged::Dice;
use crate::process::{Database, Registrar, command};
use crate::remote::Ran;
use crate::store_backup::back_up;

/// Rounds with each database.
const ROUNDS: u64 = 8;
/// Clients in the backup.
const CLIENTS: usize = 150;
/// What a command and a server say of a part of a store.
const UNFINISHED: &str =
    "was not finished; remove everything in the folder, and run 'registrar store restore' again";

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

/// A place for a store, a backup to restore there, and its key.
struct Place {
    folder: TempDir,
    database: Database,
}

impl Place {
    /// Runs `registrar store` with the store of this place.
    fn store(&self, arguments: &[&str]) -> std::process::Command {
        let configuration = self.folder.path().join("registrar.toml");
        let mut all = [&["store"], arguments].concat();
        all.extend(["--config", text(&configuration)]);
        let mut command = command(&all);
        let data = self.data();
        command.env("REGISTRAR_STORE__URL", self.database.url(&data));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.store(arguments).output();
        Ran::of(&output.expect("the binary runs"))
    }

    fn restore(&self) -> std::process::Command {
        let path = |name: &str| self.folder.path().join(name);
        let (file, key) = (path("backup"), path("key"));
        self.store(&["restore", text(&file), "--key", text(&key)])
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Whether a restore has begun and is not finished.
    fn is_marked(&self) -> bool {
        self.data().join("registrar.restoring").exists()
    }
}

/// Kills `child` when `mark` says that it works and `rest` has passed since then. Returns what it was told until then.
fn killed(mut child: Child, is_at_work: impl Fn() -> bool, rest: Duration) -> Output {
    while !is_at_work() && child.try_wait().expect("a state").is_none() {
        std::thread::yield_now();
    }
    let end = Instant::now() + rest;
    while Instant::now() < end && child.try_wait().expect("a state").is_none() {
        std::thread::yield_now();
    }
    // It may have ended.
    let _ = child.kill();
    child.wait_with_output().expect("it ends")
}

#[tokio::test]
async fn no_server_starts_on_a_restore_that_was_killed_and_a_second_one_is_complete() {
    rounds(Database::Sled).await;
}

#[tokio::test]
async fn the_same_with_fjall() {
    rounds(Database::Fjall).await;
}

async fn rounds(database: Database) {
    let (mut place, export) = prepared(database).await;
    // How long a restore takes, of which everything is compared.
    let begun = Instant::now();
    let whole = Ran::of(&place.restore().output().expect("the binary runs"));
    whole.fine();
    let took = u64::try_from(begun.elapsed().as_micros()).expect("a short time");
    place = compared(place, &export);
    let (mut dice, mut interrupted) = (Dice(11), 0);
    for _ in 0..ROUNDS {
        fs::remove_dir_all(place.data()).expect("it is there");
        let mut command = place.restore();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the binary runs");
        let rest = Duration::from_micros(dice.below(took / 2));
        let output = killed(child, || place.is_marked(), rest);
        if !place.is_marked() {
            // It was killed at its very end, or had ended.
            place = compared(place, &export);
            continue;
        }
        assert!(!output.status.success());
        interrupted += 1;
        let refusal = Registrar::try_start_in(place.folder, Duration::from_mins(1)).err();
        let refusal = refusal.expect("the store is not complete");
        assert!(refusal.log.contains(UNFINISHED), "{}", refusal.log);
        place = Place {
            folder: refusal.folder,
            database,
        };
        for arguments in [&["check"][..], &["accept"]] {
            place.run(arguments).failed(1, &[UNFINISHED]);
        }
        let again = Ran::of(&place.restore().output().expect("the binary runs"));
        again.failed(1, &[UNFINISHED]);
        fs::remove_dir_all(place.data()).expect("it is there");
        let again = Ran::of(&place.restore().output().expect("the binary runs"));
        assert!(again.fine().contains("restored"));
    }
    assert!(interrupted > 0, "no restore was interrupted");
    compared(place, &export);
}

/// Returns a place with a backup, and an export of the same clients.
async fn prepared(database: Database) -> (Place, String) {
    let registrar = Registrar::start();
    for number in 0..CLIENTS {
        registrar
            .register(json!({"client_name": number.to_string()}))
            .await;
    }
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("registrar.toml"), database.configuration("")).expect("a configuration");
    back_up(&registrar, &path("backup"), &[]).fine();
    let data = registrar.folder().join("data");
    fs::copy(data.join("registrar.key"), path("key")).expect("it is copied");
    fs::copy(registrar.credentials(), path("credentials")).expect("it is copied");
    let export = registrar.cli(&["clients", "export"]).fine();
    (Place { folder, database }, export)
}

/// Starts a server on the restored store, which must have exactly the clients of `export`.
fn compared(place: Place, export: &str) -> Place {
    let database = place.database;
    let credentials = place.folder.path().join("credentials");
    fs::copy(credentials, place.data().join("admin-credentials.json")).expect("it is copied");
    let started = Registrar::try_start_in(place.folder, Duration::from_mins(1));
    let mut registrar = started.unwrap_or_else(|refusal| panic!("{}", refusal.log));
    assert_eq!(registrar.cli(&["clients", "export"]).fine(), export);
    registrar.kill();
    let folder = registrar.into_folder();
    fs::remove_file(folder.path().join("log")).expect("it is there");
    Place { folder, database }
}

#[tokio::test]
async fn a_store_is_restored_and_checked_where_no_configuration_is() {
    let registrar = Registrar::start();
    registrar.register(json!({})).await;
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("backup");
    back_up(&registrar, &file, &[]).fine();
    let key = registrar.folder().join("data/registrar.key");
    let run = |arguments: &[&str]| {
        let output = command(arguments).current_dir(folder.path()).output();
        Ran::of(&output.expect("the binary runs"))
    };
    run(&[
        "store",
        "restore",
        "backup",
        "--data",
        "data",
        "--key",
        text(&key),
    ])
    .fine();
    let said = run(&["store", "check", "--data", "data"]).fine();
    assert!(said.contains("fine, 2 clients"), "{said}");
    run(&["audit", "verify", "--data", "data"]).fine();
    let named = ["store", "check", "--data", "data", "--config", "other.toml"];
    run(&named).failed(1, &["other.toml: cannot read the file"]);
}

#[tokio::test]
async fn a_restore_into_a_new_folder_is_for_a_server_with_the_same_configuration() {
    let (place, export) = prepared(Database::Fjall).await;
    let path = |name: &str| place.folder.path().join(name);
    let data = place.data();
    // In a folder of another name, only the configuration tells the database.
    let (configuration, file, key) = (path("registrar.toml"), path("backup"), path("key"));
    let restore = ["store", "restore", text(&file), "--key", text(&key)];
    let rest = ["--data", text(&data), "--config", text(&configuration)];
    let output = command(&[&restore[..], &rest].concat()).output();
    Ran::of(&output.expect("the binary runs")).fine();
    assert!(!data.join("db").exists(), "it is no store of sled");
    let place = compared(place, &export);
    // A store that is there says itself what it is of.
    let check = ["store", "check", "--data", text(&data)];
    let output = command(&check).current_dir(place.folder.path()).output();
    Ran::of(&output.expect("the binary runs")).fine();
}
