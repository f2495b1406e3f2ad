//! Looks at a database without changing it, for `registrar doctor`.

use std::time::Duration;

use super::{connect::Target, failure, pool::ConnectionPool, schema};
use crate::config::StoreSettings;
use crate::store::StoreError;

/// The clock of the database, and whether it has a schema for the tables.
const LOOK: &str = "SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision), \
                    current_schema() IS NOT NULL";

/// What a database says about itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DatabaseState {
    /// The version of the tables; `None` if there are none yet.
    pub(crate) version: Option<i64>,
    /// The version of the tables that this registrar writes.
    pub(crate) known: i64,
    /// The time of day of the database, in seconds since 1970.
    pub(crate) clock: f64,
}

/// Connects to the database that `settings` name, and looks at it.
///
/// # Errors
/// When the settings are invalid, the database does not answer in time, or it has no schema for the tables.
pub(in crate::store) async fn examine(
    settings: &StoreSettings,
) -> Result<DatabaseState, StoreError> {
    let target = Target::new(settings)?;
    let patience = Duration::from_millis(settings.timeout_ms);
    let pool = ConnectionPool::new(&target, 1, patience)?;
    let look = async {
        let client = pool.client().await?;
        let row = client.query_one(LOOK, &[]).await?;
        let (clock, has_schema): (f64, bool) = (row.try_get(0)?, row.try_get(1)?);
        if !has_schema {
            return Err(failure::no_schema());
        }
        Ok(DatabaseState {
            version: schema::version(&client).await?,
            known: schema::known(),
            clock,
        })
    };
    match tokio::time::timeout(patience * 2, look).await {
        Ok(state) => state,
        Err(_) => Err(failure::late(patience * 2)),
    }
}
