//! The last requests that reached the hooks of scripts, to be judged again by other scripts.
//!
//! A record is sealed: the metadata of a request can hold secrets. It has no credentials of the client.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::{Sealed, SealingKeys, Timestamp};
use crate::store::{Backend, Change, StoreError, keys, number, numbered, record, sealing};

/// The maximum number of records that one change deletes.
const TRIM: usize = 500;

/// A request that reached the hooks of scripts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordedRequest {
    /// When it was answered.
    pub(crate) at: Timestamp,
    /// The client that it updates; `None` for a registration.
    pub(crate) client_id: Option<String>,
    /// The headers without credentials. Values that are not UTF-8 are left out.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) address: IpAddr,
    /// The certificate of the client in PEM, and whether it was trusted.
    pub(crate) certificate: Option<(String, bool)>,
    /// The identifier of the initial access token.
    pub(crate) initial_access_token: Option<String>,
    /// The identifier of the request in its response and in the log.
    pub(crate) correlation_id: Option<String>,
}

/// A recorded request with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NumberedRequest {
    pub(crate) position: u64,
    pub(crate) request: RecordedRequest,
}

/// Stores the last requests.
#[derive(Clone)]
pub(crate) struct RecordedRequests {
    backend: Arc<dyn Backend>,
    sealing_keys: SealingKeys,
}

impl RecordedRequests {
    pub(super) const fn new(backend: Arc<dyn Backend>, sealing_keys: SealingKeys) -> Self {
        Self {
            backend,
            sealing_keys,
        }
    }

    /// Appends `requests`, and deletes the oldest ones beyond `kept`.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn append(
        &self,
        requests: &[RecordedRequest],
        kept: u64,
    ) -> Result<(), StoreError> {
        let mut change = Change::default();
        for request in requests {
            let sealed = sealing::seal(&self.sealing_keys, keys::RECORDED, request)?;
            let bytes = record::encode(keys::RECORDED, &sealed)?;
            change.append.push((keys::RECORDED.to_vec(), bytes));
        }
        self.backend.apply(change).await?;
        self.trim(kept).await.map(drop)
    }

    /// Deletes the oldest requests beyond `kept`, a limited number at a time. Returns how many.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn trim(&self, kept: u64) -> Result<usize, StoreError> {
        let last = self.backend.get(keys::RECORDED).await?;
        let last = number(keys::RECORDED, last.as_deref())?.unsigned_abs();
        let Some(until) = last.checked_sub(kept) else {
            return Ok(0);
        };
        let range = numbered(keys::RECORDED, 0)..numbered(keys::RECORDED, until.saturating_add(1));
        let superfluous = self.backend.scan(range, TRIM).await?;
        let count = superfluous.len();
        if count > 0 {
            let change = Change {
                delete: superfluous.into_iter().map(|(key, _)| key).collect(),
                ..Change::default()
            };
            self.backend.apply(change).await?;
        }
        Ok(count)
    }

    /// Returns the first `limit` requests after the position `after`, oldest first. A record that cannot be read is left
    /// out: it was sealed with another key.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn list(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NumberedRequest>, StoreError> {
        let from = numbered(keys::RECORDED, after.saturating_add(1));
        let range = from..keys::under(keys::RECORDED).end;
        let mut requests = Vec::new();
        for (key, value) in self.backend.scan(range, limit).await? {
            let sealed: Sealed = record::decode(&key, &value)?;
            let opened = sealing::open(&self.sealing_keys, keys::RECORDED, &sealed);
            if let (Some(position), Ok(request)) = (position(&key), opened) {
                requests.push(NumberedRequest { position, request });
            }
        }
        Ok(requests)
    }
}

/// Returns the position in the key of a record.
fn position(key: &[u8]) -> Option<u64> {
    let number = key.strip_prefix(keys::RECORDED)?;
    Some(u64::from_be_bytes(number.try_into().ok()?))
}
