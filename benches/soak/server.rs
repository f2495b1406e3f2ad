//! Runs the server as a child process and samples its resources.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::database::Database;

/// The file with the credentials of the administrator.
const CREDENTIALS: &str = "admin-credentials.json";

/// The resources of the server at one moment.
pub(crate) struct Sample {
    /// Resident memory in bytes.
    pub(crate) rss: u64,
    /// The number of open file descriptors.
    pub(crate) files: u64,
    /// The number of registered clients.
    pub(crate) clients: u64,
    /// The size of the store in bytes.
    pub(crate) disk: u64,
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// The folder with the files of its store.
    data: PathBuf,
    database: Database,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    /// The time until it was ready.
    pub(crate) startup: Duration,
}

impl Server {
    /// Starts a server with its files in `folder`: `registrar.toml`, `data` and `scripts`.
    pub(crate) fn start(folder: &Path, configuration: &str, database: &Database) -> Self {
        let path = |name: &str| folder.join(name);
        let data = path("data");
        for created in [&data, &path("scripts")] {
            std::fs::create_dir_all(created).expect("a folder");
        }
        std::fs::write(path("registrar.toml"), configuration).expect("a configuration");
        let binary = std::env::var("REGISTRAR_BINARY");
        let log = std::fs::File::create(path("log")).expect("a log");
        let begun = Instant::now();
        let mut child =
            Command::new(binary.unwrap_or_else(|_| env!("CARGO_BIN_EXE_registrar").to_owned()))
                .args(["serve", "--listen", "127.0.0.1:0", "--config"])
                .arg(path("registrar.toml"))
                .arg("--scripts")
                .arg(path("scripts"))
                .env("REGISTRAR_STORE__URL", database.url(&data))
                .env("REGISTRAR_STORE__KEY_FILE", data.join("registrar.key"))
                .env("REGISTRAR_ADMIN__CREDENTIALS_FILE", data.join(CREDENTIALS))
                .stdout(Stdio::piped())
                .stderr(log)
                .spawn()
                .expect("the binary starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        output
            .read_line(&mut line)
            .expect("a greeting with the address");
        let startup = begun.elapsed();
        let url = line
            .trim()
            .strip_prefix("Registrar listens on ")
            .expect("an address")
            .to_owned();
        std::thread::spawn(move || drop(output.read_to_string(&mut String::new())));
        Self {
            child,
            data,
            database: database.clone(),
            url,
            http: reqwest::Client::new(),
            startup,
        }
    }

    /// Returns the credentials of the administrator.
    pub(crate) fn administrator(&self) -> Value {
        let file = self.data.join(CREDENTIALS);
        serde_json::from_str(&std::fs::read_to_string(file).expect("credentials")).expect("JSON")
    }

    /// Stops it with SIGTERM, and waits until it has ended.
    pub(crate) fn stop(mut self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.expect("kill runs").success());
        let ended = self.child.wait().expect("it ends");
        assert!(ended.success(), "{ended}");
    }

    async fn get(&self, path: &str) -> Option<String> {
        let answer = self
            .http
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    }

    /// Samples the server. Returns `None` if it no longer runs.
    pub(crate) async fn sample(&self) -> Option<Sample> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = std::fs::read_to_string(process.join("status")).ok()?;
        let rss = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let rss: u64 = rss.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        let metrics = self.get("/metrics").await?;
        // One line for each trust level.
        let clients = metrics
            .lines()
            .filter(|line| line.starts_with("registrar_clients{"));
        let clients = clients.map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        Some(Sample {
            rss: rss * 1024,
            files: std::fs::read_dir(process.join("fd")).ok()?.count() as u64,
            clients: clients.sum::<Option<u64>>()?,
            disk: self.database.bytes(&self.data).await,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
