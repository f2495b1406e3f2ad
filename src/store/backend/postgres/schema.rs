//! Creates and migrates the tables. The steps are not in one transaction, since some databases that speak
//! the protocol reject table creation in a transaction or commit in the middle of it. Each step can be
//! repeated, and servers that start at the same time may all run it. They take turns if the database has
//! advisory locks. A database whose tables are up to date is only read, so a user without permission to
//! create tables can use tables that an administrator has created.

use std::time::Duration;

use deadpool_postgres::Client;
use tokio_postgres::error::SqlState;

use super::{pool, pool::ConnectionPool};
use crate::store::StoreError;

/// The version of the tables of this registrar.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The steps from each version of the tables to the next. Each can be repeated, even by another server at
/// the same time.
const MIGRATIONS: &[&str] =
    &["CREATE TABLE IF NOT EXISTS registrar_entries (key bytea PRIMARY KEY, value bytea NOT NULL)"];

/// An `integer` has four bytes in PostgreSQL and eight in `CockroachDB`.
const VERSION: &str = "SELECT CAST(version AS bigint) FROM registrar_schema WHERE id = 1";
const TABLE: &str = "CREATE TABLE IF NOT EXISTS registrar_schema (id integer PRIMARY KEY, version integer NOT NULL)";
const FIRST: &str =
    "INSERT INTO registrar_schema (id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING";
/// Another server may have migrated further in the meantime.
const RAISE: &str = "UPDATE registrar_schema SET version = CAST($1 AS bigint) \
                     WHERE id = 1 AND version < CAST($1 AS bigint)";

/// Held until the connection ends. The number is not used by any other program.
const LOCK: &str = "SELECT pg_advisory_lock(7591075920)";

/// Milliseconds that a step may take: creating or changing a table can take long.
const PATIENCE: &str = "600000";

/// How often a migration is attempted while others create the same tables.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Brings the tables up to date.
pub(super) async fn migrate(pool: &ConnectionPool) -> Result<(), StoreError> {
    for turn in 1..TRIES {
        match migrate_once(pool).await {
            Err(MigrationFailure::Lost) => tokio::time::sleep(PAUSE * turn).await,
            Err(MigrationFailure::Store(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
    Err(StoreError::Unavailable(
        "other servers are migrating the tables; retry later".to_owned(),
    ))
}

enum MigrationFailure {
    /// Another server did the same at the same time.
    Lost,
    Store(StoreError),
}

impl From<tokio_postgres::Error> for MigrationFailure {
    fn from(error: tokio_postgres::Error) -> Self {
        // `IF NOT EXISTS` of PostgreSQL checks first and creates afterwards.
        let lost = [
            SqlState::UNIQUE_VIOLATION,
            SqlState::DUPLICATE_TABLE,
            SqlState::DUPLICATE_OBJECT,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ];
        match error.code() {
            Some(code) if lost.contains(code) => Self::Lost,
            _ => Self::Store(error.into()),
        }
    }
}

async fn migrate_once(pool: &ConnectionPool) -> Result<(), MigrationFailure> {
    let client = pool.client().await.map_err(MigrationFailure::Store)?;
    let version = found(&client).await?;
    if let Some([]) = version.map(steps).transpose()? {
        return Ok(());
    }
    let done = bring_up_to_date(&client).await;
    // This connection waits longer than requests are allowed to.
    pool::discard(client);
    done
}

/// Returns the version of the tables, or `None` when there are none.
pub(super) async fn version(client: &Client) -> Result<Option<i64>, StoreError> {
    match found(client).await {
        Ok(version) => Ok(version),
        Err(MigrationFailure::Lost) => Err(StoreError::Busy),
        Err(MigrationFailure::Store(error)) => Err(error),
    }
}

async fn found(client: &Client) -> Result<Option<i64>, MigrationFailure> {
    match client.query_opt(VERSION, &[]).await {
        Ok(Some(row)) => Ok(Some(row.try_get(0)?)),
        Ok(None) => Ok(None),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn bring_up_to_date(client: &Client) -> Result<(), MigrationFailure> {
    pool::set(client, "statement_timeout", PATIENCE).await?;
    pool::set(client, "lock_timeout", PATIENCE).await?;
    // YugabyteDB would hash the keys, but ranges are read in key order.
    pool::set(client, "yb_use_hash_splitting_by_default", "off").await?;
    pool::ask_for(client, LOCK).await?;
    client.batch_execute(TABLE).await?;
    client.batch_execute(FIRST).await?;
    let from = found(client).await?.unwrap_or_default();
    for step in steps(from)? {
        client.batch_execute(step).await?;
    }
    let now = known();
    client.execute(RAISE, &[&now]).await?;
    tracing::info!(from, to = now, "database tables are up to date");
    Ok(())
}

/// Returns the steps for tables of this version.
fn steps(version: i64) -> Result<&'static [&'static str], MigrationFailure> {
    let known = MIGRATIONS.len();
    if let Ok(version) = usize::try_from(version)
        && let Some(steps) = MIGRATIONS.get(version..)
    {
        return Ok(steps);
    }
    let reason = format!(
        "the database tables have version {version}, but this registrar supports versions up to \
         {known}: it is older than the registrar that created them; upgrade this registrar"
    );
    Err(MigrationFailure::Store(StoreError::Setting {
        key: "store.url",
        reason,
    }))
}
