//! Clients imported from an export.

use std::collections::BTreeSet;

use crate::base::ClientId;
use crate::client::Client;
use crate::store::backend::Change;
use crate::store::clients::{insertion, replacement};
use crate::store::retry::{unless_lost, until_won};
use crate::store::{Clients, StoreError};

/// Maximum number of clients in one import request.
pub const MOST_IMPORTED: usize = 500;

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There are too many clients.
    #[error(
        "at most {MOST_IMPORTED} clients can be imported at a time; send the rest in another request"
    )]
    TooMany,
    /// Two clients have the same identifier.
    #[error("the client {0} occurs twice; remove one of the two")]
    Twice(ClientId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What happens to a client that already exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// It is kept, and neither it nor any later client is imported.
    #[default]
    Refuse,
    /// It is kept.
    Skip,
    /// It is replaced. A client that the administrator defined is kept, and neither it nor any later client
    /// is imported.
    Replace,
}

/// The result of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Clients that did not exist before.
    pub created: usize,
    /// Clients that already existed and were kept unchanged.
    pub skipped: usize,
    /// Clients that were replaced by another state of the same client.
    pub replaced: usize,
    /// The position of the first existing client that had to be kept: neither it nor any later client was
    /// imported.
    pub refused: Option<usize>,
}

impl Clients {
    /// Stores `clients` as one change, each together with what `also` returns for it. `existing` determines
    /// what happens to clients that already exist. The secrets of the clients open only with the key with
    /// which they were sealed.
    ///
    /// # Errors
    /// When there are too many clients, a client occurs twice, or the store fails. Nothing is stored then.
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
                // A client that the administrator defined is kept, whatever an import contains.
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
