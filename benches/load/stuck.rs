//! What is left of the rate of others while ten requests are stuck in a script that waits for `http`.
//!
//! `PUT` is what gets stuck; `GET` and `POST` have no script. Each is measured without anybody stuck,
//! then with ten, then without again; the ratio is to the mean of the first and the last, so that what
//! the machine and the store do meanwhile is in both.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use registrar::config::Configuration;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::driver::{self, Load, Outcome, Request};
use super::{BODY, line, product};

/// Requests that are stuck.
const STUCK: usize = 10;

/// Waits for a verifier that never answers, and lets the request pass in the end.
const SCRIPT: &str = "
fn updateClient(context) {
    try { http::get(context.configurationAttributes.verifier); } catch { }
    true
}
";

/// A client that asks to be updated, over and over.
struct Client {
    path: String,
    token: String,
    update: Request,
}

/// Somebody who takes connections and says nothing.
struct Verifier {
    address: SocketAddr,
    held: Arc<Mutex<Vec<TcpStream>>>,
    accepting: JoinHandle<()>,
}

/// Prints the rates of `GET` and `POST` without and with requests that are stuck.
pub(crate) async fn measure(duration: Duration, connections: usize) {
    let verifier = Verifier::start().await;
    let (product, _folder) = product(0, |configuration| configure(configuration, verifier.address)).await;
    let address = product.address();
    let mut clients = Vec::with_capacity(STUCK);
    for _ in 0..STUCK {
        clients.push(Client::register(address).await);
    }
    let get = Request::get(&clients[0].path, Some(&clients[0].token));
    let requests = [("GET with token", get), ("POST", Request::post("/register", BODY))];
    let rates = async || {
        let mut outcomes = Vec::new();
        for (_, request) in &requests {
            let load = Load { addresses: vec![address], request: request.clone(), connections, duration };
            outcomes.push(driver::run(load).await);
        }
        outcomes
    };
    let before = rates().await;
    let stop = Arc::new(AtomicBool::new(false));
    let stuck: Vec<_> =
        clients.into_iter().map(|client| client.keep_asking(address, Arc::clone(&stop))).collect();
    verifier.until_held(STUCK).await;
    let during = rates().await;
    println!("{:<38}{:>10} of {STUCK} updates were stuck at the end", "", verifier.count().await);
    stop.store(true, Ordering::Relaxed);
    verifier.stop().await;
    for one in stuck {
        one.await.expect("an update is answered");
    }
    let after = rates().await;
    for (((name, _), before), (during, after)) in requests.iter().zip(&before).zip(during.iter().zip(&after))
    {
        print(name, before, during, after);
    }
    product.stop().await;
}

fn print(name: &str, before: &Outcome, during: &Outcome, after: &Outcome) {
    line(&format!("product: {name}, nobody stuck"), before, before);
    line(&format!("product: {name}, {STUCK} stuck"), during, before);
    line(&format!("product: {name}, nobody stuck again"), after, before);
    let usual = f64::midpoint(before.per_second(), after.per_second());
    println!("{:<38}{:>48.2} of the usual rate", "", during.per_second() / usual);
}

fn configure(configuration: &mut Configuration, verifier: SocketAddr) {
    let settings = &mut configuration.settings;
    std::fs::write(settings.scripts.directory.join("10-verifier.rhai"), SCRIPT).expect("a script is written");
    settings.scripts.attributes.insert("verifier".to_owned(), format!("http://{verifier}/").into());
    settings.fetch.allow_http = true;
    settings.fetch.allowed_hosts = vec![verifier.to_string().parse().expect("a host")];
}

impl Client {
    async fn register(address: SocketAddr) -> Self {
        let answer = driver::once(address, &Request::post("/register", BODY)).await;
        let client: Value = serde_json::from_slice(&answer).expect("the answer is JSON");
        let text = |name: &str| client[name].as_str().expect("it is there").to_owned();
        let (id, token) = (text("client_id"), text("registration_access_token"));
        let mut update: Value = serde_json::from_str(BODY).expect("a request");
        update["client_id"] = id.as_str().into();
        let path = format!("/register?client_id={id}");
        Self { update: Request::put(&path, &token, &update.to_string()), path, token }
    }

    /// Asks to be updated until it is told to stop: an update ends when its script has waited for
    /// as long as it may.
    fn keep_asking(self, address: SocketAddr, stop: Arc<AtomicBool>) -> JoinHandle<()> {
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                driver::once(address, &self.update).await;
            }
        })
    }
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
        Self { address, held, accepting }
    }

    /// How many wait for an answer: those that did not hang up.
    async fn count(&self) -> usize {
        let mut held = self.held.lock().await;
        let mut byte = [0; 4_096];
        // A request is read and thrown away; 0 bytes mean that whoever asked is gone.
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

    /// Hangs up, and takes no more connections.
    async fn stop(&self) {
        self.accepting.abort();
        self.held.lock().await.clear();
    }
}
