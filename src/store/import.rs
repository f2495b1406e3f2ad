//! Clients that come out of an export.

use std::collections::BTreeMap;

use super::backend::Change;
use super::clients::{insertion, replacement};
use super::race::{unless_lost, until_won};
use super::{Clients, StoreError};
use crate::client::Client;
use crate::model::ClientId;

/// Clients that are imported at a time, at most.
pub const MOST_IMPORTED: usize = 500;

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There are too many.
    #[error("at most {MOST_IMPORTED} clients are imported at a time; send the rest in another request")]
    TooMany,
    /// Two of them have one identifier.
    #[error("the client {0} is there twice")]
    Twice(ClientId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Clients that were not there before.
    pub created: usize,
    /// Clients that took the place of another state of themselves.
    pub replaced: usize,
}

impl Clients {
    /// Stores all of `clients`, or none, together with `also`; those that are there already are
    /// replaced. Their secrets open only under the key with which they were sealed.
    ///
    /// # Errors
    /// When there are too many, one is there twice, or the store fails.
    pub async fn import(&self, clients: &[Client], also: &Change) -> Result<Imported, ImportError> {
        if clients.len() > MOST_IMPORTED {
            return Err(ImportError::TooMany);
        }
        let mut by_id = BTreeMap::new();
        for client in clients {
            if by_id.insert(&client.id, client).is_some() {
                return Err(ImportError::Twice(client.id.clone()));
            }
        }
        until_won(|| self.try_import(clients, also)).await
    }

    async fn try_import(&self, clients: &[Client], also: &Change) -> Result<Option<Imported>, ImportError> {
        let (mut imported, mut change) = (Imported::default(), also.clone());
        for client in clients {
            let part = if let Some(seen) = self.find(&client.id).await? {
                imported.replaced += 1;
                replacement(&seen, client)?
            } else {
                imported.created += 1;
                insertion(client)?
            };
            change = change.and(part);
        }
        Ok(unless_lost(self.0.apply(change).await.map(|_| imported))?)
    }
}
