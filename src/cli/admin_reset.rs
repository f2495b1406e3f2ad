//! `registrar admin reset`

use super::offline::OfflineArguments;
use crate::config::Settings;
use crate::store::{Store, StoreError};
use crate::token::administrator::{self, AdministratorError};

/// Gives the administrator a new secret: the way out when its credentials are lost, so it works on the
/// store itself. There is an administrator at every moment, also for servers that run on the same database.
pub(super) fn run(arguments: &OfflineArguments) -> Result<(), String> {
    let file = arguments.run(reset)?;
    note!("registrar: the administrator has a new secret, in {file}; the previous one is no longer good");
    Ok(())
}

async fn reset(store: &Store, settings: &Settings) -> Result<String, String> {
    match administrator::reset(store, settings, super::clock().now()).await {
        Ok(file) => Ok(file.display().to_string()),
        Err(AdministratorError::Store(StoreError::Conflict)) => {
            Err("the administrator was changed at the same time; try again".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}
