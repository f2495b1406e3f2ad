//! PostgreSQL, if it is available: `REGISTRAR_TEST_POSTGRES` names it, see `.ci/postgres.sh`. Each test has
//! its own schema in it. These tests are about servers that share a database. The contract itself is tested
//! with one server, and with two that are called in turn.

mod deadlines;

use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all, try_join_all};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{TestPlace, race};
use crate::base::{hex, random};
use crate::config::StoreSettings;
use crate::store::{
    Backend, BackendFacts, Change, Expectation, Pair, Store, StoreError,
    backend::postgres::Postgres,
};

/// The database of the tests; `None`, with a warning, if there is none.
fn database() -> Option<String> {
    static WARNED: Once = Once::new();
    let url = std::env::var("REGISTRAR_TEST_POSTGRES").ok();
    if url.is_none() {
        // `eprintln!` output is shown only when a test fails.
        WARNED.call_once(|| {
            let text = "\nNOT TESTED: PostgreSQL. Its tests do nothing without REGISTRAR_TEST_POSTGRES; \
                        see .ci/postgres.sh.\n";
            let _ = writeln!(std::io::stderr(), "{text}");
        });
    }
    url
}

/// Returns the settings of a store in a new schema.
async fn settings() -> Option<StoreSettings> {
    let url = database()?;
    let schema = format!("t{}", hex(&random::bytes::<8>().unwrap()));
    sql(&url, &format!("CREATE SCHEMA {schema}")).await;
    let url = format!("{url}?options=-csearch_path%3D{schema}");
    // The tests need more time than the default on a small machine.
    Some(StoreSettings {
        url: url.as_str().into(),
        timeout_ms: 30_000,
        ..StoreSettings::default()
    })
}

/// Executes `text` in the database at `url`.
async fn sql(url: &str, text: &str) {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap();
    let (done, _) = tokio::join!(
        async {
            let done = client.batch_execute(text).await;
            drop(client);
            done
        },
        connection
    );
    done.unwrap();
}

impl TestPlace {
    /// A server with a database.
    pub(super) async fn postgres() -> Option<Self> {
        let node = Postgres::open(&settings().await?).await.unwrap();
        Some(Self::on(Arc::new(node), None))
    }

    /// Two servers with one database.
    pub(super) async fn two_servers() -> Option<Self> {
        let settings = settings().await?;
        let nodes = try_join_all([Postgres::open(&settings), Postgres::open(&settings)])
            .await
            .unwrap();
        Some(Self::on(
            Arc::new(InTurn {
                nodes,
                turn: AtomicUsize::new(0),
            }),
            None,
        ))
    }
}

/// Servers that are called in turn.
struct InTurn {
    nodes: Vec<Postgres>,
    turn: AtomicUsize,
}

impl InTurn {
    fn next(&self) -> &Postgres {
        &self.nodes[self.turn.fetch_add(1, Ordering::Relaxed) % self.nodes.len()]
    }
}

impl Backend for InTurn {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.next().get(key)
    }

    fn scan(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>> {
        self.next().scan(range, limit)
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<crate::store::Applied, StoreError>> {
        self.next().apply(change)
    }

    fn facts(&self) -> BackendFacts {
        self.next().facts()
    }
}

fn put(key: impl Into<Vec<u8>>, value: &str) -> Change {
    Change {
        put: vec![(key.into(), value.into())],
        ..Change::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_absent_key_is_locked_until_the_commit() {
    let Some(place) = TestPlace::two_servers().await else {
        return;
    };
    for round in 0..50 {
        let keys = [format!("x/{round}"), format!("y/{round}")];
        let outcomes = race(8, |turn| {
            let (backend, keys) = (Arc::clone(&place.backend), keys.clone());
            let (mine, other) = (keys[turn % 2].clone(), keys[(turn + 1) % 2].clone());
            async move {
                let expect = vec![
                    Expectation::Absent(mine.clone().into()),
                    Expectation::Absent(other.into()),
                ];
                backend
                    .apply(Change {
                        expect,
                        ..put(mine, "v")
                    })
                    .await
            }
        })
        .await;
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
            1,
            "{outcomes:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_that_need_the_same_rows_do_not_deadlock() {
    let Some(place) = TestPlace::two_servers().await else {
        return;
    };
    let keys = |turn: usize| (0..20).map(move |number| format!("k/{}", (number * 7 + turn) % 20));
    let outcomes = race(100, |turn| {
        let backend = Arc::clone(&place.backend);
        let put = keys(turn)
            .map(|key| (key.into_bytes(), turn.to_string().into_bytes()))
            .collect();
        async move {
            backend
                .apply(Change {
                    put,
                    ..Change::default()
                })
                .await
        }
    })
    .await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let values = place.everything().await;
    assert_eq!(values.len(), 20);
    assert!(
        values.iter().all(|(_, value)| *value == values[0].1),
        "a change becomes visible as a whole"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rejected_value_does_not_affect_other_changes() {
    let Some(place) = TestPlace::postgres().await else {
        return;
    };
    // Longer than an index entry can be, even when it is compressed.
    let long = hex(&random::bytes::<8_000>().unwrap());
    let mut changes: Vec<_> = (0..20)
        .map(|number| put(format!("k/{number}"), "v"))
        .collect();
    changes.insert(10, put(long, "v"));
    let outcomes = join_all(
        changes
            .into_iter()
            .map(|change| place.backend.apply(change)),
    )
    .await;
    let refused: Vec<_> = (0..outcomes.len())
        .filter(|at| outcomes[*at].is_err())
        .collect();
    assert_eq!(refused, [10], "{outcomes:?}");
    assert!(
        matches!(&outcomes[10], Err(StoreError::Unavailable(why)) if why.contains("index row"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tables_are_created_by_many_servers_at_once() {
    let Some(settings) = settings().await else {
        return;
    };
    let opened = join_all((0..8).map(|_| Postgres::open(&settings))).await;
    assert!(
        opened.iter().all(Result::is_ok),
        "{:?}",
        opened.iter().find_map(|one| one.as_ref().err())
    );
    sql(
        settings.url.expose(),
        "UPDATE registrar_schema SET version = 99",
    )
    .await;
    let error = Postgres::open(&settings).await.err().unwrap().to_string();
    assert!(
        error.contains("version 99") && error.contains("older"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_user_without_the_right_to_create_tables_uses_existing_ones() {
    let Some(settings) = settings().await else {
        return;
    };
    drop(Postgres::open(&settings).await.unwrap());
    let user = format!("u{}", hex(&random::bytes::<8>().unwrap()));
    let url = settings.url.expose().to_owned();
    let schema = url.rsplit("%3D").next().unwrap();
    let grants = format!(
        "CREATE USER {user} PASSWORD 'p'; GRANT USAGE ON SCHEMA {schema} TO {user}; \
         GRANT SELECT ON registrar_schema TO {user}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON registrar_entries TO {user}"
    );
    sql(&url, &grants).await;
    let (_, host) = url.split_once('@').unwrap();
    let as_user = StoreSettings {
        url: format!("postgres://{user}:p@{host}").into(),
        ..settings.clone()
    };
    let node = Postgres::open(&as_user).await.unwrap();
    node.apply(put("k", "v")).await.unwrap();
    assert_eq!(node.get(b"k").await.unwrap(), Some(b"v".to_vec()));
}

/// Waits until `changed` signals.
async fn told(changed: &mut mpsc::Receiver<()>) {
    tokio::time::timeout(Duration::from_secs(20), changed.recv())
        .await
        .expect("a change is signalled")
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_server_is_notified_of_a_patch() {
    let Some(settings) = settings().await else {
        return;
    };
    let [one, two] = [(); 2].map(|()| Postgres::open(&settings));
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    let mut changed = two.watch().unwrap();
    told(&mut changed).await;
    for round in 0..3 {
        one.apply(put("p/configuration", &round.to_string()))
            .await
            .unwrap();
        told(&mut changed).await;
        while two.get(b"p/configuration").await.unwrap() != Some(round.to_string().into()) {
            told(&mut changed).await;
        }
    }
    // All connections are lost, including the listening one.
    sql(
        settings.url.expose(),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE application_name = 'registrar' AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'",
    )
    .await;
    one.apply(put("p/configuration", "last")).await.unwrap();
    while two.get(b"p/configuration").await.unwrap() != Some(b"last".to_vec()) {
        told(&mut changed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_servers_have_one_key() {
    let Some(settings) = settings().await else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let with = |name: &str| StoreSettings {
        key_file: Some(folder.path().join(name)),
        ..settings.clone()
    };
    let open = async |settings: StoreSettings| {
        Store::open(&settings)
            .await
            .map_err(|error| error.to_string())
    };
    let error = open(settings.clone()).await.err().unwrap();
    assert!(
        error.starts_with("store.keyFile: ") && error.contains("servers on the database share"),
        "{error}"
    );
    drop(open(with("one")).await.unwrap());
    let error = open(with("two")).await.err().unwrap();
    assert!(
        error.contains("two") && error.contains("missing"),
        "{error}"
    );
    drop(
        Store::open(&StoreSettings {
            url: "memory:".into(),
            ..with("two")
        })
        .await,
    );
    let other = StoreSettings {
        url: format!("sled:{}", folder.path().join("d").display()).into(),
        ..with("two")
    };
    drop(open(other).await.unwrap());
    let error = open(with("two")).await.err().unwrap();
    assert!(
        error.contains("two") && error.contains("not the key of this store"),
        "{error}"
    );
    std::fs::copy(folder.path().join("one"), folder.path().join("two")).unwrap();
    open(with("two")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_database_must_prove_its_identity() {
    let Some(settings) = settings().await else {
        return;
    };
    let Ok(folder) = std::env::var("REGISTRAR_POSTGRES") else {
        return;
    };
    let authority = Some(Path::new(&folder).join("ca.pem"));
    let open = async |host: &str, mode: &str, authority: Option<&Path>| {
        let url = settings.url.expose().replace("127.0.0.1", host);
        let url = format!("{url}&sslmode={mode}").into();
        let ca_file = authority.map(Path::to_owned);
        let node = Postgres::open(&StoreSettings {
            url,
            ca_file,
            ..settings.clone()
        })
        .await;
        node.map(drop).map_err(|error| error.to_string())
    };
    let authority = authority.as_deref();
    for (host, mode, authority) in [
        ("localhost", "verify-full", authority),
        ("127.0.0.1", "verify-ca", authority),
        ("127.0.0.1", "require", authority),
        ("127.0.0.1", "require", None),
        ("127.0.0.1", "prefer", None),
        ("127.0.0.1", "disable", None),
    ] {
        open(host, mode, authority)
            .await
            .unwrap_or_else(|error| panic!("{host} {mode}: {error}"));
    }
    for (host, mode, authority) in [
        ("127.0.0.1", "verify-full", authority),
        ("localhost", "verify-full", None),
        ("localhost", "verify-ca", None),
    ] {
        let error = open(host, mode, authority).await.unwrap_err();
        assert!(error.contains("certificate"), "{host} {mode}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_unreachable_database_is_named_without_its_password() {
    let Some(settings) = settings().await else {
        return;
    };
    let url = settings.url.expose();
    let password = url.split([':', '@']).nth(2).unwrap();
    let elsewhere = |url: String| StoreSettings {
        url: url.into(),
        ..settings.clone()
    };
    for (url, says) in [
        (
            "postgres://registrar:hid-den@127.0.0.1:1/r".to_owned(),
            "refused",
        ),
        (
            url.replace(password, "hid-den"),
            "password authentication failed",
        ),
        (url.replace("/registrar?", "/hid-den?"), "does not exist"),
    ] {
        let error = Postgres::open(&elsewhere(url))
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(says), "{error}");
        assert!(
            says == "does not exist" || !error.contains("hid-den"),
            "{error}"
        );
    }
}
