//! The registered clients: each a record with its indexes, always changed together.

use std::sync::Arc;

use super::backend::{Backend, Change, Expectation, Pair};
use super::{StoreError, keys, record};
use crate::client::Client;
use crate::clock::Timestamp;
use crate::model::ClientId;

/// A client as it was read, with the bytes that a change of it must find again.
#[derive(Debug, Clone)]
pub struct Stored {
    client: Client,
    bytes: Vec<u8>,
}

impl Stored {
    /// The client.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The client.
    pub fn into_client(self) -> Client {
        self.client
    }

    fn read((key, bytes): Pair) -> Result<Self, StoreError> {
        Ok(Self { client: record::decode(&key, &bytes)?, bytes })
    }

    /// That the client is still as it was read.
    fn unchanged(&self) -> Expectation {
        Expectation::Value(keys::client(&self.client.id), self.bytes.clone())
    }
}

/// The registered clients.
#[derive(Clone)]
pub struct Clients(Arc<dyn Backend>);

impl Clients {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        Self(backend)
    }

    /// Stores a new client.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one with its identifier.
    pub async fn insert(&self, client: &Client) -> Result<(), StoreError> {
        let key = keys::client(&client.id);
        let put = with_indexes(client)?;
        self.0.apply(Change { expect: vec![Expectation::Absent(key)], put, delete: Vec::new() }).await
    }

    /// The client with this identifier.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn find(&self, id: &ClientId) -> Result<Option<Stored>, StoreError> {
        let key = keys::client(id);
        let found = self.0.get(&key).await?;
        found.map(|bytes| Stored::read((key, bytes))).transpose()
    }

    /// Puts `client` in the place of `seen`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the client is not any more as it was seen.
    pub async fn replace(&self, seen: &Stored, client: &Client) -> Result<(), StoreError> {
        let put = with_indexes(client)?;
        let delete = keys::indexes(&seen.client);
        self.0.apply(Change { expect: vec![seen.unchanged()], put, delete }).await
    }

    /// Removes `seen`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the client is not any more as it was seen.
    pub async fn remove(&self, seen: &Stored) -> Result<(), StoreError> {
        self.0.apply(removal(seen)).await
    }

    /// At most `limit` clients in the order of their identifiers, from the one behind `after`.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn page(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let start = match after {
            // The smallest key behind that of `after`.
            Some(id) => [&keys::client(id)[..], b"\0"].concat(),
            None => keys::CLIENTS.to_vec(),
        };
        let pairs = self.0.scan(start..keys::CLIENTS_END.to_vec(), limit).await?;
        pairs.into_iter().map(Stored::read).collect()
    }

    /// Removes at most `limit` of the clients that expired at `at` or before, and says how many.
    /// Clients that live are not touched.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn sweep(&self, at: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let expired = keys::EXPIRIES.to_vec()..keys::expiries_from(at.plus(1));
        let mut swept = 0;
        for (key, _) in self.0.scan(expired, limit).await? {
            swept += usize::from(self.sweep_one(key, at).await?);
        }
        Ok(swept)
    }

    /// Removes the client that the index entry `key` names; whether it was there to be removed.
    async fn sweep_one(&self, key: Vec<u8>, at: Timestamp) -> Result<bool, StoreError> {
        let found = match keys::expiring(&key) {
            Some(id) => self.find(&id).await?,
            None => None,
        };
        let change = match found {
            Some(stored) if stored.client.is_expired(at) => removal(&stored),
            // An entry that leads nowhere: it goes, so that the next sweep does not meet it.
            _ => Change { delete: vec![key], ..Change::default() },
        };
        let is_removal = !change.expect.is_empty();
        match self.0.apply(change).await {
            Ok(()) => Ok(is_removal),
            // It was changed meanwhile, perhaps to live longer: the next sweep will see.
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn with_indexes(client: &Client) -> Result<Vec<Pair>, StoreError> {
    let record = (keys::client(&client.id), record::encode(client)?);
    let indexes = keys::indexes(client).into_iter().map(|key| (key, Vec::new()));
    Ok(std::iter::once(record).chain(indexes).collect())
}

fn removal(seen: &Stored) -> Change {
    let mut delete = keys::indexes(&seen.client);
    delete.push(keys::client(&seen.client.id));
    Change { expect: vec![seen.unchanged()], put: Vec::new(), delete }
}
