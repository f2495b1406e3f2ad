//! Everything that waits for an administrator, whatever it is: the one place that lists it, finds it and counts it.
//!
//! Requests and client documents are stored as records that expire, by the same mechanism: exact numbers, a share for
//! each origin, and the sweep. They are records of two types, because they are found differently: a request by the code
//! of its client, a document by its URL.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::store::expiring::candidates::{Candidates, WaitingDocument};
use crate::store::{Backend, FoundRequest, PendingKind, PendingRequests, StoreError};

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PendingType {
    /// A registration.
    Registration,
    /// An update by the client.
    Update,
    /// A client document, or a change of one.
    Document,
}

impl PendingType {
    /// All types.
    pub(crate) const ALL: [Self; 3] = [Self::Registration, Self::Update, Self::Document];

    /// Returns the type as it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Update => "update",
            Self::Document => "document",
        }
    }
}

impl From<PendingKind> for PendingType {
    fn from(kind: PendingKind) -> Self {
        match kind {
            PendingKind::Registration | PendingKind::DisabledClient => Self::Registration,
            PendingKind::Update => Self::Update,
        }
    }
}

/// Something that waits for an administrator.
#[derive(Debug, Clone)]
pub(crate) enum WaitingItem {
    /// A registration or an update.
    Request(Box<FoundRequest>),
    /// A client document.
    Document(Box<WaitingDocument>),
}

impl WaitingItem {
    /// Its identifier, from which no code can be derived.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Request(found) => found.id(),
            Self::Document(candidate) => candidate.id(),
        }
    }

    /// What it is.
    pub(crate) fn kind(&self) -> PendingType {
        match self {
            Self::Request(found) => found.request().kind.into(),
            Self::Document(_) => PendingType::Document,
        }
    }
}

/// Everything that waits.
#[derive(Clone)]
pub(crate) struct WaitingItems {
    requests: PendingRequests,
    candidates: Candidates,
}

impl WaitingItems {
    pub(super) fn new(backend: &Arc<dyn Backend>) -> Self {
        Self {
            requests: PendingRequests::new(Arc::clone(backend)),
            candidates: Candidates::new(Arc::clone(backend)),
        }
    }

    /// Returns what has this identifier, even if a request has ended.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn find(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<WaitingItem>, StoreError> {
        if let Some(found) = self.requests.find(id, now).await? {
            return Ok(Some(WaitingItem::Request(Box::new(found))));
        }
        let found = self.candidates.find(id, now).await?;
        Ok(found.map(|found| WaitingItem::Document(Box::new(found))))
    }

    /// Returns at most `limit` items in the order of their identifiers, starting after `after`. Those that have ended
    /// and are not swept yet are included.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<WaitingItem>, StoreError> {
        let requests = self.requests.page(after, limit).await?.into_iter();
        let candidates = self.candidates.page(after, limit).await?.into_iter();
        let requests = requests.map(|found| WaitingItem::Request(Box::new(found)));
        let documents = candidates.map(|found| WaitingItem::Document(Box::new(found)));
        let mut items: Vec<WaitingItem> = requests.chain(documents).collect();
        items.sort_by_cached_key(WaitingItem::id);
        items.truncate(limit);
        Ok(items)
    }

    /// Returns how many of each type wait at `now`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn counts(
        &self,
        now: Timestamp,
    ) -> Result<BTreeMap<PendingType, u64>, StoreError> {
        let mut counts = BTreeMap::from(PendingType::ALL.map(|kind| (kind, 0)));
        for found in self.requests.page(None, usize::MAX).await? {
            if found.request().waits(now) {
                *counts.entry(found.request().kind.into()).or_default() += 1;
            }
        }
        let documents = self.candidates.all(now).await?.len();
        counts.insert(PendingType::Document, documents as u64);
        Ok(counts)
    }
}
