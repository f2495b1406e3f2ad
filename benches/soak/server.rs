//! Runs the server as a child process and samples its resources.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

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
    /// The folder with its files.
    folder: PathBuf,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    /// The time until it was ready.
    pub(crate) startup: Duration,
}

impl Server {
    /// Starts a server with its files in `folder`: `registrar.toml`, `data` and `scripts`.
    pub(crate) fn start(folder: &Path, configuration: &str) -> Self {
        let path = |name: &str| folder.join(name);
        std::fs::create_dir_all(path("scripts")).expect("a folder for scripts");
        std::fs::write(path("registrar.toml"), configuration).expect("a configuration");
        let binary = std::env::var("REGISTRAR_BINARY");
        let log = std::fs::File::create(path("log")).expect("a log");
        let begun = Instant::now();
        let mut child =
            Command::new(binary.unwrap_or_else(|_| env!("CARGO_BIN_EXE_registrar").to_owned()))
                .args(["serve", "--listen", "127.0.0.1:0", "--config"])
                .arg(path("registrar.toml"))
                .arg("--data")
                .arg(path("data"))
                .arg("--scripts")
                .arg(path("scripts"))
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
            folder: folder.to_owned(),
            url,
            http: reqwest::Client::new(),
            startup,
        }
    }

    /// Returns the credentials of the administrator.
    pub(crate) fn administrator(&self) -> Value {
        let file = self.folder.join("data/admin-credentials.json");
        serde_json::from_str(&std::fs::read_to_string(file).expect("credentials")).expect("JSON")
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
            disk: disk(&self.folder.join("data")),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the size of all files in `folder` in bytes.
fn disk(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => disk(&entry.path()),
            Ok(data) => data.len(),
            // The file may have been deleted meanwhile.
            Err(_) => 0,
        })
        .sum()
}
