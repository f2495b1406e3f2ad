//! One of several servers: the binary as a child process.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use tempfile::TempDir;

use crate::body;
use crate::database::{Database, note_secrets};

/// A running server.
pub(crate) struct Node {
    child: Child,
    folder: TempDir,
    address: String,
    http: reqwest::Client,
}

impl Node {
    /// Starts a server on `database`, with these additional lines in its `[store]`.
    pub(crate) fn start_with(database: &Database, store: &str) -> Self {
        let (mut command, folder) = prepare(database, store);
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let mut output = BufReader::new(child.stdout.take().expect("an output"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        let Some(address) = line
            .trim_end()
            .split("listens on ")
            .nth(1)
            .map(str::to_owned)
        else {
            panic!("it did not start: {}", log_in(&folder));
        };
        // Its output must be read, so that it never blocks on a full pipe.
        std::thread::spawn(move || drop(output.read_to_string(&mut String::new())));
        let http = reqwest::Client::builder()
            .timeout(Duration::from_mins(1))
            .build()
            .expect("a client");
        Self {
            child,
            folder,
            address,
            http,
        }
    }

    /// Starts a server on `database`.
    pub(crate) fn start(database: &Database) -> Self {
        Self::start_with(database, "")
    }

    /// Returns the output of a server that does not start.
    pub(crate) fn refused(database: &Database, store: &str) -> Output {
        let (mut command, _folder) = prepare(database, store);
        command.output().expect("the binary runs")
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.address))
    }

    /// Posts a form.
    pub(crate) fn form(&self, path: &str, body: String) -> RequestBuilder {
        let request = self.request(Method::POST, path).body(body);
        request.header("content-type", "application/x-www-form-urlencoded")
    }

    /// Obtains an access token for `client`.
    pub(crate) async fn access_token(&self, client: &Value) -> String {
        let text = |name: &str| client[name].as_str().expect("a text").to_owned();
        let request = self.form("/token", "grant_type=client_credentials".to_owned());
        let answer = request
            .basic_auth(text("client_id"), Some(text("client_secret")))
            .send()
            .await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200, "{}", self.log());
        let answer: Value = answer.json().await.expect("JSON");
        note_secrets(&answer);
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path)
            .send()
            .await
            .expect("an answer")
    }

    /// Returns the answer to a registration, or an error when there is none.
    pub(crate) async fn try_register(&self, name: &str) -> Result<Response, reqwest::Error> {
        self.request(Method::POST, "/register")
            .json(&body(name))
            .send()
            .await
    }

    /// Registers a client.
    pub(crate) async fn register(&self, name: &str) -> Value {
        let answer = self.try_register(name).await.expect("an answer");
        assert_eq!(answer.status(), 201, "{}", self.log());
        let client = answer.json().await.expect("JSON");
        note_secrets(&client);
        client
    }

    /// Returns a management request of `client`.
    pub(crate) fn of(&self, method: Method, client: &Value) -> RequestBuilder {
        let text = |name: &str| client[name].as_str().expect("a text").to_owned();
        let path = format!("/register?client_id={}", text("client_id"));
        self.request(method, &path)
            .bearer_auth(text("registration_access_token"))
    }

    /// Reads `client`, which must exist.
    pub(crate) async fn read(&self, client: &Value) -> Value {
        let answer = self
            .of(Method::GET, client)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200, "{client}\n{}", self.log());
        answer.json().await.expect("JSON")
    }

    /// Returns the path of its configuration file.
    pub(crate) fn configuration(&self) -> std::path::PathBuf {
        self.folder.path().join("registrar.toml")
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .expect("kill runs")
                .success()
        );
    }

    /// Kills the process if it still runs.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    pub(crate) fn log(&self) -> String {
        log_in(&self.folder)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_in(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("log")).expect("a log")
}

/// Returns the command that starts a server, and its folder.
fn prepare(database: &Database, store: &str) -> (Command, TempDir) {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("registrar.toml");
    let key_file = database.key_file().display().to_string();
    let key_file = if store.contains("keyFile") {
        String::new()
    } else {
        format!("keyFile = {key_file:?}\n")
    };
    // A busy machine is no outage of the database.
    let timeout = if store.contains("timeoutMs") {
        ""
    } else {
        "timeoutMs = 60000\n"
    };
    let text = format!(
        "[store]\nurl = {:?}\n{key_file}{timeout}{store}\n",
        database.url
    );
    std::fs::write(&file, text).expect("a configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_registrar"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_clear();
    command
        .arg("serve")
        .arg("--config")
        .arg(file)
        .args(["--listen", "127.0.0.1:0"]);
    (command, folder)
}

/// How long [`until`] waits. Everything takes far less time unless the machine is busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// Polls until `ask` returns true. Returns how long it took.
pub(crate) async fn until(mut ask: impl AsyncFnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !ask().await {
        assert!(
            start.elapsed() < PATIENCE,
            "it did not happen within {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    start.elapsed()
}
