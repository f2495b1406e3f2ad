//! `registrar admin reset`

use super::offline::OfflineArguments;
use crate::config::Settings;
use crate::store::{Store, StoreError};
use crate::token::administrator::{self, AdministratorError};

/// Gives the administrator a new secret. This is the recovery for lost credentials, so it works directly on
/// the store. The administrator exists throughout, also for other servers that run on the same database.
pub(super) fn run(arguments: &OfflineArguments) -> Result<(), String> {
    let file = arguments.run(reset)?;
    note!(
        "registrar: the new secret of the administrator is in {file}; the previous one is no longer valid"
    );
    Ok(())
}

async fn reset(store: &Store, settings: &Settings) -> Result<String, String> {
    match administrator::reset(store, settings, super::clock().now()).await {
        Ok(file) => Ok(file.display().to_string()),
        Err(AdministratorError::Store(StoreError::Conflict)) => {
            Err("another process changed the administrator at the same time; retry".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}
