//! `registrar admin reset`

use super::offline::OfflineArguments;
use crate::config::Settings;
use crate::store::{Store, StoreError};
use crate::token::administrator;

/// Removes the administrator, so that the next start makes another: the way out when its
/// credentials are lost, so it works on the store itself, with no server.
pub(super) fn run(arguments: &OfflineArguments) -> Result<(), String> {
    let place = arguments.run(remove)?;
    match place {
        Some(file) => {
            eprintln!("registrar: the administrator is gone; the next start makes another, in {file}");
        }
        None => eprintln!(
            "registrar: the administrator is gone; the next start makes another when admin.credentialsFile \
             says where its credentials go"
        ),
    }
    Ok(())
}

async fn remove(store: &Store, settings: &Settings) -> Result<Option<String>, String> {
    let removed = administrator::remove(store, super::clock().now()).await;
    match removed {
        Ok(true) => Ok(administrator::file(settings).map(|file| file.display().to_string())),
        Ok(false) => Err("there is no administrator; the next start makes one".to_owned()),
        Err(StoreError::Conflict) => Err("others changed it at the same time; try again".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
