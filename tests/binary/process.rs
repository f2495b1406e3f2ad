//! The binary as a child process with its own folder.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A database that runs within the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sled,
    Fjall,
}

impl Database {
    /// Returns the configuration of a server with this database, followed by `rest`.
    pub(crate) fn configuration(self, rest: &str) -> String {
        match self {
            Self::Sled => rest.to_owned(),
            Self::Fjall => format!("[store]\nurl = \"{FJALL}\"\n{rest}"),
        }
    }

    /// Returns the URL of a store with this database in `folder`.
    pub(crate) fn url(self, folder: &Path) -> String {
        let name = match self {
            Self::Sled => "sled",
            Self::Fjall => "fjall",
        };
        format!("{name}:{}", folder.display())
    }

    /// Returns the database that `REGISTRAR_DATABASE` names, or else sled.
    pub(crate) fn chosen() -> Self {
        match std::env::var("REGISTRAR_DATABASE").as_deref() {
            Err(_) | Ok("sled") => Self::Sled,
            Ok("fjall") => Self::Fjall,
            Ok(other) => panic!("there is no database {other}"),
        }
    }
}

/// The URL in the configuration of a server with fjall. Its folder is replaced by that of the test.
const FJALL: &str = "fjall:data";

/// Returns a command for the binary with `arguments`, in the folder of the repository, without its
/// environment. `REGISTRAR_BINARY` names another binary than the one of this build, for long runs.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let named = std::env::var("REGISTRAR_BINARY").ok();
    let mut command = Command::new(named.as_deref().unwrap_or(env!("CARGO_BIN_EXE_registrar")));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .env_clear();
    command
}

/// Returns the command that serves with `registrar.toml` and the data of `folder`, on a port that the system
/// chooses.
pub(crate) fn server(folder: &Path) -> Command {
    let file = folder.join("registrar.toml");
    let path = |path: &Path| path.to_str().expect("a path").to_owned();
    let data = path(&folder.join("data"));
    let mut command = command(&["serve", "--config", &path(&file), "--listen", "127.0.0.1:0"]);
    let configured = std::fs::read_to_string(file).unwrap_or_default();
    if configured.contains(FJALL) {
        command.env("REGISTRAR_STORE__URL", format!("fjall:{data}"));
    } else {
        command.args(["--data", &data]);
    }
    if !configured.contains("rateLimitRegistrationRequestCount") {
        // Tests register faster than the default quota for one address allows.
        command.env(
            "REGISTRAR_REGISTRATION__RATE_LIMIT_REGISTRATION_REQUEST_COUNT",
            "0",
        );
    }
    command
}

/// A registrar that did not start.
pub(crate) struct Refusal {
    /// Its exit code; `None` when a signal ended it, or when it was still starting at the timeout.
    pub(crate) code: Option<i32>,
    /// Its log.
    pub(crate) log: String,
    /// Its folder.
    pub(crate) folder: TempDir,
}

/// A running registrar.
pub(crate) struct Registrar {
    child: Child,
    folder: Option<TempDir>,
    address: String,
    /// What it printed when it was ready.
    pub(crate) greeting: String,
}

impl Registrar {
    /// Starts a registrar in an empty folder with the shipped scripts.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// Starts a registrar in an empty folder with this configuration.
    pub(crate) fn start_with(configuration: &str) -> Self {
        Self::start_prepared(configuration, |_| {})
    }

    /// The same; `prepare` can change the command before it runs.
    pub(crate) fn start_prepared(configuration: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        std::fs::write(folder.path().join("registrar.toml"), configuration)
            .expect("a configuration");
        Self::run(folder, prepare)
    }

    fn start_in(folder: TempDir) -> Self {
        Self::run(folder, |_| {})
    }

    /// Starts a registrar in the folder of another one; fails if it does not start within `patience`.
    pub(crate) fn try_start_in(folder: TempDir, patience: Duration) -> Result<Self, Refusal> {
        Self::try_run(folder, |_| {}, Some(patience))
    }

    fn run(folder: TempDir, prepare: impl FnOnce(&mut Command)) -> Self {
        Self::try_run(folder, prepare, None)
            .unwrap_or_else(|refusal| panic!("it did not start: {}", refusal.log))
    }

    fn try_run(
        folder: TempDir,
        prepare: impl FnOnce(&mut Command),
        patience: Option<Duration>,
    ) -> Result<Self, Refusal> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(folder.path().join("log"))
            .expect("a log");
        let mut command = server(folder.path());
        prepare(&mut command);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let guard = patience.map(|patience| end_after(patience, child.id()));
        let greeting = greeting(&mut child);
        drop(guard);
        let Some(greeting) = greeting else {
            let code = child.wait().expect("it ends").code();
            let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            return Err(Refusal { code, log, folder });
        };
        let address = greeting
            .split("listens on ")
            .nth(1)
            .and_then(|rest| rest.lines().next());
        let address = address.expect("it prints where it listens").to_owned();
        Ok(Self {
            child,
            folder: Some(folder),
            address,
            greeting,
        })
    }

    /// Starts a new registrar in the folder of this one, which has ended.
    pub(crate) fn start_again(mut self) -> Self {
        Self::start_in(self.folder.take().expect("a folder"))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Posts a form.
    pub(crate) fn form(
        &self,
        http: &reqwest::Client,
        path: &str,
        fields: &[(&str, &str)],
    ) -> reqwest::RequestBuilder {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        http.post(self.url(path))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().expect("a folder").path()
    }

    /// Returns the folder of this registrar, which has ended.
    pub(crate) fn into_folder(mut self) -> TempDir {
        self.folder.take().expect("a folder")
    }

    /// Returns its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Sends SIGTERM and returns the exit status.
    #[cfg(unix)]
    pub(crate) fn terminate(&mut self) -> std::process::ExitStatus {
        self.signal("-TERM");
        self.ended()
    }

    #[cfg(unix)]
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

    /// Waits for its end and returns the exit status.
    pub(crate) fn ended(&mut self) -> std::process::ExitStatus {
        self.child.wait().expect("it ends")
    }

    /// Returns the host and port that it listens on.
    pub(crate) fn host(&self) -> &str {
        self.address.strip_prefix("http://").expect("a URL")
    }

    /// Writes its configuration file.
    pub(crate) fn configure(&self, text: &str) {
        let file: PathBuf = self.folder().join("registrar.toml");
        std::fs::write(file, text).expect("the file is written");
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).expect("a log")
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends a process that still runs after `patience`, unless the returned sender is dropped earlier.
fn end_after(patience: Duration, id: u32) -> std::sync::mpsc::Sender<()> {
    let (keep, dropped) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        if dropped.recv_timeout(patience) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill")
                .args(["-KILL", &id.to_string()])
                .status();
        }
    });
    keep
}

/// Returns what the child prints until it is ready; `None` when it ends before that.
fn greeting(child: &mut Child) -> Option<String> {
    let mut output = BufReader::new(child.stdout.take()?);
    let mut greeting = String::new();
    while !greeting.contains("curl") || !greeting.ends_with("'\n") {
        if output.read_line(&mut greeting).ok()? == 0 {
            return None;
        }
    }
    // Its output must be read, so that it never blocks on a full pipe.
    std::thread::spawn(move || drop(output.read_to_string(&mut String::new())));
    Some(greeting)
}

/// How long something may take that usually takes far less: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Polls until `ask` returns true, for at most [`PATIENCE`].
pub(crate) async fn until(mut ask: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !ask().await {
        assert!(
            Instant::now() < end,
            "it did not happen within {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
