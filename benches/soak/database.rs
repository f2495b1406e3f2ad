//! The database that is measured: `sled`, which is the default, `fjall` or `postgres` among the arguments.

use std::path::Path;

use tokio_postgres::{Client, NoTls};

/// The variable with the URL of a PostgreSQL database, see `.ci/postgres.sh`.
const POSTGRES: &str = "REGISTRAR_TEST_POSTGRES";

/// A database below the server.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sled,
    Fjall,
    /// A schema of PostgreSQL that nobody else uses.
    Postgres {
        database: String,
        schema: String,
    },
}

impl Database {
    /// Returns the database that the arguments of this process name.
    ///
    /// # Panics
    /// If they name PostgreSQL, and the environment has no URL of it.
    pub(crate) async fn chosen() -> Self {
        let has = |word: &str| std::env::args().any(|argument| argument == word);
        if has("postgres") {
            let database = std::env::var(POSTGRES).expect("REGISTRAR_TEST_POSTGRES is set");
            let schema = format!("bench{}", std::process::id());
            let create = format!("CREATE SCHEMA {schema}");
            let created = connect(&database).await.batch_execute(&create).await;
            created.expect("a schema");
            return Self::Postgres { database, schema };
        }
        if has("fjall") {
            Self::Fjall
        } else {
            Self::Sled
        }
    }

    /// Returns the URL of the store whose other files are in `folder`.
    pub(crate) fn url(&self, folder: &Path) -> String {
        match self {
            Self::Sled => format!("sled:{}", folder.display()),
            Self::Fjall => format!("fjall:{}", folder.display()),
            Self::Postgres { database, schema } => {
                format!("{database}?options=-csearch_path%3D{schema}")
            }
        }
    }

    /// Returns the bytes on disk: all files in `folder`, or the tables and indexes of the schema.
    pub(crate) async fn bytes(&self, folder: &Path) -> u64 {
        let Self::Postgres { database, schema } = self else {
            return files(folder);
        };
        let sum = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c \
                   JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r'";
        let row = connect(database).await.query_one(sum, &[schema]).await;
        let bytes: i64 = row.expect("a sum").get(0);
        u64::try_from(bytes).unwrap_or_default()
    }
}

async fn connect(database: &str) -> Client {
    let connected = tokio_postgres::connect(database, NoTls).await;
    let (client, connection) = connected.expect("the database");
    // It ends with the client.
    tokio::spawn(connection);
    client
}

/// Returns the size of all files in `folder` in bytes.
fn files(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => files(&entry.path()),
            Ok(data) => data.len(),
            // The file may have been deleted meanwhile.
            Err(_) => 0,
        })
        .sum()
}
