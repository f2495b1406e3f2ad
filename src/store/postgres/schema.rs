//! The tables, and how they come to be. There is no transaction around it, since databases that
//! speak the protocol refuse to make tables in one, or commit it in the middle: each step can be
//! done again, and servers that start at the same time may all do it. They take turns where the
//! database has a lock for that. A database whose tables are up to date is only read, so a user
//! that may not create tables can use what an administrator has made.

use std::time::Duration;

use deadpool_postgres::Client;
use tokio_postgres::error::SqlState;

use super::failure;
use super::pool::{self, Pool};
use crate::store::StoreError;

/// What takes the tables from each version to the next. Each can be done again, also by another
/// server at the same time.
const MIGRATIONS: &[&str] =
    &["CREATE TABLE IF NOT EXISTS registrar_entries (key bytea PRIMARY KEY, value bytea NOT NULL)"];

/// An `integer` has four bytes in PostgreSQL, and eight in `CockroachDB`.
const VERSION: &str = "SELECT CAST(version AS bigint) FROM registrar_schema WHERE id = 1";
const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS registrar_schema (id integer PRIMARY KEY, version integer NOT NULL)";
const FIRST: &str = "INSERT INTO registrar_schema (id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING";
/// Another server may have come further meanwhile.
const RAISE: &str = "UPDATE registrar_schema SET version = CAST($1 AS bigint) \
                     WHERE id = 1 AND version < CAST($1 AS bigint)";

/// Held until the connection ends; the number is of nobody else.
const LOCK: &str = "SELECT pg_advisory_lock(7591075920)";

/// Milliseconds for which a step may take: a table can be long in the making.
const PATIENCE: &str = "600000";

/// How often it is begun when others create the same tables at the same time.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Brings the tables up to date.
pub(super) async fn migrate(pool: &Pool) -> Result<(), StoreError> {
    for turn in 1..TRIES {
        match migrate_once(pool).await {
            Err(Failed::Lost) => tokio::time::sleep(PAUSE * turn).await,
            Err(Failed::Store(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
    Err(StoreError::Unavailable("the tables are being changed by others; try again".to_owned()))
}

enum Failed {
    /// Somebody else did the same at the same time.
    Lost,
    Store(StoreError),
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        // `IF NOT EXISTS` of PostgreSQL looks first and creates then.
        let lost = [
            SqlState::UNIQUE_VIOLATION,
            SqlState::DUPLICATE_TABLE,
            SqlState::DUPLICATE_OBJECT,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ];
        match error.code() {
            Some(code) if lost.contains(code) => Self::Lost,
            _ => Self::Store(failure::unavailable(&error)),
        }
    }
}

async fn migrate_once(pool: &Pool) -> Result<(), Failed> {
    let client = pool.client().await.map_err(Failed::Store)?;
    let version = found(&client).await?;
    if let Some([]) = version.map(steps).transpose()? {
        return Ok(());
    }
    let done = bring_up_to_date(&client).await;
    // It waits for longer than requests may.
    pool::discard(client);
    done
}

/// The version of the tables; none: there are none.
async fn found(client: &Client) -> Result<Option<i64>, Failed> {
    match client.query_opt(VERSION, &[]).await {
        Ok(row) => Ok(row.map(|row| row.try_get(0)).transpose()?),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn bring_up_to_date(client: &Client) -> Result<(), Failed> {
    pool::set(client, "statement_timeout", PATIENCE).await?;
    pool::set(client, "lock_timeout", PATIENCE).await?;
    // YugabyteDB would scatter the keys, of which ranges are read in their order.
    pool::set(client, "yb_use_hash_splitting_by_default", "off").await?;
    pool::ask_for(client, LOCK).await?;
    client.batch_execute(TABLE).await?;
    client.batch_execute(FIRST).await?;
    let from = found(client).await?.unwrap_or_default();
    for step in steps(from)? {
        client.batch_execute(step).await?;
    }
    let now = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    client.execute(RAISE, &[&now]).await?;
    tracing::info!(from, to = now, "the tables of the database are up to date");
    Ok(())
}

/// What is to be done to tables of this version.
fn steps(version: i64) -> Result<&'static [&'static str], Failed> {
    let known = MIGRATIONS.len();
    usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version..)).ok_or_else(|| {
        let reason = format!(
            "its tables have version {version}, and this registrar knows {known}: it is older than the \
             one that made them"
        );
        Failed::Store(StoreError::Setting { key: "store.url", reason })
    })
}
