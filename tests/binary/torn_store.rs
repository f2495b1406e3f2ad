//! Damages the files of a store at random positions and starts the server on them. Either everything
//! that was acknowledged is there, or the server reports the loss. It never continues silently.
//!
//! `cargo test --test binary` makes a few cuts with each database. To choose the number of cuts, the database and
//! the binary:
//!
//! ```text
//! REGISTRAR_CUTS=200 REGISTRAR_DATABASE=fjall REGISTRAR_BINARY=target/release/registrar \
//!     cargo test --test binary torn_store::as_many_cuts_as_asked_for -- --ignored --nocapture
//! ```

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests report problems by failing, and long ones print what they saw"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::acknowledged::{Client, Dice, Due, Found, number};
use crate::process::{Database, Registrar, command};
use crate::store_backup::{back_up, restored};

/// How long a server may take to start or to report why it does not.
const PATIENCE: Duration = Duration::from_mins(3);
/// Size of a disk page in bytes.
const PAGE: u64 = 4096;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_store_is_complete_or_rejected() {
    cuts(8, 3, Database::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_store_of_fjall_is_complete_or_rejected() {
    cuts(8, 3, Database::Fjall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: see the head of this file"]
async fn as_many_cuts_as_asked_for() {
    let (many, seed) = (number("REGISTRAR_CUTS", 200), number("REGISTRAR_SEED", 1));
    cuts(many, seed, Database::chosen()).await;
}

/// The outcome of starting on a damaged store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It started, and every client was there.
    Whole,
    /// It started, and answered with 503 for what is missing.
    Noticed,
    /// It did not start, because the database could not read everything.
    Refused,
    /// It did not start although the database would have continued: our own tally and mark did not match.
    Missed,
}

async fn cuts(many: u64, seed: u64, database: Database) {
    let (mut dice, begun) = (Dice(seed), Instant::now());
    let bases = [base(false, database).await, base(true, database).await];
    let mut outcomes: BTreeMap<(&'static str, Outcome), u64> = BTreeMap::new();
    let (mut exported, mut due) = (0, 0);
    for cut in 0..many {
        let (folder, clients) = &bases[usize::try_from(cut % 2).expect("small")];
        let torn = TempDir::new().expect("a folder");
        copy(folder.path(), torn.path());
        let data = torn.path().join("data");
        let (kind, what) = match database {
            Database::Sled => damage(&data, cut / 2 % 8, &mut dice),
            Database::Fjall => damage_fjall(&data, cut / 2 % 8, &mut dice),
        };
        let note = format!("cut {cut} of seed {seed}: {what}");
        let evidence = TempDir::new().expect("a folder");
        copy(torn.path(), evidence.path());
        let outcome = judge(torn, clients, &note).await;
        *outcomes.entry((kind, outcome)).or_default() += 1;
        if outcome != Outcome::Whole {
            let lines = way_out(evidence.path(), &note);
            let live = clients
                .iter()
                .filter(|client| client.due != Due::Gone)
                .count();
            println!("{note}: {outcome:?}, {lines} of {live} exported");
            exported += lines;
            due += live;
            let restored = restored(&folder.path().join("data"), &folder.path().join("backup"));
            for client in clients {
                let found = client
                    .clone()
                    .look(&restored, &reqwest::Client::new())
                    .await;
                assert_eq!(found, Found::Due, "{note}: restored");
            }
        }
    }
    for ((kind, outcome), count) in &outcomes {
        println!("{kind:<24}{outcome:?}: {count}");
    }
    println!(
        "{many} cuts in {:?}; {exported} of {due} clients were exported from rejected stores",
        begun.elapsed()
    );
}

/// Returns a store with a history: several starts, so that it has a snapshot and a log after it, and
/// an end by SIGTERM or SIGKILL.
async fn base(is_clean: bool, database: Database) -> (TempDir, Vec<Client>) {
    let mut registrar = Registrar::start_with(&database.configuration(""));
    let http = reqwest::Client::new();
    let mut clients: Vec<Client> = Vec::new();
    for turn in 0..3_usize {
        let url = registrar.url("");
        for chunk in 0..6 {
            let names: Vec<_> = (0..10)
                .map(|number| format!("torn {turn} {chunk} {number}"))
                .collect();
            let made = names.iter().map(|name| Client::register(&url, &http, name));
            clients.extend(
                futures_util::future::join_all(made)
                    .await
                    .into_iter()
                    .flatten(),
            );
        }
        assert_eq!(clients.len(), (turn + 1) * 60);
        for index in (turn..clients.len()).step_by(4) {
            clients[index].update(&url, &http).await.expect("an answer");
        }
        for index in (turn..clients.len()).step_by(9) {
            clients[index].delete(&url, &http).await.expect("an answer");
        }
        if turn == 2 {
            back_up(&registrar, &registrar.folder().join("backup"), &[]).fine();
        }
        if is_clean || turn < 2 {
            assert!(registrar.terminate().success());
        } else {
            registrar.kill();
        }
        if turn < 2 {
            registrar = registrar.start_again();
        }
    }
    (registrar.into_folder(), clients)
}

/// Damages one file. Returns the damage as one word and in full.
fn damage(data: &Path, kind: u64, dice: &mut Dice) -> (&'static str, String) {
    let log = data.join("db");
    let snapshot = fs::read_dir(data)
        .expect("files")
        .map(|entry| entry.expect("a file").path());
    let snapshot = snapshot
        .filter(|path| path.to_string_lossy().contains("snap."))
        .max();
    let length = used(&log);
    match kind {
        0 => ("log cut", cut(&log, length, length, dice)),
        1 => ("log cut near its end", cut(&log, length, 4 * PAGE, dice)),
        2 | 3 => ("byte of the log", flip(&log, length, dice)),
        4 => ("page of the log", zero(&log, length, dice)),
        5 => match snapshot {
            Some(file) if dice.below(2) == 0 => ("snapshot", flip(&file, used(&file), dice)),
            Some(file) => ("snapshot", cut(&file, used(&file), used(&file), dice)),
            None => ("byte of the log", flip(&log, length, dice)),
        },
        6 => ("late byte of the log", {
            let from = length.saturating_sub(16 * PAGE);
            flip_from(&log, from, length - from, dice)
        }),
        _ => {
            let file = data.join(["registrar.mark", "conf", "registrar.key"][index(dice.below(3))]);
            ("small file", flip(&file, used(&file), dice))
        }
    }
}

/// Damages one file of a store of fjall. Returns the damage as one word and in full.
fn damage_fjall(data: &Path, kind: u64, dice: &mut Dice) -> (&'static str, String) {
    let home = data.join("fjall");
    let journal = listing(&home)
        .into_keys()
        .rfind(|path| path.extension().is_some_and(|ending| ending == "jnl"))
        .expect("a journal");
    let length = used(&journal);
    match kind {
        0 => ("journal cut", cut(&journal, length, length, dice)),
        1 => (
            "journal cut near its end",
            cut(&journal, length, 4 * PAGE, dice),
        ),
        2 | 3 => ("byte of the journal", flip(&journal, length, dice)),
        4 => ("page of the journal", zero(&journal, length, dice)),
        5 => {
            let lists: Vec<_> = listing(&home.join("keyspaces")).into_keys().collect();
            let list = &lists[index(dice.below(lists.len() as u64))];
            if dice.below(2) == 0 {
                fs::remove_file(list).expect("it is removed");
                ("list of tables", format!("{} removed", list.display()))
            } else {
                ("list of tables", flip(list, used(list), dice))
            }
        }
        6 => {
            fs::remove_file(&journal).expect("it is removed");
            ("journal", format!("{} removed", journal.display()))
        }
        _ => {
            let file = data
                .join(["registrar.mark", "fjall/version", "registrar.key"][index(dice.below(3))]);
            ("small file", flip(&file, used(&file), dice))
        }
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("an index")
}

/// Returns the length of a file in bytes without the zeros at its end.
fn used(file: &Path) -> u64 {
    let bytes = fs::read(file).expect("a file");
    bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last as u64 + 1)
}

fn cut(file: &Path, length: u64, most: u64, dice: &mut Dice) -> String {
    let length = length - 1 - dice.below(most.min(length));
    fs::File::options()
        .write(true)
        .open(file)
        .expect("a file")
        .set_len(length)
        .expect("it is cut");
    format!("{} cut to {length}", file.display())
}

fn flip(file: &Path, length: u64, dice: &mut Dice) -> String {
    flip_from(file, 0, length, dice)
}

fn flip_from(file: &Path, from: u64, length: u64, dice: &mut Dice) -> String {
    let place = from + dice.below(length);
    let mut bytes = fs::read(file).expect("a file");
    bytes[index(place)] ^= 1 << dice.below(8);
    overwrite(file, &bytes);
    format!("{} changed at {place}", file.display())
}

fn zero(file: &Path, length: u64, dice: &mut Dice) -> String {
    let page = dice.below(length.div_ceil(PAGE)) * PAGE;
    let mut bytes = fs::read(file).expect("a file");
    bytes
        .iter_mut()
        .skip(index(page))
        .take(index(PAGE))
        .for_each(|byte| *byte = 0);
    overwrite(file, &bytes);
    format!("{} zeroed from {page}", file.display())
}

/// Overwrites a file and keeps its mode.
fn overwrite(file: &Path, bytes: &[u8]) {
    fs::write(file, bytes).expect("it is written");
}

/// Starts the server and checks what was acknowledged.
async fn judge(folder: TempDir, clients: &[Client], note: &str) -> Outcome {
    let registrar = match Registrar::try_start_in(folder, PATIENCE) {
        Ok(registrar) => registrar,
        Err(refusal) => {
            assert_eq!(refusal.code, Some(1), "{note}: {}", refusal.log);
            assert!(!refusal.log.contains("panicked"), "{note}: {}", refusal.log);
            let says = ["store check", "from a backup"];
            assert!(
                says.iter().any(|text| refusal.log.contains(text)),
                "{note}: {}",
                refusal.log
            );
            let ours = [
                "acknowledged batches are missing",
                "records, found ",
                "differ from what was last stored",
            ];
            let is_ours = ours.iter().any(|text| refusal.log.contains(text));
            return if is_ours {
                Outcome::Missed
            } else {
                Outcome::Refused
            };
        }
    };
    let http = reqwest::Client::new();
    let mut outcome = Outcome::Whole;
    for client in clients {
        match client.clone().look(&registrar, &http).await {
            Found::Due => {}
            Found::Unavailable => outcome = Outcome::Noticed,
            Found::Lost(what) => panic!("{note}: silently lost: {what}\n{}", registrar.log()),
        }
    }
    let log = registrar.log();
    assert!(!log.contains("panicked"), "{note}: {log}");
    assert!(
        outcome == Outcome::Whole || log.contains("store check"),
        "{note}: {log}"
    );
    outcome
}

/// Runs `store check` and `store export`. Returns the number of clients in the export.
fn way_out(folder: &Path, note: &str) -> usize {
    let (data, file) = (folder.join("data"), folder.join("export"));
    let data_text = data.to_str().expect("a path");
    let before = listing(&data);
    let run = |arguments: &[&str]| -> Output {
        command(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs")
    };
    let check = run(&["store", "check", "--data", data_text]);
    let text = [check.stdout, check.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    // An unreadable key does not affect the records.
    assert!(
        check.status.code() == Some(1) || note.contains("registrar.key"),
        "{note}: {text}"
    );
    assert!(!text.contains("panicked"), "{note}: {text}");
    let export = run(&[
        "store",
        "export",
        "--data",
        data_text,
        file.to_str().expect("a path"),
    ]);
    let text = String::from_utf8_lossy(&export.stderr).into_owned();
    assert!(
        matches!(export.status.code(), Some(0 | 1)) && !text.contains("panicked"),
        "{note}: {text}"
    );
    assert_eq!(
        listing(&data),
        before,
        "{note}: both commands work on a copy"
    );
    let Ok(lines) = fs::read_to_string(&file) else {
        return 0;
    };
    let count = lines.lines().count() - 1;
    assert!(
        lines.ends_with(&format!("{{\"clients\":{count}}}\n")),
        "{note}: {lines}"
    );
    count
}

/// Returns the files of a folder and of those below it.
fn listing(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("files") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            files.extend(listing(&path));
        } else {
            files.insert(path.clone(), fs::read(path).expect("a file"));
        }
    }
    files
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("files") {
        let entry = entry.expect("a file");
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&place).expect("a folder");
            copy(&entry.path(), &place);
        } else if entry.file_name() != "log" {
            fs::copy(entry.path(), place).expect("it is copied");
        }
    }
}
