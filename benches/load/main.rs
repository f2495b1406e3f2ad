//! Compares the product with the bare floor in one run: `cargo bench --bench load`.
//!
//! The floor does what any registrar must do: it parses the same JSON and inserts the same bytes into sled
//! with the same durability, or answers GET with fixed bytes. The difference is the cost of validation,
//! scripts and credentials.
//!
//! With a PostgreSQL URL in `REGISTRAR_TEST_POSTGRES` (see `.ci/postgres.sh`) there is a line for one server
//! on that database and a line for two servers that share it. All of them, including the database, run on
//! this machine.
//!
//! `cargo bench --bench load -- 10 1 64` runs each load for 10 seconds, once with 1 connection and once with
//! 64. Words before the numbers select parts: `registrations`, `managed` (requests of registered clients),
//! and `stuck` and `busy` (requests beside scripts that wait, or that work until a limit ends them).
//!
//! `cargo bench --bench load -- floor` only serves the floor, for `benches/instructions.py`, until its input ends.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measurement prints, and ends with its process"
)]

mod beside;
mod challenges;
mod driver;
mod floor;
mod managed;
mod postgres;
mod registrations;
mod statements;

use std::path::Path;
use std::time::Duration;

use registrar::config::{Configuration, Sources};
use registrar::server::{self, Start};
use tempfile::TempDir;

use driver::{Outcome, Size};

/// The allocator of the binary, used for the floor and the product.
use mimalloc as _;

/// An ordinary registration of a confidential client.
const BODY: &str = r#"{"redirect_uris":["https://client.example.org/callback","https://client.example.org/callback2"],"client_name":"My Example","client_name#fr":"Mon Exemple","token_endpoint_auth_method":"client_secret_basic","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"scope":"openid profile email","logo_uri":"https://client.example.org/logo.png","contacts":["ve7jtb@example.org","mary@example.org"]}"#;

/// A script that checks the request and changes the client.
const SCRIPT: &str = r#"
fn createClient(context) {
    if context.configurationAttributes.deniedVendors.contains(context.client.software_id) { return false; }
    context.client.contacts.push("registry@example.org");
    true
}
"#;

/// The parts that can be measured separately.
const PARTS: [&str; 4] = ["registrations", "managed", "stuck", "busy"];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let (seconds, connections) = numbers.split_first().unwrap_or((&5, &[]));
    let connections = if connections.is_empty() {
        &[64]
    } else {
        connections
    };
    let chosen: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| PARTS.contains(word))
        .collect();
    if words.iter().any(|word| word == "floor") {
        return serve_floor();
    }
    let is_chosen = |part: &str| chosen.is_empty() || chosen.contains(&part);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    for &connections in connections {
        println!(
            "\n{connections} connections, {seconds} s each, {} cores\n",
            cores()
        );
        println!(
            "{:<38}{:>10}{:>10}{:>10}{:>10}{:>8}{:>8}{:>8}",
            "", "1/s", "p50 us", "p99 us", "p99.9 us", "ratio", "cpu us", "MiB"
        );
        let connections = usize::try_from(connections).expect("a number of connections");
        let size = Size {
            connections,
            duration: Duration::from_secs(*seconds),
        };
        runtime.block_on(async {
            if is_chosen("registrations") {
                registrations::measure(size).await;
            }
            if is_chosen("managed") {
                managed::measure(size).await;
            }
            if is_chosen("stuck") {
                beside::measure(&beside::STUCK, size).await;
            }
            if is_chosen("busy") {
                beside::measure(&beside::BUSY, size).await;
            }
        });
    }
}

/// The length of an ordinary answer to GET, in bytes.
const ANSWER_BYTES: usize = 1_024;

/// Serves the floor until the standard input ends. Prints the addresses for POST and GET.
fn serve_floor() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = TempDir::new().expect("a temporary folder");
    let (post, get) = runtime.block_on(async {
        let post = floor::start(folder.path()).await;
        (post, floor::fixed(vec![b'x'; ANSWER_BYTES]).await)
    });
    println!("floor: {post} {get}");
    let ended = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    ended.expect("the input is read");
}

fn line(name: &str, outcome: &Outcome, floor: &Outcome) {
    let ratio = outcome.per_second() / floor.per_second();
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| outcome.percentile(share).as_micros());
    let processor = outcome.processor().as_micros();
    println!(
        "{name:<38}{:>10.0}{p50:>10}{p99:>10}{p999:>10}{ratio:>8.2}{processor:>8}{:>8}",
        outcome.per_second(),
        memory()
    );
}

/// Returns the memory of this process (product, floor and driver) in MiB, or 0 without `/proc`.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = pages
        .split_whitespace()
        .nth(1)
        .and_then(|held| held.parse().ok())
        .unwrap_or_default();
    pages * 4 / 1_024
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

async fn product(
    scripts: usize,
    change: impl FnOnce(&mut Configuration),
) -> (server::Server, TempDir) {
    let folder = TempDir::new().expect("a temporary folder");
    let directory = folder.path().join("scripts");
    std::fs::create_dir(&directory).expect("a folder for scripts");
    for number in 0..scripts {
        std::fs::write(directory.join(format!("{number}.rhai")), SCRIPT)
            .expect("a script is written");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/registrar.toml");
    let sources = Sources {
        file: Some(file),
        ..Sources::default()
    };
    let mut configuration: Configuration =
        registrar::config::load(&sources).expect("the shipped configuration");
    let settings = &mut configuration.settings;
    settings.server.listen = "127.0.0.1:0".parse().expect("an address");
    settings.store.url = format!("sled:{}", folder.path().join("data").display()).into();
    settings.scripts.directory = directory;
    settings
        .scripts
        .attributes
        .insert("deniedVendors".to_owned(), vec!["acme"].into());
    // All requests come from one address.
    configuration
        .live
        .registration
        .rate_limit_registration_request_count = Some(0);
    change(&mut configuration);
    let server = server::start(Start::new(configuration))
        .await
        .expect("the product starts");
    (server, folder)
}
