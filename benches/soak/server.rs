//! The server as a child process, and what the system says of it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A small cache, so that it is full before it is measured, and sweeps that come often.
const CONFIGURATION: &str = "[store]
cacheBytes = 8388608
sweepSeconds = 5
auditEvents = 20000
[registration]
accessTokenLifetime = 20
";

/// What is seen of the server at one moment.
pub(crate) struct Sample {
    /// Bytes of memory that it has.
    pub(crate) rss: u64,
    /// File descriptors that it has open.
    pub(crate) files: u64,
    /// Clients that it has.
    pub(crate) clients: u64,
    /// Bytes of its store.
    pub(crate) disk: u64,
}

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("scripts")).expect("a folder for scripts");
        write_script(&path("scripts"), 0);
        std::fs::write(path("registrar.toml"), CONFIGURATION).expect("a configuration");
        let binary = std::env::var("REGISTRAR_BINARY");
        let log = std::fs::File::create(path("log")).expect("a log");
        let mut child = Command::new(binary.unwrap_or_else(|_| env!("CARGO_BIN_EXE_registrar").to_owned()))
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
        output.read_line(&mut line).expect("it says where it listens");
        let url = line.trim().strip_prefix("Registrar listens on ").expect("an address").to_owned();
        std::thread::spawn(move || drop(output.read_to_string(&mut String::new())));
        let server = Self { child, folder, url, http: reqwest::Client::new() };
        while server.get("/readyz").await.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        server
    }

    /// Where the scripts are.
    pub(crate) fn scripts(&self) -> PathBuf {
        self.folder.path().join("scripts")
    }

    /// The credentials of the administrator.
    pub(crate) fn administrator(&self) -> Value {
        let file = self.folder.path().join("data/admin-credentials.json");
        serde_json::from_str(&std::fs::read_to_string(file).expect("credentials")).expect("JSON")
    }

    async fn get(&self, path: &str) -> Option<String> {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    }

    /// None when the server is not there any more.
    pub(crate) async fn sample(&self) -> Option<Sample> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = std::fs::read_to_string(process.join("status")).ok()?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let rss: u64 = rss.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        let metrics = self.get("/metrics").await?;
        let clients = metrics.lines().find_map(|line| line.strip_prefix("registrar_clients "))?;
        Some(Sample {
            rss: rss * 1024,
            files: std::fs::read_dir(process.join("fd")).ok()?.count() as u64,
            clients: clients.parse().ok()?,
            disk: disk(&self.folder.path().join("data")),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes of all files in `folder`.
fn disk(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => disk(&entry.path()),
            Ok(data) => data.len(),
            // It may have gone meanwhile.
            Err(_) => 0,
        })
        .sum()
}

/// Another text of the script, which decides the same.
pub(crate) fn write_script(folder: &Path, turn: u64) {
    let text = format!(
        "const TURN = {turn};\nfn createClient(context) {{\n    context.client.contacts.push(`turn-${{global::TURN}}@example.org`);\n    true\n}}\nfn updateClient(context) {{ true }}\n"
    );
    // A script must never be seen half written.
    let beside = folder.join("10-soak.new");
    std::fs::write(&beside, text).expect("a script is written");
    std::fs::rename(beside, folder.join("10-soak.rhai")).expect("it gets its name");
}
