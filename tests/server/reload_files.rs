//! The ways in which script files change under a running server.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, TestServer, minimal, until};

fn version(number: usize) -> String {
    format!("fn createClient(context) {{ context.client.software_version = \"{number}\"; true }}\n")
}

async fn present(server: &TestServer) -> Value {
    server.register(&minimal()).await.body["software_version"].clone()
}

async fn until_version(server: &TestServer, number: usize) {
    until(async || present(server).await == json!(number.to_string())).await;
}

async fn ready(server: &TestServer) -> Value {
    let answer = Answer::of(server.ask("GET", "/readyz")).await;
    answer.expect_status(200);
    answer.body
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn a_partly_written_file_changes_nothing_until_it_is_complete() {
    let server = TestServer::scripted(&[("10-a.rhai", &version(1))], |_| {}).await;
    let before = ready(&server).await["scripts"].clone();
    let whole = version(2);
    server.write_script("10-a.rhai", &whole[..40]);
    until(async || ready(&server).await.get("scriptsError").is_some()).await;
    let scripts = server.called("GET", "/admin/v1/scripts").await;
    assert_eq!(scripts.body["error"], ready(&server).await["scriptsError"]);
    assert_eq!(
        (
            ready(&server).await["scripts"].clone(),
            present(&server).await
        ),
        (before, json!("1"))
    );
    server.write_script("10-a.rhai", &whole);
    until_version(&server, 2).await;
    assert_eq!(ready(&server).await.get("scriptsError"), None);
    // Many programs truncate the file first. Meanwhile no request bypasses the script.
    server.write_script("10-a.rhai", "");
    until(async || ready(&server).await.get("scriptsError").is_some()).await;
    assert_eq!(present(&server).await, json!("2"));
    server.write_script("10-a.rhai", &version(3));
    until_version(&server, 3).await;
}

#[tokio::test]
async fn kubernetes_swaps_a_symbolic_link() {
    // In a mounted ConfigMap, each file is a link through ..data, which is a link to a dated folder.
    let server = TestServer::scripted(&[], |_| {}).await;
    let directory = server.folder.path().join("scripts");
    write(&directory.join("..2026_01_01/10-a.rhai"), &version(1));
    symlink("..2026_01_01", directory.join("..data")).unwrap();
    symlink("..data/10-a.rhai", directory.join("10-a.rhai")).unwrap();
    until_version(&server, 1).await;
    for number in 2..5 {
        let folder = format!("..2026_01_0{number}");
        write(&directory.join(&folder).join("10-a.rhai"), &version(number));
        symlink(&folder, directory.join("..data_tmp")).unwrap();
        std::fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
        std::fs::remove_dir_all(directory.join(format!("..2026_01_0{}", number - 1))).unwrap();
        until_version(&server, number).await;
    }
}

#[tokio::test]
async fn of_rapid_saves_the_last_one_wins() {
    let server = TestServer::scripted(&[("10-a.rhai", &version(0))], |_| {}).await;
    let directory = server.folder.path().join("scripts");
    for number in 1..=60 {
        // Some editors write in place, some rename a new file over the old one; some saves are invalid.
        match number % 3 {
            0 => server.write_script("10-a.rhai", "fn createClient(context) {"),
            1 => server.write_script("10-a.rhai", &version(number)),
            _ => {
                server.write_script("10-a.rhai~", &version(number));
                std::fs::rename(directory.join("10-a.rhai~"), directory.join("10-a.rhai")).unwrap();
            }
        }
    }
    server.write_script("10-a.rhai", &version(61));
    until_version(&server, 61).await;
    until(async || ready(&server).await.get("scriptsError").is_none()).await;
    assert_eq!(present(&server).await, json!("61"));
}

#[tokio::test]
async fn the_server_reports_the_loaded_scripts_and_the_time() {
    let server = TestServer::scripted(&[("10-a.rhai", &version(1))], |_| {}).await;
    let first = server.inside().scripts();
    assert_eq!(ready(&server).await["scriptsSince"], first["since"]);
    let script = &first["scripts"][0];
    assert_eq!(
        (&script["name"], script["hash"].as_str().map(str::len)),
        (&json!("10-a.rhai"), Some(64))
    );
    assert_eq!(script["calls"], 0);
    server.register(&minimal()).await;
    server.clock.advance(100);
    server.write_script("10-a.rhai", &version(2));
    until_version(&server, 2).await;
    let second = server.inside().scripts();
    let since = |scripts: &Value| scripts["since"].as_u64().unwrap();
    assert_eq!(since(&second), since(&first) + 100);
    assert_ne!(second["scripts"][0]["hash"], script["hash"]);
    let calls = second["scripts"][0]["calls"].as_u64();
    assert!(calls.unwrap() >= 2, "a reload keeps the counts");
    // A save without changes causes no reload.
    server.clock.advance(100);
    server.write_script("10-a.rhai", &version(2));
    server.write_script("lib/new.rhai", "fn f() { 1 }");
    until(async || ready(&server).await["scripts"] != second["revision"]).await;
    assert_eq!(since(&server.inside().scripts()), since(&second) + 100);
}

/// Returns a server whose scripts in force must be missing for `quiet` milliseconds.
async fn server_with_removal(quiet: u64) -> TestServer {
    TestServer::scripted(
        &[
            ("10-a.rhai", &version(1)),
            ("20-b.rhai", "fn deleteClient(context) { true }"),
        ],
        |configuration| configuration.settings.scripts.removal_quiet_ms = quiet,
    )
    .await
}

#[tokio::test]
async fn a_script_that_disappears_for_a_moment_stays_in_force() {
    let server = server_with_removal(600_000).await;
    let directory = server.folder.path().join("scripts");
    std::fs::remove_file(directory.join("10-a.rhai")).unwrap();
    let error = async || ready(&server).await.get("scriptsError").cloned();
    until(async || error().await.is_some()).await;
    let reason = error().await.unwrap();
    let reason = reason.as_str().unwrap();
    assert!(
        reason.starts_with("10-a.rhai: missing") && reason.contains("scripts.removalQuietMs"),
        "{reason}"
    );
    // Neither another change nor a second missing script opens the gate.
    server.write_script("30-c.rhai", "fn updateClient(context) { true }");
    std::fs::remove_file(directory.join("20-b.rhai")).unwrap();
    until(async || {
        let reason = error().await.unwrap_or_default();
        reason
            .as_str()
            .unwrap_or_default()
            .starts_with("10-a.rhai, 20-b.rhai: missing")
    })
    .await;
    assert_eq!(present(&server).await, json!("1"));
    server.write_script("20-b.rhai", "fn deleteClient(context) { true }");
    server.write_script("10-a.rhai", &version(2));
    until_version(&server, 2).await;
    assert_eq!(error().await, None);
}

#[tokio::test]
async fn a_script_that_is_missing_for_long_enough_is_removed() {
    let server = server_with_removal(700).await;
    let begun = Instant::now();
    std::fs::remove_file(server.folder.path().join("scripts/10-a.rhai")).unwrap();
    until(async || present(&server).await == Value::Null).await;
    assert!(begun.elapsed() >= Duration::from_millis(700));
    assert_eq!(ready(&server).await.get("scriptsError"), None);
}

#[tokio::test]
async fn a_link_to_the_whole_folder_is_swapped() {
    let releases = tempfile::TempDir::new().unwrap();
    let current = releases.path().join("current");
    for number in 1..4 {
        let file = format!("{number}/10-a.rhai");
        write(&releases.path().join(file), &version(number));
    }
    symlink("1", &current).unwrap();
    let server = TestServer::scripted(&[], |configuration| {
        configuration
            .settings
            .scripts
            .directory
            .clone_from(&current);
    })
    .await;
    for number in 2..4 {
        symlink(number.to_string(), releases.path().join("next")).unwrap();
        std::fs::rename(releases.path().join("next"), &current).unwrap();
        until_version(&server, number).await;
        write(&current.join("10-a.rhai"), &version(10 * number));
        until_version(&server, 10 * number).await;
    }
}
