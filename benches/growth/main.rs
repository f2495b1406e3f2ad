//! Measures what grows with the number of clients: `cargo bench --bench growth -- 1000000`.
//!
//! It fills a store through its Rust interface to 10 000 clients, 100 000 clients and so on, up to the given
//! number. For each size it starts the binary of this build (or the binary in `REGISTRAR_BINARY`) and
//! measures over HTTP: the start, memory, disk, POST, GET, a page of a list, and the sweep of a tenth of the
//! clients, at most 100 000, which have all expired. All lines come from one run on one machine, so the
//! growth of a column is what matters.
//!
//! `fjall` or `postgres` among the arguments chooses that database instead of sled, see `../soak/database.rs`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, and ends with its process"
)]

#[path = "../soak/database.rs"]
mod database;
mod fill;
mod measure;
#[path = "../soak/server.rs"]
mod server;

use std::path::PathBuf;

use database::Database;
use measure::Measured;
use server::Server;

/// The configuration of the server.
const CONFIGURATION: &str = "[store]\nsweepSeconds = 1\n[telemetry]\nlevel = \"warn\"\n\
                             [registration]\nrateLimitRegistrationRequestCount = 0\n";
/// The first size. Each following size is ten times the previous one; the last is the given number.
const FIRST: u64 = 10_000;
/// The maximum number of clients that expire at once.
const MOST_EXPIRED: u64 = 100_000;

/// A store and its server.
struct Place {
    folder: PathBuf,
    database: Database,
}

impl Place {
    fn start(&self) -> Server {
        Server::start(&self.folder, CONFIGURATION, &self.database)
    }
}

fn main() {
    let most = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(100_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(most));
}

async fn run(most: u64) {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let place = Place {
        folder: folder.path().to_owned(),
        database: Database::chosen().await,
    };
    println!(
        "{:>9}{:>10}{:>10}{:>10}{:>10}{:>9}{:>7}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>11}{:>11}",
        "clients",
        "fill 1/s",
        "first ms",
        "start ms",
        "rss MiB",
        "+load",
        "files",
        "disk MiB",
        "POST 1/s",
        "p50 us",
        "p99 us",
        "GET p50",
        "GET p99",
        "page us",
        "sweep 1/s",
        "its p99 us"
    );
    let mut there = 0;
    while there < most {
        let size = (there * 10).clamp(FIRST, most.max(FIRST));
        let rate = fill::clients(&place, there..size, None).await;
        there = size;
        line(&place, size, rate).await;
    }
}

async fn line(place: &Place, size: u64, rate: f64) {
    let Measured {
        first,
        startup,
        rss,
        loaded,
        files,
        disk,
        posts,
        gets,
        pages,
    } = measure::all(place, size).await;
    let expired = (size / 10).min(MOST_EXPIRED);
    let names = fill::EXPIRED..fill::EXPIRED + expired;
    fill::clients(place, names, Some(1)).await;
    let (swept, during) = measure::sweep(place, expired).await;
    println!(
        "{size:>9}{rate:>10.0}{:>10}{:>10}{:>10}{:>9}{files:>7}{:>9}{:>9.0}{:>9}{:>9}{:>9}{:>9}{:>9}{swept:>11.0}{:>11}",
        first.as_millis(),
        startup.as_millis(),
        rss >> 20,
        loaded >> 20,
        disk >> 20,
        posts.per_second(),
        posts.percentile(50),
        posts.percentile(99),
        gets.percentile(50),
        gets.percentile(99),
        pages.percentile(50),
        during.percentile(99),
    );
}
