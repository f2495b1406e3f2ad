//! The tables, and how they come to be. Servers that start at the same time take turns: the row
//! of the version is locked. A database whose tables are up to date is only read, so a user that
//! may not create tables can use what an administrator has made.

use std::time::Duration;

use deadpool_postgres::Client;
use tokio_postgres::error::SqlState;

use super::failure;
use super::pool::{self, Pool};
use crate::store::StoreError;

/// What takes the tables from each version to the next. Each can be done again, since not every
/// database takes it back with its transaction.
const MIGRATIONS: &[&str] =
    &["CREATE TABLE IF NOT EXISTS registrar_entries (key bytea PRIMARY KEY, value bytea NOT NULL)"];

const VERSION: &str = "SELECT version FROM registrar_schema WHERE id = 1";
const VERSION_LOCKED: &str = "SELECT version FROM registrar_schema WHERE id = 1 FOR UPDATE";
const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS registrar_schema (id integer PRIMARY KEY, version integer NOT NULL)";
const FIRST: &str = "INSERT INTO registrar_schema (id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING";
/// A table can be long in the making.
const TRANSACTION: &str = "BEGIN; SET LOCAL statement_timeout = 600000; SET LOCAL lock_timeout = 600000";

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
    let done = bring_up_to_date(&client).await;
    if done.is_err() {
        pool::discard(client);
    }
    done
}

async fn bring_up_to_date(client: &Client) -> Result<(), Failed> {
    let found = match client.query_opt(VERSION, &[]).await {
        Ok(row) => row.map(|row| row.try_get::<_, i32>(0)).transpose()?,
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => None,
        Err(error) => return Err(error.into()),
    };
    match found.map(steps).transpose()? {
        Some([]) => return Ok(()),
        Some(_) => {}
        None => {
            client.batch_execute(TABLE).await?;
            client.batch_execute(FIRST).await?;
        }
    }
    client.batch_execute(TRANSACTION).await?;
    let found: i32 = client.query_one(VERSION_LOCKED, &[]).await?.try_get(0)?;
    for step in steps(found)? {
        client.batch_execute(step).await?;
    }
    let now = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    client.execute("UPDATE registrar_schema SET version = $1 WHERE id = 1", &[&now]).await?;
    client.batch_execute("COMMIT").await?;
    tracing::info!(from = found, to = now, "the tables of the database are up to date");
    Ok(())
}

/// What is to be done to tables of this version.
fn steps(version: i32) -> Result<&'static [&'static str], Failed> {
    let known = MIGRATIONS.len();
    usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version..)).ok_or_else(|| {
        let reason = format!(
            "its tables have version {version}, and this registrar knows {known}: it is older than the \
             one that made them"
        );
        Failed::Store(StoreError::Setting { key: "store.url", reason })
    })
}
