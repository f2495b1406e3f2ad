//! Signals when data that servers keep in memory may have changed: the patches of the live configuration.
//! The database notifies its listeners. In case it does not, the data is also polled once a second.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::poll_fn;
use tokio::sync::mpsc;
use tokio_postgres::AsyncMessage;
use tokio_util::task::TaskTracker;

use super::{connect::Target, pool::ConnectionPool};
use crate::base::sha256;
use crate::store::{StoreError, keys};

/// What the writer sends in a transaction that changed watched data.
pub(super) const NOTIFY: &str = "NOTIFY registrar_changes";
const LISTEN: &str = "LISTEN registrar_changes";
const UNLISTEN: &str = "UNLISTEN registrar_changes";

/// The polling interval.
const PAUSE: Duration = Duration::from_secs(1);

const WATCHED: &str =
    "SELECT key, value FROM registrar_entries WHERE key >= $1 AND key < $2 ORDER BY key";

/// Returns whether listeners are notified when the value of `key` changes.
pub(super) fn is_watched(key: &[u8]) -> bool {
    key.starts_with(keys::WATCHED)
}

/// Returns whether this database supports LISTEN/NOTIFY. Not all databases that speak the protocol do.
pub(super) async fn is_possible(pool: &ConnectionPool) -> Result<bool, StoreError> {
    let client = pool.client().await?;
    let told = match client.batch_execute(LISTEN).await {
        Ok(()) => client.batch_execute(UNLISTEN).await,
        Err(error) => Err(error),
    };
    match told {
        Ok(()) => Ok(true),
        Err(error) if error.code().is_some() => {
            tracing::info!(
                "LISTEN/NOTIFY is not available; polling for configuration changes every second"
            );
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Watches the data under watched keys.
pub(super) struct Listener {
    target: Option<Target>,
    pool: ConnectionPool,
    patience: Duration,
    look_again: mpsc::Sender<()>,
    tasks: TaskTracker,
}

impl Listener {
    /// Creates a listener that signals changes on `look_again`. Without a `target` that [supports
    /// notifications](is_possible), it only polls.
    pub(super) fn new(
        target: Option<Target>,
        pool: ConnectionPool,
        patience: Duration,
        look_again: mpsc::Sender<()>,
    ) -> Self {
        Self {
            target,
            pool,
            patience,
            look_again,
            tasks: TaskTracker::new(),
        }
    }

    /// Listens until the receiver is dropped.
    pub(super) async fn run(self) {
        let mut seen = None;
        let mut ear = None;
        while !self.look_again.is_closed() {
            if ear.as_ref().is_none_or(tokio_postgres::Client::is_closed) {
                ear = self.listen().await;
            }
            // A failed read is repeated in the next round.
            if let Ok(found) = self.look().await {
                // The first round signals too: the data may have changed since the receiver read it.
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
        // A signal that is already waiting has the same meaning.
        let _ = self.look_again.try_send(());
    }

    /// Returns a digest of all watched data.
    async fn look(&self) -> Result<[u8; 32], StoreError> {
        let range = keys::under(keys::WATCHED);
        let rows = self
            .pool
            .query(WATCHED, &[&range.start, &range.end])
            .await?;
        let mut digests = Vec::new();
        for row in &rows {
            let (key, value): (&[u8], &[u8]) = (row.try_get(0)?, row.try_get(1)?);
            digests.extend(sha256(key));
            digests.extend(sha256(value));
        }
        Ok(sha256(&digests))
    }

    /// Opens a connection on which the database sends notifications; `None` if that fails for now.
    async fn listen(&self) -> Option<tokio_postgres::Client> {
        let target = self.target.as_ref()?;
        let connecting = target.config.connect(target.tls.clone());
        let (client, mut connection) = tokio::time::timeout(self.patience, connecting)
            .await
            .ok()?
            .ok()?;
        let look_again = self.look_again.clone();
        self.tasks.spawn(async move {
            let mut messages = poll_fn(move |context| connection.poll_message(context));
            // The task ends with the connection, and the connection ends with its client.
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
