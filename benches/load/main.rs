//! The product and the bare floor, side by side in one run: `cargo bench --bench load`.
//!
//! The floor does what any registrar must: it parses the same JSON and inserts the same bytes
//! into sled with the same durability, or answers GET with fixed bytes. What the product takes
//! beyond that is the price of validation, scripts and credentials.
//!
//! With PostgreSQL in `REGISTRAR_TEST_POSTGRES` (see `.ci/postgres.sh`) there is a line for one server
//! on it and one for two that share it; all of them, the database too, are on this machine.
//!
//! `cargo bench --bench load -- 10 64` runs each load for 10 seconds with 64 connections, and
//! `cargo bench --bench load -- stuck 10 64` only what is left to others while scripts wait.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measurement prints, and ends with its process"
)]

mod challenges;
mod driver;
mod floor;
mod postgres;
mod statements;
mod stuck;

use std::path::Path;
use std::time::Duration;

use registrar::app::{self, Start};
use registrar::config::{Configuration, Sources};
use tempfile::TempDir;

use driver::{Load, Outcome, Request};

/// That of the binary, for the floor as for the product.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An ordinary registration of a confidential client.
const BODY: &str = r#"{"redirect_uris":["https://client.example.org/callback","https://client.example.org/callback2"],"client_name":"My Example","client_name#fr":"Mon Exemple","token_endpoint_auth_method":"client_secret_basic","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"scope":"openid profile email","logo_uri":"https://client.example.org/logo.png","contacts":["ve7jtb@example.org","mary@example.org"]}"#;

/// A script that looks at the request and changes the client.
const SCRIPT: &str = r#"
fn createClient(context) {
    if context.configurationAttributes.deniedVendors.contains(context.client.software_id) { return false; }
    context.client.contacts.push("registry@example.org");
    true
}
"#;

fn main() {
    let arguments: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let seconds = arguments.first().copied().unwrap_or(5);
    let connections = arguments.get(1).copied().unwrap_or(64);
    let (duration, connections) =
        (Duration::from_secs(seconds), usize::try_from(connections).expect("a number of connections"));
    println!("{connections} connections, {seconds} s each, {} cores\n", cores());
    println!(
        "{:<38}{:>10}{:>10}{:>10}{:>10}{:>8}{:>8}",
        "", "1/s", "p50 us", "p99 us", "p99.9 us", "ratio", "cpu us"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if std::env::args().all(|argument| argument != "stuck") {
            run(duration, connections).await;
        }
        stuck::measure(duration, connections).await;
    });
}

async fn run(duration: Duration, connections: usize) {
    let load = |address, request| Load { addresses: vec![address], request, connections, duration };

    let folder = TempDir::new().expect("a temporary folder");
    let floor = floor::start(folder.path()).await;
    let floor_post = driver::run(load(floor, Request::post("/register", BODY))).await;
    line("floor: durable POST", &floor_post, &floor_post);
    for (name, scripts) in [
        ("product: POST, no script", 0),
        ("product: POST, one script", 1),
        ("product: POST, five scripts", 5),
    ] {
        let (product, _folder) = product(scripts, |_| {}).await;
        let outcome = driver::run(load(product.address(), Request::post("/register", BODY))).await;
        line(name, &outcome, &floor_post);
        product.stop().await;
        if scripts == 0 {
            statements(&outcome, &load).await;
        }
    }
    challenges(&floor_post, &load).await;

    for (name, servers) in [("product: POST, PostgreSQL", 1), ("product: POST, PostgreSQL, two servers", 2)] {
        let Some(products) = postgres::products(servers).await else { break };
        let addresses = products.iter().map(|(product, _)| product.address()).collect();
        let request = Request::post("/register", BODY);
        let outcome = driver::run(Load { addresses, request, connections, duration }).await;
        line(name, &outcome, &floor_post);
        for (product, _folder) in products {
            product.stop().await;
        }
    }

    let (product, _folder) = product(1, |_| {}).await;
    let answer = driver::once(product.address(), &Request::post("/register", BODY)).await;
    let fixed = floor::fixed(answer.clone()).await;
    let floor_get = driver::run(load(fixed, Request::get("/", None))).await;
    line("floor: GET of fixed bytes", &floor_get, &floor_get);
    let client: serde_json::Value = serde_json::from_slice(&answer).expect("the answer is JSON");
    let path = format!("/register?client_id={}", client["client_id"].as_str().expect("a client_id"));
    let token = client["registration_access_token"].as_str().expect("a token");
    let outcome = driver::run(load(product.address(), Request::get(&path, Some(token)))).await;
    line("product: GET with token", &outcome, &floor_get);
    let document = Request::get("/.well-known/openid-configuration", None);
    let outcome = driver::run(load(product.address(), document)).await;
    line("product: discovery", &outcome, &floor_get);
    product.stop().await;
}

/// POST with a statement: its processor time, as a ratio to that of `plain` and one verification by
/// OpenSSL alone.
async fn statements(plain: &Outcome, load: &impl Fn(std::net::SocketAddr, Request) -> Load) {
    for algorithm in statements::ALGORITHMS {
        let case = statements::Case::new(algorithm, BODY);
        let (product, _folder) = product(0, |configuration| case.configure(configuration)).await;
        let request = Request::post("/register", &case.body);
        let outcome = driver::run(load(product.address(), request)).await;
        product.stop().await;
        let bare = plain.processor() + statements::bare_verification(algorithm);
        let ratio = outcome.processor().as_secs_f64() / bare.as_secs_f64();
        let name = format!("product: POST, {algorithm} statement");
        line(&name, &outcome, plain);
        println!("{:<38}{ratio:>48.2} x (POST + one verification)", "");
    }
}

/// POST, while a quarter as many connections ask for nonces.
async fn challenges(floor: &Outcome, load: &impl Fn(std::net::SocketAddr, Request) -> Load) {
    let (product, _folder) = product(0, challenges::configure).await;
    let registrations = load(product.address(), Request::post("/register", BODY));
    let nonces = load(product.address(), Request::post("/challenge", ""));
    let nonces = Load { connections: nonces.connections.div_ceil(4), ..nonces };
    let (registered, made) = tokio::join!(driver::run(registrations), driver::run(nonces));
    line("product: POST, while nonces are made", &registered, floor);
    line("product: nonces, at that time", &made, floor);
    product.stop().await;
}

fn line(name: &str, outcome: &Outcome, floor: &Outcome) {
    let ratio = outcome.per_second() / floor.per_second();
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| outcome.percentile(share).as_micros());
    let processor = outcome.processor().as_micros();
    println!(
        "{name:<38}{:>10.0}{p50:>10}{p99:>10}{p999:>10}{ratio:>8.2}{processor:>8}",
        outcome.per_second()
    );
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

async fn product(scripts: usize, change: impl FnOnce(&mut Configuration)) -> (app::Server, TempDir) {
    let folder = TempDir::new().expect("a temporary folder");
    let directory = folder.path().join("scripts");
    std::fs::create_dir(&directory).expect("a folder for scripts");
    for number in 0..scripts {
        std::fs::write(directory.join(format!("{number}.rhai")), SCRIPT).expect("a script is written");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/registrar.toml");
    let sources = Sources { file: Some(file), ..Sources::default() };
    let mut configuration: Configuration =
        registrar::config::load(&sources).expect("the shipped configuration");
    let settings = &mut configuration.settings;
    settings.server.listen = "127.0.0.1:0".parse().expect("an address");
    settings.store.url = format!("sled:{}", folder.path().join("data").display()).into();
    settings.scripts.directory = directory;
    settings.scripts.attributes.insert("deniedVendors".to_owned(), vec!["acme"].into());
    change(&mut configuration);
    let server = app::start(Start::new(configuration)).await.expect("the product starts");
    (server, folder)
}
