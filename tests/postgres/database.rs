//! A schema in the test database with the folder that its servers share, and separate databases for
//! tests that stop them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

/// The database and the folder that the servers of one test share.
pub(crate) struct Database {
    /// `store.url`
    pub(crate) url: String,
    folder: TempDir,
    own: Option<Cluster>,
    /// The URL of the rows, even if a test changes `url`.
    rows: String,
}

impl Database {
    /// Creates a schema. Without a database it returns `None` and prints why.
    pub(crate) async fn new() -> Option<Self> {
        let url = named()?;
        let name = format!("s{}_{}", std::process::id(), next());
        run(&url, &format!("CREATE SCHEMA {name}")).await;
        let url = format!("{url}?options=-csearch_path%3D{name}");
        Some(Self::at(url))
    }

    /// Uses what is at `url`, with a folder of its own.
    pub(crate) fn at(url: String) -> Self {
        Self {
            rows: url.clone(),
            url,
            folder: TempDir::new().expect("a folder"),
            own: None,
        }
    }

    /// Starts a database that no other test uses.
    pub(crate) fn of_its_own() -> Option<Self> {
        named()?;
        let cluster = Cluster::start();
        let folder = TempDir::new().expect("a folder");
        let url = cluster.url.clone();
        Some(Self {
            rows: url.clone(),
            url,
            folder,
            own: Some(cluster),
        })
    }

    /// Returns the password in its URL.
    pub(crate) fn password(&self) -> &str {
        self.url.split([':', '@']).nth(2).expect("a password")
    }

    /// Returns the file of the key that its servers share.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.path().join("registrar.key")
    }

    /// Stops the database.
    pub(crate) fn halt(&self) {
        self.own
            .as_ref()
            .expect("a database of its own")
            .script("halt");
    }

    /// Restarts the database.
    pub(crate) fn resume(&self) {
        self.own
            .as_ref()
            .expect("a database of its own")
            .script("resume");
    }

    /// Returns the number of rows that contain `text`.
    pub(crate) async fn rows_with(&self, text: &str) -> i64 {
        const SQL: &str = "SELECT count(*) FROM registrar_entries \
                           WHERE position($1 IN key) > 0 OR position($1 IN value) > 0";
        let (client, connection) = connect(&self.url).await;
        let row = client
            .query_one(SQL, &[&text.as_bytes()])
            .await
            .expect("a number");
        drop(client);
        connection.await.expect("it ends");
        row.get(0)
    }
}

impl Drop for Database {
    /// Checks for the whole suite that no secret is in a row, including the rows of the audit log.
    fn drop(&mut self) {
        // A separate database may have stopped, and a failing test already reports its cause.
        if self.own.is_some() || std::thread::panicking() {
            return;
        }
        let url = self.rows.clone();
        let secrets = SECRETS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        // This cannot block on the runtime of the test.
        let search = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(leaks(&url, &secrets))
        });
        let leaks = search.join().expect("the rows are read");
        assert!(leaks.is_empty(), "secrets in the database: {leaks:?}");
    }
}

/// The secrets in the tests of this process.
static SECRETS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Remembers the secrets in an answer.
pub(crate) fn note_secrets(answer: &Value) {
    let names = [
        "client_secret",
        "registration_access_token",
        "access_token",
        "token",
    ];
    let secrets = names
        .iter()
        .filter_map(|name| answer[name].as_str())
        .map(str::to_owned);
    SECRETS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(secrets);
}

/// Returns the `secrets` that are in a row.
async fn leaks(url: &str, secrets: &[String]) -> Vec<String> {
    let (client, connection) = connect(url).await;
    let there = client
        .query("SELECT to_regclass('registrar_entries') IS NOT NULL", &[])
        .await;
    let rows = if there.expect("an answer").first().expect("a row").get(0) {
        client
            .query("SELECT key, value FROM registrar_entries", &[])
            .await
            .expect("the rows")
    } else {
        Vec::new()
    };
    drop(client);
    connection.await.expect("it ends");
    let bytes = rows
        .iter()
        .flat_map(|row| [row.get::<_, Vec<u8>>(0), row.get(1)])
        .collect::<Vec<_>>()
        .concat();
    let is_there = |secret: &&String| memchr::memmem::find(&bytes, secret.as_bytes()).is_some();
    secrets.iter().filter(is_there).cloned().collect()
}

#[tokio::test]
async fn a_secret_in_a_row_is_found() {
    let Some(database) = Database::new().await else {
        return;
    };
    let (client, connection) = connect(&database.url).await;
    let table = "CREATE TABLE registrar_entries (key bytea, value bytea); \
                 INSERT INTO registrar_entries VALUES ('k', 'a secret-of-a-test-6a1e b')";
    client.batch_execute(table).await.expect("a row");
    let secrets = [
        "secret-of-a-test-6a1e".to_owned(),
        "another-secret-0d3f".to_owned(),
    ];
    assert_eq!(leaks(&database.url, &secrets).await, secrets[..1]);
    drop(client);
    connection.await.expect("it ends");
}

fn next() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Returns the URL of the test database. Without one it returns `None` and prints why.
pub(crate) fn named() -> Option<String> {
    static WARNED: Once = Once::new();
    let url = std::env::var("REGISTRAR_TEST_POSTGRES").ok();
    if url.is_none() {
        // The output of `eprintln!` is shown only when a test fails.
        WARNED.call_once(|| {
            let text = "\nNOT TESTED: servers that share a PostgreSQL. These tests do nothing without \
                        REGISTRAR_TEST_POSTGRES; see .ci/postgres.sh.\n";
            let _ = writeln!(std::io::stderr(), "{text}");
        });
    }
    url
}

/// Runs the statements `text` in the database at `url`.
pub(crate) async fn run(url: &str, text: &str) {
    let (client, connection) = connect(url).await;
    client.batch_execute(text).await.expect("it is done");
    drop(client);
    connection.await.expect("it ends");
}

/// Returns the one value that `sql` selects in the database at `url`.
pub(crate) async fn query<T>(url: &str, sql: &str) -> T
where
    for<'a> T: tokio_postgres::types::FromSql<'a>,
{
    let (client, connection) = connect(url).await;
    let row = client.query_one(sql, &[]).await.expect("a row");
    drop(client);
    connection.await.expect("it ends");
    row.get(0)
}

async fn connect(url: &str) -> (tokio_postgres::Client, tokio::task::JoinHandle<()>) {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .expect("the database of the tests");
    let tasks = tokio_util::task::TaskTracker::new();
    (
        client,
        tasks.spawn(async { connection.await.expect("a connection") }),
    )
}

/// A database that `.ci/postgres.sh` started.
struct Cluster {
    url: String,
    environment: BTreeMap<String, String>,
}

impl Cluster {
    fn start() -> Self {
        let output = command("start").output().expect("the script runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).expect("text");
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        let environment: BTreeMap<_, _> = lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            url: environment["REGISTRAR_TEST_POSTGRES"].clone(),
            environment,
        }
    }

    fn script(&self, what: &str) {
        let status = command(what)
            .envs(&self.environment)
            .status()
            .expect("the script runs");
        assert!(status.success(), "{what} failed");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Remaining files are in a temporary folder.
        let _ = command("stop").envs(&self.environment).status();
    }
}

fn command(what: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/postgres.sh"));
    command.arg(what);
    command
}
