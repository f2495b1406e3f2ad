//! Lists of clients, one page at a time: all clients may not fit in memory.

use std::ops::Range;

use futures_util::stream::{Stream, try_unfold};

use crate::base::ClientId;
use crate::store::{ClientFilter, Clients, Indexed, StoreError, Stored, keys};

/// Clients that are read at a time.
const CHUNK: usize = 100;
/// Chunks that are searched for one page.
const CHUNKS: usize = 20;

/// Some of the matching clients, in the order of their identifiers.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// The clients. There may be few or none of them even if more follow.
    pub(crate) clients: Vec<Stored>,
    /// The identifier after which the next page begins; `None` on the last page.
    pub(crate) next: Option<ClientId>,
}

impl Clients {
    /// Returns at most `limit` clients that match `filter`, starting after `after`. It searches a bounded
    /// number of clients, so a page can be short even if it is not the last.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn list(
        &self,
        filter: &ClientFilter,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let (mut clients, mut next) = (Vec::new(), after.cloned());
        for _ in 0..CHUNKS {
            let chunk = self.candidates(filter, next.as_ref()).await?;
            let is_last = chunk.len() < CHUNK;
            for (id, stored) in chunk {
                next = Some(id);
                clients.extend(stored.filter(|stored| filter.matches(stored.client())));
                if clients.len() >= limit {
                    return Ok(Page { clients, next });
                }
            }
            if is_last {
                return Ok(Page {
                    clients,
                    next: None,
                });
            }
            // Reading does not wait for anything, so let other tasks run here.
            tokio::task::yield_now().await;
        }
        Ok(Page { clients, next })
    }

    /// Returns the next identifiers that `filter` may match, with their clients.
    async fn candidates(
        &self,
        filter: &ClientFilter,
        after: Option<&ClientId>,
    ) -> Result<Vec<(ClientId, Option<Stored>)>, StoreError> {
        let software_id = filter.software_id.as_deref();
        let index = software_id.map(|id| Indexed::SoftwareId(id).prefix());
        let base = index.as_deref().unwrap_or(keys::CLIENTS);
        let range = keys_of(filter, base, after);
        let pairs = self.0.scan(range, CHUNK).await?;
        let mut found = Vec::with_capacity(pairs.len());
        for (key, bytes) in pairs {
            if index.is_none() {
                let stored = Stored::read((key, bytes))?;
                found.push((stored.client().id.clone(), Some(stored)));
            } else if let Some(id) = keys::indexed_client(base, &key) {
                let stored = self.find(&id).await?;
                found.push((id, stored));
            }
        }
        Ok(found)
    }

    /// Returns all clients, `size` at a time, for an export that never holds more than that.
    ///
    /// A client that is registered or deleted in the meantime may be included or not. Every other client is
    /// included exactly once.
    pub(crate) fn pages(
        &self,
        size: usize,
    ) -> impl Stream<Item = Result<Vec<Stored>, StoreError>> + Send + use<> {
        let clients = self.clone();
        let start = Some(keys::CLIENTS.to_vec());
        try_unfold(start, move |start| {
            let clients = clients.clone();
            async move {
                match start {
                    Some(start) => clients.page_from(start, size).await,
                    None => Ok(None),
                }
            }
        })
    }

    /// Returns the clients from the key `start` on, with the key at which the next page starts; `None` if
    /// there are no more clients.
    async fn page_from(&self, start: Vec<u8>, size: usize) -> Result<Option<Unfolded>, StoreError> {
        let range = start..keys::CLIENTS_END.to_vec();
        let pairs = self.0.scan(range, size).await?;
        let Some((last, _)) = pairs.last() else {
            return Ok(None);
        };
        let next = keys::behind(last);
        let page: Result<Vec<Stored>, StoreError> = pairs.into_iter().map(Stored::read).collect();
        Ok(Some((page?, Some(next))))
    }
}

/// A page of all clients, and the key at which the next page starts.
type Unfolded = (Vec<Stored>, Option<Vec<u8>>);

/// Returns the keys under `base` of the clients after `after` that `filter` may match.
fn keys_of(filter: &ClientFilter, base: &[u8], after: Option<&ClientId>) -> Range<Vec<u8>> {
    let prefix = filter.client_id_prefix.as_deref().unwrap_or_default();
    let mut range = keys::under(&[base, prefix.as_bytes()].concat());
    if let Some(id) = after {
        let behind = keys::behind(&[base, id.as_str().as_bytes()].concat());
        range.start = range.start.max(behind);
    }
    range
}
