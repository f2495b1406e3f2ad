//! Generates the load with workers that each send one request after the other.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::server::Server;

/// The number of workers that register, read, update and delete.
const WORKERS: u64 = 8;
/// The interval between two changes of the script, and of the configuration.
const RELOAD: Duration = Duration::from_secs(2);

pub(crate) struct Load {
    http: reqwest::Client,
    url: String,
    administrator: (String, String),
    /// The pause between two requests of one worker.
    pause: Duration,
    /// The number of requests with the expected response.
    pub(crate) done: AtomicU64,
    /// The number of requests among them that were rejected as expected.
    pub(crate) refused: AtomicU64,
    /// The number of requests that were rejected because of overload (503).
    pub(crate) busy: AtomicU64,
    /// The number of requests with an unexpected response.
    pub(crate) faults: AtomicU64,
    first: Mutex<Option<String>>,
    kinds: Mutex<BTreeMap<&'static str, u64>>,
}

impl Load {
    pub(crate) fn new(server: &Server, rate: u64) -> Self {
        let credentials = server.administrator();
        let text = |name: &str| {
            credentials
                .get(name)
                .and_then(Value::as_str)
                .expect("a text member")
                .to_owned()
        };
        Self {
            http: server.http.clone(),
            url: server.url.clone(),
            administrator: (text("client_id"), text("client_secret")),
            pause: Duration::from_micros(1_000_000 * WORKERS / rate.max(1)),
            done: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            first: Mutex::new(None),
            kinds: Mutex::new(BTreeMap::new()),
        }
    }

    /// Returns the number of requests of each type.
    pub(crate) fn summary(&self) -> String {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.iter().fold(String::new(), |mut text, (kind, count)| {
            let _ = write!(text, "{kind} {count}, ");
            text
        })
    }

    pub(crate) fn first_fault(&self) -> String {
        self.first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .unwrap_or_default()
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    fn fault(&self, what: String) {
        // Only the first faults are printed.
        if self.faults.fetch_add(1, Ordering::Relaxed) < 20 {
            println!("fault: {what}");
        }
        self.first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(what);
    }

    /// Sends a request that must be answered with `status`. Returns the body in that case.
    async fn expect(
        &self,
        kind: &'static str,
        status: u16,
        request: RequestBuilder,
    ) -> Option<Value> {
        tokio::time::sleep(self.pause).await;
        *self
            .kinds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(kind)
            .or_default() += 1;
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                self.fault(format!("{kind}: {error}"));
                return None;
            }
        };
        let found = answer.status().as_u16();
        let text = answer.text().await.unwrap_or_default();
        // Overload is expected when the machine is busy with other work too.
        if found == 503 && text.contains("too many") {
            self.busy.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if found != status {
            self.fault(format!("{kind}: {found} instead of {status}: {text}"));
            return None;
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        if status >= 400 {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        Some(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.ask(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    async fn access_token(&self, id: &str, secret: &str) -> Option<String> {
        let request = self.form("/token", &[("grant_type", "client_credentials")]);
        let answer = self
            .expect("token", 200, request.basic_auth(id, Some(secret)))
            .await?;
        Some(text(&answer, "access_token"))
    }
}

fn text(answer: &Value, name: &str) -> String {
    answer
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// Starts all concurrent tasks.
pub(crate) fn start(load: &Arc<Load>, scripts: PathBuf) -> Vec<JoinHandle<()>> {
    let mut tasks: Vec<_> = (0..WORKERS)
        .map(|worker| tokio::spawn(work(Arc::clone(load), worker)))
        .collect();
    tasks.push(tokio::spawn(async move {
        for turn in 1.. {
            tokio::time::sleep(RELOAD).await;
            write_script(&scripts, turn);
        }
    }));
    tasks.push(tokio::spawn(administrate(Arc::clone(load))));
    tasks
}

async fn work(load: Arc<Load>, worker: u64) {
    for number in 0_u64.. {
        // A failure is counted, and the next request is sent.
        let _ = match number % 4 {
            0 => expire(&load, worker, number).await,
            1 => speak(&load, worker, number).await,
            2 => bad(&load).await,
            _ => live(&load, worker, number).await,
        };
    }
}

fn body(worker: u64, number: u64) -> Value {
    json!({
        "redirect_uris": ["https://client.example.org/callback"],
        "client_name": format!("soak {worker} {number}"),
        "software_id": format!("software-{}", number % 50),
        "contacts": ["soak@example.org"],
    })
}

fn set(wanted: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = wanted.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

fn path(client: &Value) -> String {
    format!("/register?client_id={}", text(client, "client_id"))
}

/// Registers, reads, updates and deletes a client, and reads the deleted client.
async fn live(load: &Load, worker: u64, number: u64) -> Option<()> {
    let mut wanted = body(worker, number);
    let client = load
        .expect(
            "POST",
            201,
            load.ask(Method::POST, "/register").json(&wanted),
        )
        .await?;
    let (path, token) = (path(&client), text(&client, "registration_access_token"));
    load.expect("GET", 200, load.ask(Method::GET, &path).bearer_auth(&token))
        .await?;
    set(&mut wanted, "client_id", text(&client, "client_id"));
    set(
        &mut wanted,
        "client_name",
        format!("updated {worker} {number}"),
    );
    let update = load
        .ask(Method::PUT, &path)
        .bearer_auth(&token)
        .json(&wanted);
    load.expect("PUT", 200, update).await?;
    let read = load
        .expect("GET", 200, load.ask(Method::GET, &path).bearer_auth(&token))
        .await?;
    if read.get("client_name") != wanted.get("client_name") {
        load.fault(format!("an update was lost: {read}"));
    }
    load.expect(
        "DELETE",
        204,
        load.ask(Method::DELETE, &path).bearer_auth(&token),
    )
    .await?;
    load.expect(
        "GET of one deleted",
        401,
        load.ask(Method::GET, &path).bearer_auth(&token),
    )
    .await
    .map(drop)
}

/// Registers a client that the sweep will remove.
async fn expire(load: &Load, worker: u64, number: u64) -> Option<()> {
    let mut wanted = body(worker, number);
    set(&mut wanted, "lifetime", 10);
    let client = load
        .expect(
            "POST with lifetime",
            201,
            load.ask(Method::POST, "/register").json(&wanted),
        )
        .await?;
    let read = load
        .ask(Method::GET, &path(&client))
        .bearer_auth(text(&client, "registration_access_token"));
    load.expect("GET", 200, read).await.map(drop)
}

/// Registers a client, which gets, introspects and revokes an access token.
async fn speak(load: &Load, worker: u64, number: u64) -> Option<()> {
    let mut wanted = body(worker, number);
    set(&mut wanted, "grant_types", json!(["client_credentials"]));
    set(
        &mut wanted,
        "token_endpoint_auth_method",
        "client_secret_basic",
    );
    set(&mut wanted, "lifetime", 30);
    let client = load
        .expect(
            "POST with lifetime",
            201,
            load.ask(Method::POST, "/register").json(&wanted),
        )
        .await?;
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    let token = load.access_token(&id, &secret).await?;
    let look = load
        .form("/introspect", &[("token", &token)])
        .basic_auth(&id, Some(&secret));
    load.expect("introspection", 200, look).await?;
    let revoke = load
        .form("/revoke", &[("token", &token)])
        .basic_auth(&id, Some(&secret));
    load.expect("revocation", 200, revoke).await.map(drop)
}

/// Sends requests that must be rejected.
async fn bad(load: &Load) -> Option<()> {
    let wanted = json!({"redirect_uris": ["http://client.example.org/#fragment"]});
    load.expect(
        "bad POST",
        400,
        load.ask(Method::POST, "/register").json(&wanted),
    )
    .await?;
    let stranger = load
        .ask(Method::GET, "/register?client_id=stranger")
        .bearer_auth("guess");
    load.expect("GET of a stranger", 401, stranger)
        .await
        .map(drop)
}

/// Patches the configuration, and creates and uses initial access tokens.
async fn administrate(load: Arc<Load>) {
    for turn in 0_u64.. {
        tokio::time::sleep(RELOAD).await;
        let _ = administrate_once(&load, turn).await;
    }
}

async fn administrate_once(load: &Load, turn: u64) -> Option<()> {
    let (id, secret) = &load.administrator;
    let token = load.access_token(id, secret).await?;
    let operations = json!([{"op": "replace", "path": "/registration/evidenceNonceLifetime", "value": 150 + turn % 100}]);
    let patch = load
        .ask(Method::PATCH, "/admin/v1/config")
        .bearer_auth(&token);
    let patch = patch
        .header("content-type", "application/json-patch+json")
        .body(operations.to_string());
    load.expect("PATCH", 200, patch).await?;
    let tokens = "/admin/v1/initial-access-tokens";
    let wanted = json!({"uses": 1, "expires_in": 30});
    let make = load
        .ask(Method::POST, tokens)
        .bearer_auth(&token)
        .json(&wanted);
    let initial = text(
        &load.expect("initial access token", 201, make).await?,
        "token",
    );
    let mut client = body(99, turn);
    set(&mut client, "lifetime", 10);
    let using = || {
        load.ask(Method::POST, "/register")
            .bearer_auth(&initial)
            .json(&client)
    };
    load.expect("POST with token", 201, using()).await?;
    load.expect("second use", 401, using()).await?;
    let list = load
        .ask(Method::GET, "/admin/v1/clients?limit=50")
        .bearer_auth(&token);
    load.expect("list", 200, list).await.map(drop)
}

/// Writes another version of the script with the same decisions.
pub(crate) fn write_script(folder: &Path, turn: u64) {
    let text = format!(
        "const TURN = {turn};\nfn createClient(context) {{\n    context.client.contacts.push(`turn-${{global::TURN}}@example.org`);\n    true\n}}\nfn updateClient(context) {{ true }}\n"
    );
    // The server must never see a half-written script.
    let beside = folder.join("10-soak.new");
    std::fs::write(&beside, text).expect("a script is written");
    std::fs::rename(beside, folder.join("10-soak.rhai")).expect("it gets its name");
}
