//! Another client holds row locks until the waiting callers are answered that nothing was written.

use std::time::Duration;

use futures_util::future::join;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, NoTls};
use tokio_util::task::TaskTracker;

use super::{put, settings};
use crate::config::StoreSettings;
use crate::store::{Backend, StoreError, backend::postgres::Postgres};

/// A client that holds a row lock.
struct Holder {
    client: Client,
    tasks: TaskTracker,
}

impl Holder {
    /// Locks the row of `key`.
    async fn of(settings: &StoreSettings, key: &str) -> Self {
        const SQL: &str = "SELECT 1 FROM registrar_entries WHERE key = $1 FOR UPDATE";
        let (client, connection) = tokio_postgres::connect(settings.url.expose(), NoTls)
            .await
            .unwrap();
        let tasks = TaskTracker::new();
        tasks.spawn(connection);
        client.batch_execute("BEGIN").await.unwrap();
        assert_eq!(
            client.query(SQL, &[&key.as_bytes()]).await.unwrap().len(),
            1,
            "there is a row"
        );
        Self { client, tasks }
    }

    /// Returns when another connection waits for the row.
    async fn is_waited_for(&self) {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM pg_locks \
                           WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))";
        let end = Instant::now() + Duration::from_secs(20);
        while !self
            .client
            .query_one(SQL, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
        {
            assert!(Instant::now() < end, "no connection waits for the row");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn release(self) {
        self.client.batch_execute("COMMIT").await.unwrap();
        drop(self.client);
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Returns a server whose changes wait for at most `patience`, with rows that others can lock.
async fn patient(patience: Duration) -> Option<(Postgres, StoreSettings)> {
    let timeout_ms = patience.as_millis().try_into().unwrap();
    let settings = StoreSettings {
        timeout_ms,
        ..settings().await?
    };
    let node = Postgres::open(&settings).await.unwrap();
    for key in ["busy", "held"] {
        node.apply(put(key, "old")).await.unwrap();
    }
    Some((node, settings))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_reported_as_failed_is_not_made_later() {
    let patience = Duration::from_secs(3);
    let Some((node, settings)) = patient(patience).await else {
        return;
    };
    let (busy, held) = (
        Holder::of(&settings, "busy").await,
        Holder::of(&settings, "held").await,
    );
    let late = async {
        busy.is_waited_for().await;
        // It is queued now, and attempted only when the writer has written the previous change.
        let release = async {
            sleep(patience * 2 / 3).await;
            busy.release().await;
        };
        join(node.apply(put("held", "new")), release).await.0
    };
    let (_, late) = join(node.apply(put("busy", "new")), late).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    held.release().await;
    // A change written after it shows that it is no longer being processed.
    while node.apply(put("next", "new")).await.is_err() {}
    assert_eq!(node.get(b"held").await.unwrap(), Some(b"old".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_that_times_out_does_not_affect_the_others() {
    let patience = Duration::from_secs(4);
    let Some((node, settings)) = patient(patience).await else {
        return;
    };
    let (busy, held) = (
        Holder::of(&settings, "busy").await,
        Holder::of(&settings, "held").await,
    );
    let both = async {
        busy.is_waited_for().await;
        let younger = async {
            sleep(patience / 2).await;
            // It is queued before the writer can accept the two of them.
            join(node.apply(put("other", "new")), busy.release())
                .await
                .0
        };
        join(node.apply(put("held", "new")), younger).await
    };
    let (_, (older, younger)) = join(node.apply(put("busy", "new")), both).await;
    assert!(
        matches!(older, Err(StoreError::Unavailable(_))),
        "{older:?}"
    );
    assert!(younger.is_ok(), "{younger:?}");
    held.release().await;
}
