//! Lists of clients, one page at a time: all clients may not fit in memory.

use std::ops::Range;

use futures_util::stream::{Stream, try_unfold};

use crate::base::{ClientId, Timestamp};
use crate::client::{Client, Metadata, TrustLevel};
use crate::store::{Candidate, Clients, DeletedClient, Indexed, StoreError, Stored, keys};

/// Clients that are read at a time.
const CHUNK: usize = 100;
/// Chunks that are searched for one page.
const CHUNKS: usize = 20;

/// A filter for clients. A client must meet all of its conditions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ClientFilter {
    /// Prefix of `client_id`.
    pub(crate) client_id_prefix: Option<String>,
    /// `software_id`, which is looked up in its index.
    pub(crate) software_id: Option<String>,
    /// Text that `client_name` contains in any language, ignoring case.
    pub(crate) client_name_contains: Option<String>,
    /// The trust level.
    pub(crate) trust_level: Option<TrustLevel>,
    /// Issued at this moment or later.
    pub(crate) issued_from: Option<Timestamp>,
    /// Issued before this moment.
    pub(crate) issued_before: Option<Timestamp>,
    /// Expires before this moment.
    pub(crate) expires_before: Option<Timestamp>,
}

/// A parameter of a filter has a value that it cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FilterFault {
    /// The name of the parameter.
    pub(crate) name: &'static str,
    /// What it must be.
    pub(crate) due: &'static str,
}

/// The parts of a client that a filter looks at. A deleted client has them too.
struct Filtered<'a> {
    id: &'a ClientId,
    metadata: &'a Metadata,
    trust_level: TrustLevel,
    issued_at: Timestamp,
    expires_at: Option<Timestamp>,
}

impl ClientFilter {
    /// The names of the parameters, wherever a filter is written.
    pub(crate) const PARAMETERS: &[&str] = &[
        "client_id",
        "client_name",
        "expires_before",
        "issued_before",
        "issued_from",
        "software_id",
        "trust_level",
    ];

    /// Reads a filter from its parameters. `text` returns the value of each.
    ///
    /// # Errors
    /// The first parameter that does not have a valid value.
    pub(crate) fn read(text: impl Fn(&'static str) -> Option<String>) -> Result<Self, FilterFault> {
        Ok(Self {
            client_id_prefix: text("client_id"),
            software_id: text("software_id"),
            client_name_contains: text("client_name"),
            trust_level: level("trust_level", text("trust_level"))?,
            issued_from: moment("issued_from", text("issued_from"))?,
            issued_before: moment("issued_before", text("issued_before"))?,
            expires_before: moment("expires_before", text("expires_before"))?,
        })
    }

    /// Returns whether `client` meets all conditions.
    pub(crate) fn matches(&self, client: &Client) -> bool {
        self.matches_parts(&Filtered {
            id: &client.id,
            metadata: client.metadata.metadata(),
            trust_level: client.provenance.trust_level,
            issued_at: client.issued_at,
            expires_at: client.expires_at,
        })
    }

    /// Returns whether the client `id` met all conditions when it was deleted.
    pub(crate) fn matches_deleted(&self, id: &ClientId, deleted: &DeletedClient) -> bool {
        self.matches_parts(&Filtered {
            id,
            metadata: deleted.metadata.metadata(),
            trust_level: deleted.trust_level,
            issued_at: deleted.issued_at,
            expires_at: deleted.expires_at,
        })
    }

    /// Returns whether the client `id` would meet all conditions that `candidate` becomes.
    pub(crate) fn matches_candidate(&self, id: &ClientId, candidate: &Candidate) -> bool {
        self.matches_parts(&Filtered {
            id,
            metadata: &candidate.metadata,
            trust_level: candidate.level(),
            issued_at: candidate.first_asked_at,
            expires_at: None,
        })
    }

    /// Returns whether there is no condition.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn matches_parts(&self, client: &Filtered<'_>) -> bool {
        self.trust_level
            .is_none_or(|wanted| wanted == client.trust_level)
            && self.matches_times(client)
            && self.matches_texts(client)
    }

    fn matches_times(&self, client: &Filtered<'_>) -> bool {
        let issued = client.issued_at;
        if self.issued_from.is_some_and(|from| issued < from) {
            return false;
        }
        if self.issued_before.is_some_and(|before| issued >= before) {
            return false;
        }
        match (self.expires_before, client.expires_at) {
            (None, _) => true,
            (Some(before), Some(end)) => end < before,
            (Some(_), None) => false,
        }
    }

    fn matches_texts(&self, client: &Filtered<'_>) -> bool {
        let metadata = client.metadata;
        if let Some(prefix) = &self.client_id_prefix
            && !client.id.as_str().starts_with(prefix)
        {
            return false;
        }
        if let Some(id) = &self.software_id
            && metadata.text("software_id") != Some(id)
        {
            return false;
        }
        match &self.client_name_contains {
            Some(part) => has_name_with(metadata, part),
            None => true,
        }
    }
}

fn level(name: &'static str, text: Option<String>) -> Result<Option<TrustLevel>, FilterFault> {
    let Some(text) = text else {
        return Ok(None);
    };
    let known = TrustLevel::ALL
        .into_iter()
        .find(|level| level.as_str() == text);
    let due = "open, token, mtls, statement, attested or operator";
    known.map(Some).ok_or(FilterFault { name, due })
}

fn moment(name: &'static str, text: Option<String>) -> Result<Option<Timestamp>, FilterFault> {
    let Some(text) = text else {
        return Ok(None);
    };
    let due = "seconds since 1970-01-01T00:00:00Z";
    let seconds = text.parse().map_err(|_| FilterFault { name, due })?;
    Ok(Some(Timestamp::from_unix(seconds)))
}

/// Returns whether a client name in any language contains `part`, ignoring case.
fn has_name_with(metadata: &Metadata, part: &str) -> bool {
    let part = part.to_lowercase();
    for (member, value) in metadata.iter() {
        let is_name = member.split('#').next() == Some("client_name");
        if let (true, Some(name)) = (is_name, value.as_str())
            && name.to_lowercase().contains(&part)
        {
            return true;
        }
    }
    false
}

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
