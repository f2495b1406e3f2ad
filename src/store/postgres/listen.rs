//! Says "look again" when something changed that servers keep in memory: the patches of the live
//! configuration. The database tells those who listen; behind that, it is looked at once a second.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::poll_fn;
use tokio::sync::mpsc;
use tokio_postgres::AsyncMessage;
use tokio_util::task::TaskTracker;

use super::connect::Target;
use super::failure;
use super::pool::Pool;
use crate::secret::sha256;
use crate::store::{StoreError, keys};

/// What the writer says in a transaction that changed what is watched.
pub(super) const NOTIFY: &str = "NOTIFY registrar_changes";
const LISTEN: &str = "LISTEN registrar_changes";
const UNLISTEN: &str = "UNLISTEN registrar_changes";

/// How often it is looked at.
const PAUSE: Duration = Duration::from_secs(1);

const WATCHED: &str = "SELECT key, value FROM registrar_entries WHERE key >= $1 AND key < $2 ORDER BY key";

/// Whether a change of the value of `key` is told.
pub(super) fn is_watched(key: &[u8]) -> bool {
    key.starts_with(keys::WATCHED)
}

/// Whether this database tells of changes. Not all that speak the protocol do.
pub(super) async fn is_possible(pool: &Pool) -> Result<bool, StoreError> {
    let client = pool.client().await?;
    let told = match client.batch_execute(LISTEN).await {
        Ok(()) => client.batch_execute(UNLISTEN).await,
        Err(error) => Err(error),
    };
    match told {
        Ok(()) => Ok(true),
        Err(error) if error.code().is_some() => {
            tracing::info!("the database does not tell of changes; it is looked at once a second");
            Ok(false)
        }
        Err(error) => Err(failure::unavailable(&error)),
    }
}

/// Watches what is watched.
pub(super) struct Listener {
    target: Option<Target>,
    pool: Pool,
    patience: Duration,
    look_again: mpsc::Sender<()>,
    tasks: TaskTracker,
}

impl Listener {
    /// A listener that says so to `look_again`; without a `target` that
    /// [tells of changes](is_possible), it only looks.
    pub(super) fn new(
        target: Option<Target>,
        pool: Pool,
        patience: Duration,
        look_again: mpsc::Sender<()>,
    ) -> Self {
        Self { target, pool, patience, look_again, tasks: TaskTracker::new() }
    }

    /// Listens until nobody wants to know any more.
    pub(super) async fn run(self) {
        let mut seen = None;
        let mut ear = None;
        while !self.look_again.is_closed() {
            if ear.as_ref().is_none_or(tokio_postgres::Client::is_closed) {
                ear = self.listen().await;
            }
            // What can not be read now is looked at the next time.
            if let Ok(found) = self.look().await {
                // The first time, too: it may have changed since whoever wants to know has read it.
                if seen != Some(found) {
                    self.say();
                }
                seen = Some(found);
            }
            tokio::select! {
                () = self.look_again.closed() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    fn say(&self) {
        // One that waits already says the same.
        let _ = self.look_again.try_send(());
    }

    /// A digest of all that is watched.
    async fn look(&self) -> Result<[u8; 32], StoreError> {
        let range = keys::under(keys::WATCHED);
        let rows = self.pool.query(WATCHED, &[&range.start, &range.end]).await?;
        let columns = rows.iter().flat_map(|row| [row.try_get::<_, &[u8]>(0), row.try_get(1)]);
        let columns: Vec<&[u8]> =
            columns.collect::<Result<_, _>>().map_err(|error| failure::unavailable(&error))?;
        let digests: Vec<u8> = columns.into_iter().flat_map(sha256).collect();
        Ok(sha256(&digests))
    }

    /// A connection on which the database tells of changes; none when there is none now.
    async fn listen(&self) -> Option<tokio_postgres::Client> {
        let target = self.target.as_ref()?;
        let connecting = target.config.connect(target.tls.clone());
        let (client, mut connection) = tokio::time::timeout(self.patience, connecting).await.ok()?.ok()?;
        let look_again = self.look_again.clone();
        self.tasks.spawn(async move {
            let mut messages = poll_fn(move |context| connection.poll_message(context));
            // It ends with the connection, and that ends with its client.
            while let Some(Ok(message)) = messages.next().await {
                if matches!(message, AsyncMessage::Notification(_)) {
                    let _ = look_again.try_send(());
                }
            }
        });
        let listening = tokio::time::timeout(self.patience, client.batch_execute(LISTEN)).await;
        matches!(listening, Ok(Ok(()))).then_some(client)
    }
}
