//! Measures the rate and the latency of other requests while ten requests run a script that waits for `http`,
//! or that works until a limit ends it.
//!
//! `PUT` has the script; `GET` and `POST` have none. Both are measured without slow updates, then with ten,
//! then without again. The ratio is relative to the mean of the first and the last measurement, so that drift
//! of the machine and the store affects both sides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use registrar::config::Configuration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::driver::{self, Load, Outcome, Request, Size};
use super::managed::Client;
use super::{BODY, line, product};

/// The number of requests that run the script.
const THESE: usize = 10;

/// A script and its label.
pub(crate) struct Case {
    word: &'static str,
    script: &'static str,
    /// Whether the script calls the verifier, which never answers.
    waits: bool,
}

/// Waits for a verifier that never answers, and finally accepts the request.
pub(crate) const STUCK: Case = Case {
    word: "stuck",
    script: "
fn updateClient(context) {
    try { http::get(context.configurationAttributes.verifier); } catch { }
    true
}
",
    waits: true,
};

/// Works until a limit ends it, which rejects the request.
pub(crate) const BUSY: Case = Case {
    word: "busy",
    script: "
fn updateClient(context) {
    let number = 0;
    loop { number += 1; }
}
",
    waits: false,
};

/// A verifier that accepts connections and never answers.
struct Verifier {
    address: SocketAddr,
    held: Arc<Mutex<Vec<TcpStream>>>,
    accepting: JoinHandle<()>,
}

/// Prints the figures of `GET` and `POST` without and with requests that run the script.
pub(crate) async fn measure(case: &Case, size: Size) {
    let verifier = Verifier::start().await;
    let change =
        |configuration: &mut Configuration| configure(case, configuration, verifier.address);
    let (product, _folder) = product(0, change).await;
    let address = product.address();
    let mut clients = Vec::with_capacity(THESE);
    for _ in 0..THESE {
        clients.push(Client::register(address, BODY).await);
    }
    let requests = [
        ("GET with token", clients[0].get()),
        ("POST", Request::post("/register", BODY)),
    ];
    let all = async || {
        let mut outcomes = Vec::new();
        for (_, request) in &requests {
            outcomes.push(driver::run(Load::of(address, request.clone(), size)).await);
        }
        outcomes
    };
    let before = all().await;
    let stop = Arc::new(AtomicBool::new(false));
    let at_it: Vec<_> = clients
        .iter()
        .map(|client| keep_asking(address, client.put(), Arc::clone(&stop)))
        .collect();
    if case.waits {
        verifier.until_held(THESE).await;
    }
    let during = all().await;
    if case.waits {
        println!(
            "{:<38}{:>10} of {THESE} updates were stuck at the end",
            "",
            verifier.count().await
        );
    }
    stop.store(true, Ordering::Relaxed);
    verifier.stop().await;
    let mut answers = 0;
    for one in at_it {
        answers += one.await.expect("an update is answered");
    }
    println!("{:<38}{answers:>10} updates were answered", "");
    let after = all().await;
    for (((name, _), before), (during, after)) in
        requests.iter().zip(&before).zip(during.iter().zip(&after))
    {
        print((name, case.word), before, during, after);
    }
    product.stop().await;
}

fn print((name, word): (&str, &str), before: &Outcome, during: &Outcome, after: &Outcome) {
    line(&format!("product: {name}, none {word}"), before, before);
    line(&format!("product: {name}, {THESE} {word}"), during, before);
    line(
        &format!("product: {name}, none {word} again"),
        after,
        before,
    );
    let usual = f64::midpoint(before.per_second(), after.per_second());
    let p99 = |outcome: &Outcome| outcome.percentile(0.99).as_secs_f64();
    let patience = p99(during) / f64::midpoint(p99(before), p99(after));
    println!(
        "{:<38}{:>48.2} of the usual rate, p99 {patience:.2} times",
        "",
        during.per_second() / usual
    );
}

fn configure(case: &Case, configuration: &mut Configuration, verifier: SocketAddr) {
    let settings = &mut configuration.settings;
    let script = settings.scripts.directory.join("10-update.rhai");
    std::fs::write(script, case.script).expect("a script is written");
    settings
        .scripts
        .attributes
        .insert("verifier".to_owned(), format!("http://{verifier}/").into());
    settings.fetch.allow_http = true;
    settings.fetch.allowed_hosts = vec![verifier.to_string().parse().expect("a host")];
}

/// Sends `update` until `stop` is set, and returns the number of responses.
fn keep_asking(address: SocketAddr, update: Request, stop: Arc<AtomicBool>) -> JoinHandle<usize> {
    tokio::spawn(async move {
        let mut answers = 0;
        while !stop.load(Ordering::Relaxed) {
            driver::whatever(address, &update).await;
            answers += 1;
        }
        answers
    })
}

impl Verifier {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let held = Arc::new(Mutex::new(Vec::new()));
        let accepted = Arc::clone(&held);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.lock().await.push(stream);
            }
        });
        Self {
            address,
            held,
            accepting,
        }
    }

    /// Returns the number of connections that wait for a response and are still open.
    async fn count(&self) -> usize {
        let mut held = self.held.lock().await;
        let mut byte = [0; 4_096];
        // A request is read and discarded. 0 bytes mean that the client has closed the connection.
        held.retain(|stream| {
            loop {
                match stream.try_read(&mut byte) {
                    Ok(0) => break false,
                    Ok(_) => {}
                    Err(error) => break error.kind() == std::io::ErrorKind::WouldBlock,
                }
            }
        });
        held.len()
    }

    async fn until_held(&self, count: usize) {
        while self.count().await < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Closes all connections, and accepts no more.
    async fn stop(&self) {
        self.accepting.abort();
        self.held.lock().await.clear();
    }
}
