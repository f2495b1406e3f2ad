//! `registrar store convert`: a store in another database, with everything that it had.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use crate::acknowledged::{Client, Found};
use crate::process::{Database, Registrar, command};
use crate::store_commands::{stopped, store, text};

const PATIENCE: Duration = Duration::from_mins(1);

fn url(database: &str, folder: &Path) -> String {
    format!("{database}:{}", folder.display())
}

fn convert(from: &str, to: &str) -> Output {
    command(&["store", "convert", from, to])
        .output()
        .expect("the binary runs")
}

/// Returns what `store check` says about a store, after the name of its folder.
fn checked(data: &Path) -> String {
    let said = text(&store(data, &["check"]));
    let (_, counts) = said.split_once(": ").expect("a result");
    counts.to_owned()
}

/// Returns the export of a store.
fn exported(data: &Path, file: &Path) -> String {
    let export = store(data, &["export", file.to_str().expect("a path")]);
    assert!(export.status.success(), "{}", text(&export));
    fs::read_to_string(file).expect("an export")
}

#[tokio::test]
async fn a_store_has_the_same_records_in_the_other_database_and_back_again() {
    let (folder, mut clients) = stopped(Database::Sled).await;
    let place = |name: &str| folder.path().join(name);
    let (data, old, new) = (place("data"), place("old"), place("new"));
    let counts = checked(&data);
    assert!(counts.starts_with("fine, 4 clients"), "{counts}");
    let export = exported(&data, &place("first"));
    for (from, to) in [("sled", "fjall"), ("fjall", "sled")] {
        let done = convert(&url(from, &data), &url(to, &new));
        assert!(done.status.success(), "{}", text(&done));
        let named = format!("set store.url to {}", url(to, &new));
        assert!(text(&done).contains(&named), "{}", text(&done));
        assert_eq!(checked(&new), counts);
        assert_eq!(checked(&data), counts, "the first store stays as it is");
        assert_eq!(exported(&new, &place(to)), export);
        fs::rename(&data, old.with_extension(from)).expect("it is moved");
        fs::rename(&new, &data).expect("it is moved");
    }
    assert!(data.join("admin-credentials.json").exists());
    let registrar = Registrar::try_start_in(folder, PATIENCE)
        .ok()
        .expect("it starts");
    let http = reqwest::Client::new();
    for client in &mut clients {
        assert_eq!(client.look(&registrar, &http).await, Found::Due);
    }
}

#[tokio::test]
async fn a_server_continues_on_the_converted_store_and_notices_what_it_loses() {
    let (folder, mut clients) = stopped(Database::Sled).await;
    let (data, new) = (folder.path().join("data"), folder.path().join("new"));
    assert!(
        convert(&url("sled", &data), &url("fjall", &new))
            .status
            .success()
    );
    fs::remove_dir_all(&data).expect("it is removed");
    fs::rename(&new, &data).expect("it is moved");
    let mut registrar = Registrar::try_start_in(folder, PATIENCE)
        .ok()
        .expect("it starts");
    let http = reqwest::Client::new();
    let late = Client::register(&registrar.url(""), &http, "late").await;
    clients.push(late.expect("an answer"));
    for client in &mut clients {
        assert_eq!(client.look(&registrar, &http).await, Found::Due);
    }
    registrar.kill();
    let folder = registrar.into_folder();
    for entry in fs::read_dir(folder.path().join("data/fjall")).expect("files") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|ending| ending == "jnl") {
            fs::write(path, "").expect("it is emptied");
        }
    }
    let refusal = Registrar::try_start_in(folder, PATIENCE)
        .err()
        .expect("it is refused");
    let says = "acknowledged batches are missing";
    assert!(refusal.log.contains(says), "{}", refusal.log);
}

#[tokio::test]
async fn nothing_is_converted_that_is_missing_in_use_or_damaged_and_nothing_is_overwritten() {
    let (folder, _) = stopped(Database::Sled).await;
    let place = |name: &str| folder.path().join(name);
    let (data, full) = (place("data"), place("full"));
    fs::create_dir(&full).expect("a folder");
    fs::write(full.join("something"), "else").expect("a file");
    let refused = |from: &str, to: &str, says: &str| {
        let done = convert(from, to);
        let told = text(&done);
        assert!(
            done.status.code() == Some(1) && told.contains(says),
            "{told}"
        );
    };
    let (from, to) = (url("sled", &data), url("fjall", &place("new")));
    refused(&from, &url("fjall", &full), "it is not empty");
    refused(&from, &url("fjall", &data), "it is not empty");
    refused(
        &url("sled", &place("no")),
        &to,
        "there is no store of sled in",
    );
    refused(&url("fjall", &data), &to, "there is no store of fjall in");
    refused(
        "memory:",
        &to,
        "'memory:' is not the URL of an embedded store",
    );
    fs::remove_file(data.join("registrar.mark")).expect("it is removed");
    fs::write(data.join("registrar.mark"), "altered").expect("it is written");
    refused(&from, &to, "the store is damaged");
    assert!(!place("new/fjall").exists() && !place("no").exists());

    let (folder, _) = stopped(Database::Fjall).await;
    let registrar = Registrar::try_start_in(folder, PATIENCE)
        .ok()
        .expect("it starts");
    let data = registrar.folder().join("data");
    let to = url("sled", &registrar.folder().join("new"));
    refused(
        &url("fjall", &data),
        &to,
        "another registrar has the folder",
    );
}

#[tokio::test]
async fn a_folder_with_the_store_of_another_database_is_left_alone() {
    let (folder, _) = stopped(Database::Fjall).await;
    let file = folder.path().join("registrar.toml");
    let data = folder.path().join("data");
    let other = format!("[store]\nurl = \"{}\"\n", url("sled", &data));
    fs::write(&file, other).expect("a configuration");
    let file = file.to_str().expect("a path");
    let serve = command(&["serve", "--config", file, "--listen", "127.0.0.1:0"])
        .output()
        .expect("the binary runs");
    let said = text(&serve);
    let says = format!("the store in {} is one of fjall", data.display());
    assert!(
        serve.status.code() == Some(1) && said.contains(&says),
        "{said}"
    );
    assert!(!data.join("db").exists());
}
