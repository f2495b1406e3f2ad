//! Lists of clients, one page at a time: all clients may not fit in memory.

use futures_util::stream::{Stream, try_unfold};

use super::index::Indexed;
use crate::base::clock::Timestamp;
use crate::base::model::ClientId;
use crate::client::{Client, TrustLevel};
use crate::store::{Clients, StoreError, Stored, keys};

/// Clients that are read at a time.
const CHUNK: usize = 100;
/// Chunks that are searched for one page.
const CHUNKS: usize = 20;

/// A filter for clients. A client must meet all of its conditions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientFilter {
    /// Prefix of `client_id`.
    pub client_id_prefix: Option<String>,
    /// `software_id`, which is looked up in its index.
    pub software_id: Option<String>,
    /// Text that `client_name` contains in any language, ignoring case.
    pub client_name_contains: Option<String>,
    /// The trust level.
    pub trust_level: Option<TrustLevel>,
    /// Issued at this moment or later.
    pub issued_from: Option<Timestamp>,
    /// Issued before this moment.
    pub issued_before: Option<Timestamp>,
    /// Expires before this moment.
    pub expires_before: Option<Timestamp>,
}

impl ClientFilter {
    /// Returns whether `client` meets all conditions.
    pub fn matches(&self, client: &Client) -> bool {
        let metadata = client.metadata.metadata();
        let is_named = |part: &String| {
            let part = part.to_lowercase();
            let names = metadata
                .iter()
                .filter(|(member, _)| member.split('#').next() == Some("client_name"));
            names
                .filter_map(|(_, name)| name.as_str())
                .any(|name| name.to_lowercase().contains(&part))
        };
        let begins = |prefix: &String| client.id.as_str().starts_with(prefix.as_str());
        let is_software = |id: &String| metadata.text("software_id") == Some(id);
        self.client_id_prefix.as_ref().is_none_or(begins)
            && self.software_id.as_ref().is_none_or(is_software)
            && self.client_name_contains.as_ref().is_none_or(is_named)
            && self
                .trust_level
                .is_none_or(|level| client.provenance.trust_level == level)
            && self.issued_from.is_none_or(|from| from <= client.issued_at)
            && self
                .issued_before
                .is_none_or(|before| client.issued_at < before)
            && self
                .expires_before
                .is_none_or(|before| client.expires_at.is_some_and(|end| end < before))
    }
}

/// Some of the matching clients, in the order of their identifiers.
#[derive(Debug, Clone)]
pub struct Page {
    /// The clients. There may be few or none of them even if more follow.
    pub clients: Vec<Stored>,
    /// The identifier after which the next page begins; `None` on the last page.
    pub next: Option<ClientId>,
}

impl Clients {
    /// Returns at most `limit` clients that match `filter`, starting after `after`. It searches a bounded
    /// number of clients, so a page can be short even if it is not the last.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(
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
        let index = filter
            .software_id
            .as_deref()
            .map(|id| Indexed::SoftwareId(id).prefix());
        let base = index.as_deref().unwrap_or(keys::CLIENTS);
        let begins = filter
            .client_id_prefix
            .as_deref()
            .unwrap_or_default()
            .as_bytes();
        let mut range = keys::under(&[base, begins].concat());
        if let Some(id) = after {
            range.start = range
                .start
                .max(keys::behind(&[base, id.as_str().as_bytes()].concat()));
        }
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
    pub fn pages(
        &self,
        size: usize,
    ) -> impl Stream<Item = Result<Vec<Stored>, StoreError>> + Send + use<> {
        let clients = self.clone();
        let start = Some(keys::CLIENTS.to_vec());
        try_unfold(start, move |start| {
            let clients = clients.clone();
            async move {
                let Some(start) = start else { return Ok(None) };
                let pairs = clients
                    .0
                    .scan(start..keys::CLIENTS_END.to_vec(), size)
                    .await?;
                let next = pairs.last().map(|(key, _)| keys::behind(key));
                let page = pairs
                    .into_iter()
                    .map(Stored::read)
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(next.map(|next| (page, Some(next))))
            }
        })
    }
}
