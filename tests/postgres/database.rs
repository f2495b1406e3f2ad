//! A schema in the database of the tests, with the folder that its servers share; and a database
//! of its own, for those who stop it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

/// What the servers of one test share.
pub(crate) struct Database {
    /// `store.url`
    pub(crate) url: String,
    folder: TempDir,
    own: Option<Cluster>,
}

impl Database {
    /// A new schema; none, and a word about it, when there is no database.
    pub(crate) async fn new() -> Option<Self> {
        let url = named()?;
        let name = format!("s{}_{}", std::process::id(), next());
        let (client, connection) = connect(&url).await;
        client.batch_execute(&format!("CREATE SCHEMA {name}")).await.expect("a schema");
        drop(client);
        connection.await.expect("it ends");
        let url = format!("{url}?options=-csearch_path%3D{name}");
        Some(Self { url, folder: TempDir::new().expect("a folder"), own: None })
    }

    /// A database that no other test uses.
    pub(crate) fn of_its_own() -> Option<Self> {
        named()?;
        let cluster = Cluster::start();
        let folder = TempDir::new().expect("a folder");
        Some(Self { url: cluster.url.clone(), folder, own: Some(cluster) })
    }

    /// The password in its URL.
    pub(crate) fn password(&self) -> &str {
        self.url.split([':', '@']).nth(2).expect("a password")
    }

    /// The key that its servers share.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.path().join("registrar.key")
    }

    /// Stops the database.
    pub(crate) fn halt(&self) {
        self.own.as_ref().expect("a database of its own").script("halt");
    }

    /// Starts it again.
    pub(crate) fn resume(&self) {
        self.own.as_ref().expect("a database of its own").script("resume");
    }

    /// How many rows have `text` in them somewhere.
    pub(crate) async fn rows_with(&self, text: &str) -> i64 {
        const SQL: &str = "SELECT count(*) FROM registrar_entries \
                           WHERE position($1 IN key) > 0 OR position($1 IN value) > 0";
        let (client, connection) = connect(&self.url).await;
        let row = client.query_one(SQL, &[&text.as_bytes()]).await.expect("a number");
        drop(client);
        connection.await.expect("it ends");
        row.get(0)
    }
}

fn next() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn named() -> Option<String> {
    static WARNED: Once = Once::new();
    let url = std::env::var("REGISTRAR_TEST_POSTGRES").ok();
    if url.is_none() {
        // What `eprintln!` prints is shown only when a test fails.
        WARNED.call_once(|| {
            let text = "\nNOT TESTED: servers that share a PostgreSQL. These tests do nothing without \
                        REGISTRAR_TEST_POSTGRES; see .ci/postgres.sh.\n";
            let _ = writeln!(std::io::stderr(), "{text}");
        });
    }
    url
}

async fn connect(url: &str) -> (tokio_postgres::Client, tokio::task::JoinHandle<()>) {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("the database of the tests");
    let tasks = tokio_util::task::TaskTracker::new();
    (client, tasks.spawn(async { connection.await.expect("a connection") }))
}

/// A database that `.ci/postgres.sh` started.
struct Cluster {
    url: String,
    environment: BTreeMap<String, String>,
}

impl Cluster {
    fn start() -> Self {
        let output = command("start").output().expect("the script runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        let lines = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        let environment: BTreeMap<_, _> =
            lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { url: environment["REGISTRAR_TEST_POSTGRES"].clone(), environment }
    }

    fn script(&self, what: &str) {
        let status = command(what).envs(&self.environment).status().expect("the script runs");
        assert!(status.success(), "{what} failed");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What is left behind is in a temporary folder.
        let _ = command("stop").envs(&self.environment).status();
    }
}

fn command(what: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/postgres.sh"));
    command.arg(what);
    command
}
