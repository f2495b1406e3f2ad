//! The registered clients: each is a record with its index entries, which always change together.

pub(crate) mod expiry;
pub(in crate::store) mod filter;
pub(in crate::store) mod index;
pub(in crate::store) mod levels;
pub(in crate::store) mod listing;
pub(crate) mod unused;
pub(crate) mod uses;

use std::sync::Arc;

use crate::base::{ClientId, TokenDigest};
use crate::client::Client;
use crate::store::{
    Along, Backend, Change, Expectation, Pair, StoreError, client_documents, keys, number, record,
    upstream_calls,
};
use index::{Indexed, entered, removed};

/// A client as it was read, with the bytes that must be unchanged when it is changed.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// In a box, since it is large and passed through many functions.
    client: Box<Client>,
    bytes: Vec<u8>,
}

impl Stored {
    /// The client.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The client.
    pub(crate) fn into_client(self) -> Client {
        *self.client
    }

    /// Returns a change that is applied only while the client is as it was read.
    pub(crate) fn kept(&self) -> Change {
        Change {
            expect: vec![self.unchanged()],
            ..Change::default()
        }
    }

    pub(super) fn read((key, bytes): Pair) -> Result<Self, StoreError> {
        Ok(Self {
            client: Box::new(record::decode(&key, &bytes)?),
            bytes,
        })
    }

    /// Expects that the client is still as it was read.
    pub(super) fn unchanged(&self) -> Expectation {
        Expectation::Value(keys::client(&self.client.id), self.bytes.clone())
    }
}

/// The maximum number of administrators.
pub(crate) const MOST_ADMINISTRATORS: usize = 100;

/// Recorded uses of one client that may interfere while it is changed; each server writes one per hour.
const USES: usize = 8;

/// The registered clients.
#[derive(Clone)]
pub(crate) struct Clients(pub(super) Arc<dyn Backend>);

impl Clients {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        Self(backend)
    }

    /// Stores a new client, together with `also`: an audit event, a use of a token.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the identifier exists already, or an expectation of `also` is no
    /// longer met.
    pub(crate) async fn insert(
        &self,
        client: &Client,
        also: impl Into<Along>,
    ) -> Result<(), StoreError> {
        let change = insertion(client, &also.into())?;
        self.0.apply(change).await.map(drop)
    }

    /// Returns the client with this identifier.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn find(&self, id: &ClientId) -> Result<Option<Stored>, StoreError> {
        let key = keys::client(id);
        let found = self.0.get(&key).await?;
        found.map(|bytes| Stored::read((key, bytes))).transpose()
    }

    /// Returns the client with this identifier if its record contains the text of `digest`. A caller that
    /// presents a wrong token thus learns nothing from the time that it takes to decode a record.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn find_holding(
        &self,
        id: &ClientId,
        digest: &TokenDigest,
    ) -> Result<Option<Stored>, StoreError> {
        let key = keys::client(id);
        let found = self.0.get(&key).await?;
        let text = digest.text();
        found
            .filter(|record| contains(record, text.as_bytes()))
            .map(|bytes| Stored::read((key, bytes)))
            .transpose()
    }

    /// Confirms that the client is still as it was read, and that this state survives a power cut: a change
    /// that is being written is visible before it is safe.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the client has changed.
    pub(crate) async fn confirm(&self, seen: &Stored) -> Result<(), StoreError> {
        self.0.apply(seen.kept()).await.map(drop)
    }

    /// Replaces `seen` with `client`, together with `also`. A use recorded in the meantime is not a
    /// conflict and is kept, and so is what was sealed anew with another key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the client has changed, or an expectation of `also` is no longer met.
    pub(crate) async fn replace(
        &self,
        seen: &Stored,
        client: &Client,
        also: impl Into<Along>,
    ) -> Result<(), StoreError> {
        let also = also.into();
        let mut outcome = self.try_replace(seen, client, &also).await;
        let mut used = seen.clone();
        for _ in 0..USES {
            let Err(StoreError::Conflict) = outcome else {
                break;
            };
            used = self.used_since(&used).await?;
            let mut client = Client {
                last_used_at: used.client.last_used_at,
                ..client.clone()
            };
            client.take_seals(&seen.client, &used.client);
            outcome = self.try_replace(&used, &client, &also).await;
        }
        outcome
    }

    async fn try_replace(
        &self,
        seen: &Stored,
        client: &Client,
        also: &Along,
    ) -> Result<(), StoreError> {
        let change = replacement(seen, client, also)?;
        self.0.apply(change).await.map(drop)
    }

    /// Does the same, but treats a use recorded in the meantime as a conflict, like any other change.
    pub(super) async fn replace_exactly(
        &self,
        seen: &Stored,
        client: &Client,
    ) -> Result<(), StoreError> {
        let replacement = replacement(seen, client, &Along::default())?;
        self.0.apply(replacement).await.map(drop)
    }

    /// Removes `seen`, together with `also`. A use recorded in the meantime is not a conflict. The client's
    /// access tokens become invalid: see [`super::Tokens`].
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the client has changed, or an expectation of `also` is no longer met.
    pub(crate) async fn remove(
        &self,
        seen: &Stored,
        also: impl Into<Along>,
    ) -> Result<(), StoreError> {
        let also = also.into();
        let mut outcome = self.remove_exactly(seen, &also).await;
        let mut used = seen.clone();
        for _ in 0..USES {
            let Err(StoreError::Conflict) = outcome else {
                break;
            };
            used = self.used_since(&used).await?;
            outcome = self.remove_exactly(&used, &also).await;
        }
        outcome
    }

    /// Does the same, but treats a use recorded in the meantime as a conflict, like any other change.
    pub(super) async fn remove_exactly(
        &self,
        seen: &Stored,
        also: &Along,
    ) -> Result<(), StoreError> {
        let change = removal(seen, also)?;
        self.0.apply(change).await.map(drop)
    }

    /// Returns the current state of `seen` if only its last use has changed, or the key that sealed its secrets. Any
    /// other change is a conflict.
    async fn used_since(&self, seen: &Stored) -> Result<Stored, StoreError> {
        let found = self
            .find(&seen.client.id)
            .await?
            .ok_or(StoreError::Conflict)?;
        let mut used = Client {
            last_used_at: found.client.last_used_at,
            ..seen.client().clone()
        };
        // Every change of a secret by its client also counts as a revision.
        used.take_seals(&seen.client, &found.client);
        if found.bytes == seen.bytes || *found.client != used {
            return Err(StoreError::Conflict);
        }
        Ok(found)
    }

    /// Returns how many clients have this value, including expired clients that are not swept yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn count(&self, value: Indexed<'_>) -> Result<u64, StoreError> {
        self.number(&value.count_key()).await
    }

    /// Returns at most `limit` of the clients with this value, in the order of their identifiers.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn having(
        &self,
        value: Indexed<'_>,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let prefix = value.prefix();
        let mut clients = Vec::new();
        for (key, _) in self.0.scan(keys::under(&prefix), limit).await? {
            if let Some(id) = keys::indexed_client(&prefix, &key) {
                clients.extend(self.find(&id).await?);
            }
        }
        Ok(clients)
    }

    /// Returns the administrators that are indexed: all but the first one as long as only the server has changed it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn administrators(&self) -> Result<Vec<Stored>, StoreError> {
        self.having(Indexed::Administrator, MOST_ADMINISTRATORS)
            .await
    }

    /// Returns how many clients there are, including expired clients that are not swept yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn count_all(&self) -> Result<u64, StoreError> {
        self.number(keys::CLIENT_COUNT).await
    }

    async fn number(&self, key: &[u8]) -> Result<u64, StoreError> {
        Ok(number(key, self.0.get(key).await?.as_deref())?.unsigned_abs())
    }
}

/// Whether `text` is a part of `record`. A text of random characters shares its first one with few places, so that a
/// table for the search costs more than the search.
fn contains(record: &[u8], text: &[u8]) -> bool {
    let Some(first) = text.first() else {
        return true;
    };
    let mut places = memchr::memchr_iter(*first, record);
    places.any(|at| record.get(at..).is_some_and(|rest| rest.starts_with(text)))
}

/// Returns the change that stores `client`, expecting that its key is absent, with its events and `also`.
pub(super) fn insertion(client: &Client, also: &Along) -> Result<Change, StoreError> {
    let key = keys::client(&client.id);
    let mut change = entered(client).and(also.with_change(None, Some(client))?);
    change
        .put
        .push((key.clone(), record::encode(&key, client)?));
    change.expect.push(Expectation::Absent(key));
    Ok(change)
}

/// Returns the change that replaces `seen` with `client`, which has the same identifier, with its events
/// and `also`.
pub(super) fn replacement(
    seen: &Stored,
    client: &Client,
    also: &Along,
) -> Result<Change, StoreError> {
    let key = keys::client(&client.id);
    let events = also.with_change(Some(&seen.client), Some(client))?;
    let mut change = removed(&seen.client).and(entered(client)).and(events);
    change
        .put
        .push((key.clone(), record::encode(&key, client)?));
    change.expect.push(seen.unchanged());
    Ok(change)
}

/// Returns the change that removes `seen`, with its events and `also`.
pub(super) fn removal(seen: &Stored, also: &Along) -> Result<Change, StoreError> {
    let mut change = removed(&seen.client).and(also.with_change(Some(&seen.client), None)?);
    change = change.and(upstream_calls::deletion(&seen.client)?);
    change.delete.push(keys::client(&seen.client.id));
    if seen.client.document.is_some() {
        change = change.and(client_documents::removal(&seen.client.id));
    }
    change.expect.push(seen.unchanged());
    Ok(change)
}
