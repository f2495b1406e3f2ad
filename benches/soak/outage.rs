//! Registers many clients while the system that a script notifies of them is down, and measures the registrations,
//! the memory, and how fast the system catches up afterwards.

use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::database::Database;
use super::server::Server;

/// The number of connections that register.
const WORKERS: usize = 8;
/// The number of parts of the registrations that are printed.
const PARTS: u64 = 10;
/// How long the system may take to catch up.
const PATIENCE: Duration = Duration::from_mins(30);

const CONFIGURATION: &str = "[store]
cacheBytes = 8388608
[fetch]
allowHttp = true
allowPrivateAddresses = true
[registration]
rateLimitRegistrationRequestCount = 0
";

/// The system that follows the clients.
#[derive(Default)]
struct Follower {
    is_down: AtomicBool,
    rejected: AtomicU64,
    clients: Mutex<HashSet<String>>,
}

impl Follower {
    fn count(&self) -> usize {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.len()
    }
}

async fn receive(State(follower): State<Arc<Follower>>, client: String) -> StatusCode {
    if follower.is_down.load(Ordering::Relaxed) {
        follower.rejected.fetch_add(1, Ordering::Relaxed);
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let clients = follower.clients.lock();
    clients
        .unwrap_or_else(PoisonError::into_inner)
        .insert(client);
    StatusCode::NO_CONTENT
}

/// Runs the measurement with `count` clients; `is_down`: while the system is down.
pub(crate) async fn run(count: u64, is_down: bool) -> ExitCode {
    let database = Database::chosen().await;
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let follower = Arc::new(Follower::default());
    let address = follow(&follower).await;
    write_script(folder.path(), &address);
    let server = Server::start(folder.path(), CONFIGURATION, &database);
    println!("{count} clients, the system is down: {is_down}");
    println!(
        "{:>10}{:>12}{:>12}{:>12}{:>12}",
        "clients", "1/s", "rss KiB", "disk MiB", "received"
    );
    let first = count / PARTS;
    register(&server, first, &follower).await;
    caught_up(&follower, first).await;
    println!("all received; the measurement begins");
    follower.is_down.store(is_down, Ordering::Relaxed);
    let mut registered = first;
    for _ in 0..PARTS {
        registered += register(&server, count / PARTS, &follower).await;
    }
    println!(
        "{} attempts were rejected",
        follower.rejected.load(Ordering::Relaxed)
    );
    let (behind, begun) = (follower.count(), Instant::now());
    follower.is_down.store(false, Ordering::Relaxed);
    let more = register(&server, count / PARTS, &follower).await;
    let is_complete = caught_up(&follower, registered + more).await;
    let took = begun.elapsed();
    let received = u64::try_from(follower.count() - behind).unwrap_or(u64::MAX);
    let rate = received * 1_000 / u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    println!("{received} received in {took:?}: {rate}/s");
    let sample = server.sample().await.expect("it runs");
    println!("rss at the end: {} KiB", sample.rss / 1024);
    if is_complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Starts the system, and returns its address.
async fn follow(follower: &Arc<Follower>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let router = Router::new()
        .fallback(receive)
        .with_state(Arc::clone(follower));
    tokio::spawn(async move { drop(axum::serve(listener, router).await) });
    address
}

fn write_script(folder: &Path, address: &str) {
    let script = format!(
        "fn clientCreated(context) {{
            let answer = http::post(\"http://{address}/\", context.client.client_id, #{{}});
            if answer.status >= 300 {{ throw `status ${{answer.status}}` }}
        }}"
    );
    let scripts = folder.join("scripts");
    std::fs::create_dir_all(&scripts).expect("a folder for scripts");
    std::fs::write(scripts.join("10-follow.rhai"), script).expect("a script is written");
}

/// Registers `count` clients, and prints how fast. Returns `count`.
async fn register(server: &Server, count: u64, follower: &Follower) -> u64 {
    let (begun, next) = (Instant::now(), AtomicU64::new(0));
    let workers = (0..WORKERS).map(|_| async {
        while next.fetch_add(1, Ordering::Relaxed) < count {
            let body: Value = json!({
                "redirect_uris": ["https://client.example.org/callback"], "client_name": "followed",
            });
            let request = server.http.post(format!("{}/register", server.url));
            let answer = request.json(&body).send().await.expect("an answer");
            assert_eq!(answer.status(), 201);
            drop(answer.bytes().await);
        }
    });
    join_all(workers).await;
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let sample = server.sample().await.expect("it runs");
    println!(
        "{:>10}{:>12}{:>12}{:>12}{:>12}",
        sample.clients,
        count * 1_000 / took.max(1),
        sample.rss / 1024,
        sample.disk >> 20,
        follower.count(),
    );
    count
}

/// Waits until the system knows `count` clients. Returns whether that happened.
async fn caught_up(follower: &Follower, count: u64) -> bool {
    let end = Instant::now() + PATIENCE;
    while u64::try_from(follower.count()).unwrap_or(u64::MAX) < count {
        if Instant::now() > end {
            println!("only {} of {count} were received", follower.count());
            return false;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    true
}
