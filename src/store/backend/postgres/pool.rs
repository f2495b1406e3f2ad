//! The connections: their number, how long a caller waits for one, and how each is set up.

use std::time::Duration;

use deadpool_postgres::{
    Client, ClientWrapper, Hook, HookError, Manager, Object, PoolError, Runtime, TimeoutType,
};
use futures_util::future::try_join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client as Connection, Row};

use super::{connect::Target, failure, failure::TransactionFailure};
use crate::store::{Pair, StoreError};

/// How often a read is attempted when connections turn out to be closed.
const TRIES: usize = 3;

/// Connections to one database.
#[derive(Clone)]
pub(super) struct ConnectionPool {
    connections: deadpool_postgres::Pool,
    /// How long to wait for a connection or an answer.
    pub(super) patience: Duration,
}

impl ConnectionPool {
    /// Creates a pool of at most `size` connections, without opening any.
    pub(super) fn new(
        target: &Target,
        size: usize,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        let manager = Manager::new(target.config.clone(), target.tls.clone());
        let set_up = Hook::async_fn(move |client: &mut ClientWrapper, _| {
            Box::pin(async move { set_up(client, patience).await.map_err(HookError::Backend) })
        });
        let connections = deadpool_postgres::Pool::builder(manager)
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(patience))
            .create_timeout(Some(patience))
            .recycle_timeout(Some(patience))
            .post_create(set_up)
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            connections,
            patience,
        })
    }

    /// Returns a connection.
    pub(super) async fn client(&self) -> Result<Client, StoreError> {
        self.connections.get().await.map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => StoreError::Busy,
            PoolError::Timeout(_) => failure::late(self.patience),
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                error.into()
            }
            other => StoreError::Unavailable(other.to_string()),
        })
    }

    /// Returns the rows that `sql` finds.
    pub(super) async fn query(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        for _ in 1..TRIES {
            match self.query_once(sql, values).await {
                // The connection was closed while it was idle, which is noticed only now.
                Err(TransactionFailure::Gone(_) | TransactionFailure::Lost) => {}
                outcome => return outcome.map_err(TransactionFailure::into_error),
            }
        }
        self.query_once(sql, values)
            .await
            .map_err(TransactionFailure::into_error)
    }

    async fn query_once(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, TransactionFailure> {
        let client = self
            .client()
            .await
            .map_err(TransactionFailure::Unavailable)?;
        let query = async {
            let statement = client.prepare_cached(sql).await?;
            Ok(client.query(&statement, values).await?)
        };
        let outcome = match tokio::time::timeout(self.patience, query).await {
            Ok(outcome) => outcome,
            Err(_) => Err(TransactionFailure::Unavailable(failure::late(
                self.patience,
            ))),
        };
        if let Err(TransactionFailure::Gone(_) | TransactionFailure::Unavailable(_)) = &outcome {
            discard(client);
        }
        outcome
    }
}

/// Closes a connection whose state is unknown.
pub(super) fn discard(client: Client) {
    drop(Object::take(client));
}

/// Reads a row of a key and a value.
pub(super) fn pair(row: &Row) -> Result<Pair, tokio_postgres::Error> {
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// Sets up a new connection.
async fn set_up(client: &ClientWrapper, patience: Duration) -> Result<(), tokio_postgres::Error> {
    let bound = patience.as_millis().to_string();
    let settings = [
        // Notices that a database sends in each transaction would fill the log, for example when it uses a
        // stricter isolation level.
        ("client_min_messages", "error"),
        ("statement_timeout", &bound),
        ("lock_timeout", &bound),
        ("idle_in_transaction_session_timeout", &bound),
        // Everything is found by its key. A plan made while the table was small must not scan the whole
        // table once it has grown.
        ("enable_seqscan", "off"),
    ];
    try_join_all(settings.map(|(name, value)| set(client, name, value))).await?;
    // A commit must survive a power cut; a stronger setting of the administrator is kept. If the database
    // does not have the setting, it cannot be off.
    match client.query_one("SHOW synchronous_commit", &[]).await {
        Ok(row) if row.try_get::<_, &str>(0)? == "off" => {
            client.batch_execute("SET synchronous_commit = on").await?;
        }
        Err(error) if !failure::is_refused(&error) => return Err(error),
        _ => {}
    }
    Ok(())
}

/// Sets a parameter that a database may not know or may reject.
pub(super) async fn set(
    client: &Connection,
    name: &str,
    value: &str,
) -> Result<(), tokio_postgres::Error> {
    ask_for(client, &format!("SET {name} = {value}")).await
}

/// Runs a statement that a database may reject: it helps where it is supported, and nothing depends on it.
pub(super) async fn ask_for(client: &Connection, sql: &str) -> Result<(), tokio_postgres::Error> {
    match client.batch_execute(sql).await {
        Err(error) if !failure::is_refused(&error) => Err(error),
        _ => Ok(()),
    }
}
