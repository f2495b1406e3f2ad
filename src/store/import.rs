//! Clients that come out of an export.

use std::collections::BTreeSet;

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

/// What becomes of a client that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// It stays, and nothing from it on is imported.
    #[default]
    Refuse,
    /// It stays.
    Skip,
    /// It is replaced; one that the operator made stays, and nothing from it on is imported.
    Replace,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Clients that were not there before.
    pub created: usize,
    /// Clients that were there, and stayed as they were.
    pub skipped: usize,
    /// Clients that took the place of another state of themselves.
    pub replaced: usize,
    /// The place of the first one that was there and had to stay: nothing from it on was imported.
    pub refused: Option<usize>,
}

impl Clients {
    /// Stores `clients` as one change, each together with what `also` says of it; `existing` says
    /// what becomes of those that are there already. Their secrets open only under the key with
    /// which they were sealed.
    ///
    /// # Errors
    /// When there are too many, one is there twice, or the store fails: nothing was stored.
    pub async fn import(
        &self,
        clients: &[Client],
        existing: Existing,
        also: impl Fn(&Client) -> Result<Change, StoreError>,
    ) -> Result<Imported, ImportError> {
        if clients.len() > MOST_IMPORTED {
            return Err(ImportError::TooMany);
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = clients.iter().find(|client| !seen.insert(&client.id)) {
            return Err(ImportError::Twice(twice.id.clone()));
        }
        until_won(|| self.try_import(clients, existing, &also)).await
    }

    async fn try_import(
        &self,
        clients: &[Client],
        existing: Existing,
        also: &impl Fn(&Client) -> Result<Change, StoreError>,
    ) -> Result<Option<Imported>, ImportError> {
        let (mut imported, mut change) = (Imported::default(), Change::default());
        for (at, client) in clients.iter().enumerate() {
            let part = match (self.find(&client.id).await?, existing) {
                (None, _) => {
                    imported.created += 1;
                    insertion(client)?
                }
                // What the operator made stays, whatever an import says.
                (Some(seen), Existing::Replace) if !seen.client().is_operators() => {
                    imported.replaced += 1;
                    replacement(&seen, client)?
                }
                (Some(_), Existing::Skip) => {
                    imported.skipped += 1;
                    continue;
                }
                (Some(_), Existing::Refuse | Existing::Replace) => {
                    imported.refused = Some(at);
                    break;
                }
            };
            change = change.and(part).and(also(client)?);
        }
        Ok(unless_lost(self.0.apply(change).await.map(|_| imported))?)
    }
}
