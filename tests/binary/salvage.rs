//! `registrar store check` and `export` on a store that sled cannot read: they terminate and recover
//! what is readable.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tempfile::TempDir;

use crate::acknowledged::Client;
use crate::process::{Registrar, command};

/// Clients in the store.
const CLIENTS: usize = 1_200;
/// Timeout of a command: it gives sled a minute to open a copy, and ten seconds for one record.
const PATIENCE: Duration = Duration::from_mins(4);

/// Returns a store whose server was stopped, and with `is_reopened` was started and stopped once more.
async fn stopped(is_reopened: bool) -> TempDir {
    let (mut registrar, http) = (Registrar::start(), reqwest::Client::new());
    let url = registrar.url("");
    for turn in 0..CLIENTS / 20 {
        let names: Vec<_> = (0..20).map(|number| format!("{turn} {number}")).collect();
        let made = join_all(names.iter().map(|name| Client::register(&url, &http, name))).await;
        assert!(made.iter().all(Option::is_some));
    }
    assert!(registrar.terminate().success());
    if is_reopened {
        registrar = registrar.start_again();
        assert!(registrar.terminate().success());
    }
    registrar.into_folder()
}

fn spawn(data: &Path, arguments: &[&str]) -> Child {
    let data = ["--data", data.to_str().expect("a path")];
    let mut command = command(&[&["store"][..], arguments, &data].concat());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("the binary runs")
}

/// Runs a command that must terminate by itself.
fn run(data: &Path, arguments: &[&str]) -> Output {
    let (begun, mut child) = (Instant::now(), spawn(data, arguments));
    while child.try_wait().expect("it can be asked").is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().expect("it can be killed");
            panic!("{arguments:?} did not end within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().expect("it ended")
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes))
        .concat()
}

/// Returns the number of clients in an export, and removes the files of the export.
fn exported(data: &Path, note: &str) -> usize {
    let file = data.with_extension("export");
    let _ = fs::remove_file(&file);
    let output = run(data, &["export", file.to_str().expect("a path")]);
    assert_eq!(copies(data), 0, "{note}: {}", text(&output));
    let lines = fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{note}: {error}: {}", text(&output)));
    let count = lines.lines().count() - 1;
    assert!(
        lines.ends_with(&format!("{{\"clients\":{count}}}\n")),
        "{note}"
    );
    count
}

fn copies(data: &Path) -> usize {
    let entries = fs::read_dir(data)
        .expect("files")
        .map(|entry| entry.expect("a file").file_name());
    entries
        .filter(|name| name.to_string_lossy().starts_with("copy-"))
        .count()
}

/// Copies the store in `from` to `to` with another log.
fn with_log(from: &Path, to: &Path, log: &[u8]) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to.join("blobs")).expect("a folder");
    for entry in fs::read_dir(from)
        .expect("files")
        .map(|entry| entry.expect("a file"))
    {
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("it is copied");
        }
    }
    fs::write(to.join("db"), log).expect("it is written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hole_loses_only_its_records_and_a_torn_tail_only_the_last_ones() {
    for is_reopened in [false, true] {
        let folder = stopped(is_reopened).await;
        let (data, torn) = (folder.path().join("data"), folder.path().join("torn"));
        let whole = fs::read(data.join("db")).expect("a log");
        let used = whole
            .iter()
            .rposition(|byte| *byte != 0)
            .expect("something");
        for part in 1..6 {
            let (mut log, at) = (whole.clone(), used * part / 6);
            log.iter_mut()
                .skip(at)
                .take(4_096)
                .for_each(|byte| *byte = 0);
            with_log(&data, &torn, &log);
            let note = format!("zeros from {at} of {used}, reopened: {is_reopened}");
            let check = run(&torn, &["check"]);
            let said = text(&check);
            assert!(
                matches!(check.status.code(), Some(0 | 1)) && !said.contains("panicked"),
                "{note}: {said}"
            );
            let count = exported(&torn, &note);
            assert!(
                count * 100 >= CLIENTS * 96,
                "{note}: {count} of {CLIENTS} clients: {said}"
            );
            assert_eq!(
                fs::read(torn.join("db")).expect("a log"),
                log,
                "{note}: neither command changes the log"
            );
        }
        for percent in [90, 50, 20] {
            let mut log = whole.clone();
            log.truncate(used * percent / 100);
            with_log(&data, &torn, &log);
            let note = format!("cut to {percent} %, reopened: {is_reopened}");
            assert_eq!(run(&torn, &["check"]).status.code(), Some(1), "{note}");
            let count = exported(&torn, &note);
            assert!(
                count * 100 >= CLIENTS * (percent - 15),
                "{note}: {count} of {CLIENTS} clients"
            );
        }
    }
}

/// How an operator gets the server running again.
#[tokio::test]
async fn an_accepted_store_starts_and_is_complete() {
    let folder = stopped(true).await;
    let (data, torn) = (folder.path().join("data"), folder.path().join("torn"));
    let whole = fs::read(data.join("db")).expect("a log");
    let used = whole
        .iter()
        .rposition(|byte| *byte != 0)
        .expect("something");
    // At some offset there is a hole that sled cannot get past.
    let hole = (1..40).map(|part| used * part / 40).find(|at| {
        let mut log = whole.clone();
        log.iter_mut()
            .skip(*at)
            .take(4_096)
            .for_each(|byte| *byte = 0);
        with_log(&data, &torn, &log);
        text(&run(&torn, &["check"])).contains("sled cannot read all of its files")
    });
    let hole = hole.expect("this test needs a hole that sled cannot get past");
    let accept = run(&torn, &["accept"]);
    assert!(
        accept.status.success() && text(&accept).contains("damaged-"),
        "{}",
        text(&accept)
    );
    assert_eq!(copies(&torn), 0);
    let check = run(&torn, &["check"]);
    assert!(
        check.status.success() && text(&check).contains("fine, "),
        "hole at {hole}: {}",
        text(&check)
    );
    let count = exported(&torn, "accepted");
    assert!(count * 100 >= CLIENTS * 96, "{count} of {CLIENTS} clients");

    fs::remove_dir_all(&data).expect("it is removed");
    fs::rename(&torn, &data).expect("it is moved");
    let patience = Duration::from_mins(1);
    let mut registrar = Registrar::try_start_in(folder, patience)
        .unwrap_or_else(|refusal| panic!("{}", refusal.log));
    let client = Client::register(&registrar.url(""), &reqwest::Client::new(), "after").await;
    assert!(client.is_some());
    let audit = registrar.cli(&["audit", "--format", "json"]).fine();
    let events = audit.lines().count();
    assert!(
        events > CLIENTS * 96 / 100
            && audit
                .lines()
                .last()
                .expect("an event")
                .contains("client_created")
    );
    let positions: Vec<u64> = audit
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .filter_map(|event| event["position"].as_u64())
        .collect();
    assert!(
        positions.last() > Some(&(CLIENTS as u64)),
        "new events follow the last event of the log"
    );
    assert!(registrar.terminate().success());
    let check = run(&registrar.folder().join("data"), &["check"]);
    let due = format!("fine, {} clients", count + 2);
    assert!(
        text(&check).contains(&due),
        "the administrator and the new client: {}",
        text(&check)
    );
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_command_leaves_no_copy() {
    let folder = stopped(true).await;
    let data = folder.path().join("data");
    // The log is damaged and long, so copying and reading take a while.
    let mut log = File::options()
        .write(true)
        .open(data.join("db"))
        .expect("a log");
    log.set_len(256 << 20).expect("it is longer");
    log.seek(SeekFrom::Start(600_000))
        .and_then(|_| log.write_all(&vec![0; 100_000]))
        .expect("it is damaged");
    drop(log);
    let file = folder.path().join("export");
    for (signal, arguments) in [
        ("-TERM", vec!["check"]),
        ("-INT", vec!["export", file.to_str().expect("a path")]),
    ] {
        let child = spawn(&data, &arguments);
        let begun = Instant::now();
        while copies(&data) == 0 {
            assert!(begun.elapsed() < PATIENCE, "{arguments:?} made no copy");
            std::thread::sleep(Duration::from_millis(1));
        }
        let kill = command_kill(signal, child.id());
        assert!(kill, "the command can be interrupted");
        let output = child.wait_with_output().expect("it ended");
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(
            text(&output).contains("interrupted before it finished"),
            "{}",
            text(&output)
        );
        assert_eq!(copies(&data), 0);
        assert!(!file.exists(), "an interrupted export leaves no file");
    }
}

#[cfg(unix)]
fn command_kill(signal: &str, id: u32) -> bool {
    std::process::Command::new("kill")
        .args([signal, &id.to_string()])
        .status()
        .expect("kill runs")
        .success()
}
