//! A check over the whole suite: when the server of a test stops, no secret of its answers and requests
//! is in the log, in the metrics, or in the store with its audit log.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use memchr::memmem::Finder;
use registrar::testing;
use serde_json::Value;

/// Secret members of answers.
const SECRET: [&str; 5] = [
    "client_secret",
    "registration_access_token",
    "access_token",
    "token",
    "nonce",
];
/// Shorter texts are made up by tests and may appear anywhere as words.
const SHORTEST: usize = 24;
/// Files that contain secrets and are readable by the operator only.
const OPERATORS: [&str; 2] = ["registrar.key", "admin-credentials.json"];

/// The secrets by the port of the server.
static SECRETS: Mutex<Option<HashMap<u16, HashSet<String>>>> = Mutex::new(None);

/// All lines of the log of this process.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Remembers the secrets of a request that is about to be sent.
pub(super) fn sent(request: &reqwest::Request) {
    let header = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|value| value.strip_prefix("Bearer "));
    note(request.url().port(), bearer.into_iter());
}

/// Remembers the secrets of an answer.
pub(super) fn answered(url: &reqwest::Url, body: &Value) {
    note(
        url.port(),
        SECRET.iter().filter_map(|name| body.get(name)?.as_str()),
    );
}

/// Remembers a secret of the configuration.
pub(super) fn noted(port: u16, secret: &str) {
    note(Some(port), std::iter::once(secret));
}

fn note<'a>(port: Option<u16>, secrets: impl Iterator<Item = &'a str>) {
    let mut all = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    let own = all
        .get_or_insert_default()
        .entry(port.unwrap_or_default())
        .or_default();
    own.extend(
        secrets
            .filter(|secret| secret.len() >= SHORTEST)
            .map(str::to_owned),
    );
}

/// Returns the places in the log and the metrics of this process where `text` was found.
pub(super) fn told(text: &str) -> Vec<String> {
    let finder = Finder::new(text);
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    let numbers = testing::metrics().unwrap_or_default();
    let places = [
        ("the log", log.as_slice()),
        ("the numbers", numbers.as_bytes()),
    ];
    let found = places
        .iter()
        .filter_map(|(place, bytes)| shown(&finder, place, bytes));
    found.collect()
}

/// Returns where `finder` finds its secret in the `bytes` of `place`.
fn shown(finder: &Finder<'_>, place: &str, bytes: &[u8]) -> Option<String> {
    let (at, secret) = (finder.find(bytes)?, finder.needle().escape_ascii());
    let end = (at + finder.needle().len() + 40).min(bytes.len());
    let around = &bytes[at.saturating_sub(200)..end];
    Some(format!("{secret} is in {place}: {}", around.escape_ascii()))
}

/// Searches the files of one server for secrets when it is dropped.
pub(super) struct Watch {
    port: u16,
    /// The folder of its store.
    data: PathBuf,
    /// The position in the log at which the lines of this server begin.
    log: usize,
}

impl Watch {
    /// Starts to record the log of this process.
    pub(super) fn begin() {
        static BEGUN: OnceLock<()> = OnceLock::new();
        BEGUN.get_or_init(|| {
            testing::log_to(|| Log).expect("the log of the tests has one recorder");
        });
    }

    pub(super) fn of(port: u16, data: &Path) -> Self {
        let log = LOG.lock().unwrap_or_else(PoisonError::into_inner).len();
        Self {
            port,
            data: data.to_owned(),
            log,
        }
    }

    /// Returns the places where one of `secrets` was found.
    fn leaks(&self, secrets: &HashSet<String>) -> Vec<String> {
        let log = LOG
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(self.log..)
            .unwrap_or_default()
            .to_vec();
        let numbers = testing::metrics().unwrap_or_default().into_bytes();
        let mut places = vec![
            ("the log".to_owned(), log),
            ("the numbers".to_owned(), numbers),
        ];
        places.extend(files(&self.data));
        let mut leaks = Vec::new();
        for secret in secrets {
            let finder = Finder::new(secret);
            let found = places
                .iter()
                .filter_map(|(place, bytes)| shown(&finder, place, bytes));
            leaks.extend(found);
        }
        leaks
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut all = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
        let secrets = all
            .as_mut()
            .and_then(|all| all.remove(&self.port))
            .unwrap_or_default();
        drop(all);
        // A failing test already reports its cause.
        if !std::thread::panicking() {
            let leaks = self.leaks(&secrets);
            assert!(leaks.is_empty(), "{}", leaks.join("\n"));
        }
    }
}

/// Returns every file below `folder` except those of the operator.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            found.extend(files(&path));
        } else if !OPERATORS.iter().any(|own| name == *own) {
            found.push((
                path.display().to_string(),
                std::fs::read(&path).unwrap_or_default(),
            ));
        }
    }
    found
}

#[tokio::test]
async fn a_leak_is_found_in_every_place() {
    Watch::begin();
    let folder = tempfile::TempDir::new().expect("a folder");
    let watch = Watch::of(1, folder.path());
    let secrets = [
        "in-a-file-of-the-store-4b1c",
        "in-a-line-of-the-log-77d0",
        "nowhere-but-here-5e01",
    ];
    let secrets: HashSet<String> = secrets.map(str::to_owned).into();
    std::fs::create_dir(folder.path().join("db")).expect("a folder");
    std::fs::write(
        folder.path().join("db/blob"),
        "\0\u{1}in-a-file-of-the-store-4b1c",
    )
    .expect("a file");
    std::fs::write(folder.path().join("registrar.key"), "nowhere-but-here-5e01").expect("a file");
    tracing::trace!(target: "registrar::tests", what = "in-a-line-of-the-log-77d0", "said");
    let mut leaks = watch.leaks(&secrets);
    leaks.sort();
    assert_eq!(leaks.len(), 2, "{leaks:?}");
    assert!(
        leaks[0].contains("db/blob") && leaks[1].contains("the log"),
        "{leaks:?}"
    );
}

#[tokio::test]
async fn a_test_whose_server_leaks_fails() {
    let folder = tempfile::TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("db"), "an-access-token-that-is-stored").expect("a file");
    let url = "http://127.0.0.1:2/token".parse().expect("a URL");
    answered(
        &url,
        &serde_json::json!({"access_token": "an-access-token-that-is-stored"}),
    );
    let watch = Watch::of(2, folder.path());
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(watch)));
    assert!(outcome.is_err());
}
