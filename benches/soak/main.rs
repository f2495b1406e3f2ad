//! Checks that a server under mixed load does not grow: `cargo bench --bench soak -- 30 200` runs for 30
//! minutes at about 200 requests per second.
//!
//! It starts the binary of this build (or the binary in `REGISTRAR_BINARY`) in a temporary folder. The load
//! consists of registrations that are deleted or expire, reads, updates, access tokens, initial access
//! tokens, changes of scripts, and patches of the configuration. The benchmark samples memory and file
//! descriptors and prints them. It fails if they grow or if a request gets an unexpected response.
//!
//! `cargo bench --bench soak -- outage 100000` registers that many clients while the system that follows them is
//! down, see `outage.rs`; `control` instead of `outage` does the same while it works.
//!
//! `fjall` or `postgres` among the arguments chooses that database instead of sled, see `database.rs`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, and ends with its process"
)]

mod database;
mod load;
mod outage;
mod server;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use database::Database;
use load::Load;
use server::{Sample, Server};

/// A small cache, so that it is full before the measurement, and frequent sweeps.
const CONFIGURATION: &str = "[store]
cacheBytes = 8388608
sweepSeconds = 5
auditEvents = 20000
[registration]
accessTokenLifetime = 20
rateLimitRegistrationRequestCount = 0
";
/// The interval between two samples.
const PAUSE: Duration = Duration::from_secs(5);
/// The allowed growth of memory in bytes between the second and the last quarter, in addition to a tenth.
const MEMORY: u64 = 8 << 20;
/// The allowed growth of the number of file descriptors.
const DESCRIPTORS: u64 = 8;

fn main() -> ExitCode {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let minutes = numbers.first().copied().unwrap_or(30);
    let rate = numbers.get(1).copied().unwrap_or(200);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let has = |word: &str| std::env::args().any(|argument| argument == word);
    if has("outage") || has("control") {
        let count = numbers.first().copied().unwrap_or(100_000);
        return runtime.block_on(outage::run(count, has("outage")));
    }
    runtime.block_on(run(Duration::from_secs(minutes * 60), rate))
}

async fn run(duration: Duration, rate: u64) -> ExitCode {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let scripts = folder.path().join("scripts");
    std::fs::create_dir(&scripts).expect("a folder for scripts");
    load::write_script(&scripts, 0);
    let database = Database::chosen().await;
    let server = Server::start(folder.path(), CONFIGURATION, &database);
    println!("started in {:?}", server.startup);
    let load = Arc::new(Load::new(&server, rate));
    let tasks = load::start(&load, scripts);
    println!(
        "{} minutes, about {rate} requests per second",
        duration.as_secs() / 60
    );
    println!(
        "{:>8}{:>12}{:>9}{:>10}{:>9}{:>13}{:>11}{:>9}{:>9}",
        "seconds",
        "rss KiB",
        "files",
        "clients",
        "disk MiB",
        "requests",
        "refused",
        "busy",
        "faults"
    );
    let (begun, mut samples) = (Instant::now(), Vec::new());
    while begun.elapsed() < duration {
        tokio::time::sleep(PAUSE).await;
        let Some(sample) = server.sample().await else {
            break;
        };
        let [done, refused, busy, faults] = [&load.done, &load.refused, &load.busy, &load.faults]
            .map(|count| count.load(Ordering::Relaxed));
        println!(
            "{:>8}{:>12}{:>9}{:>10}{:>9}{done:>13}{refused:>11}{busy:>9}{faults:>9}",
            begun.elapsed().as_secs(),
            sample.rss / 1024,
            sample.files,
            sample.clients,
            sample.disk >> 20,
        );
        samples.push(sample);
    }
    for task in tasks {
        task.abort();
    }
    server.stop();
    println!("\nby type: {}", load.summary());
    verdict(&samples, &load)
}

/// Reports growth. The first quarter is not compared, since caches fill during it.
fn verdict(samples: &[Sample], load: &Load) -> ExitCode {
    let quarter = samples.len() / 4;
    let median = |part: &[Sample], of: fn(&Sample) -> u64| {
        let mut values: Vec<u64> = part.iter().map(of).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let second = samples.get(quarter..2 * quarter).unwrap_or_default();
    let last = samples.get(3 * quarter..).unwrap_or_default();
    let [before, after] = [second, last].map(|part| median(part, |sample| sample.rss));
    let [opened, open] = [second, last].map(|part| median(part, |sample| sample.files));
    println!(
        "memory: {} KiB in the second quarter, {} KiB in the last",
        before / 1024,
        after / 1024
    );
    println!("file descriptors: {opened} in the second quarter, {open} in the last");
    let mut complaints = Vec::new();
    if second.is_empty() || last.is_empty() {
        complaints.push("too few samples".to_owned());
    }
    if after > before + before / 10 + MEMORY {
        complaints.push("memory grows".to_owned());
    }
    if open > opened + DESCRIPTORS {
        complaints.push("file descriptors grow".to_owned());
    }
    let faults = load.faults.load(Ordering::Relaxed);
    if faults > 0 {
        complaints.push(format!(
            "{faults} requests got an unexpected response, the first: {}",
            load.first_fault()
        ));
    }
    if complaints.is_empty() {
        println!("flat");
        return ExitCode::SUCCESS;
    }
    println!("NOT flat: {}", complaints.join("; "));
    ExitCode::FAILURE
}
