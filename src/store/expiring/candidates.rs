//! Client documents that wait for an administrator: those with a new URL, and changes of those in force.
//!
//! A record is stored under the digests of its URL and of the host, so there is one for each URL.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ExpiringRecord, Found, ID_LENGTH, Space};
use crate::base::{ClientId, Timestamp, hex, sha256};
use crate::client::{Metadata, TrustLevel};
use crate::store::{Backend, Change, ExpiringKind, PendingSubject, PendingType, StoreError};

/// Seconds for which a candidate waits.
const SECONDS: u64 = 30 * 86_400;
/// Bytes of the digest of a host in the key of a record.
const HOST: usize = 16;

/// A document that waits for an administrator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WaitingDocument {
    /// The URL.
    pub(crate) client_id: String,
    /// The octets, which are UTF-8.
    pub(crate) document: String,
    /// SHA-256 of the octets, in base64url.
    pub(crate) digest: String,
    /// The metadata that would be registered.
    pub(crate) metadata: Metadata,
    /// The members that differ from the version in force; none if there is no version in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) changed: Option<Vec<String>>,
    /// Those by which the client would authenticate with less than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) downgrades: Vec<String>,
    /// The reason that a script gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// When it was first asked for.
    pub(crate) first_asked_at: Timestamp,
    /// When it was last asked for.
    pub(crate) last_asked_at: Timestamp,
    /// How often it was asked for.
    pub(crate) asked: u64,
    /// The identifier of the authorization server that asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_asked_by: Option<String>,
    /// The trust level that the client would have.
    pub(crate) trust_level: String,
}

impl WaitingDocument {
    /// Returns its identifier.
    pub(crate) fn id(&self) -> String {
        Self::id_of(&self.client_id)
    }

    /// Returns the identifier of what waits of `url`, which is the same for all its documents.
    pub(crate) fn id_of(url: &str) -> String {
        let mut id = hex(&url_digest(url));
        id.truncate(ID_LENGTH);
        id
    }

    /// Returns the moment from which it no longer waits.
    pub(crate) const fn ends_at(&self) -> Timestamp {
        self.last_asked_at.plus(SECONDS)
    }

    /// Returns the metadata of the client with its identifier.
    pub(crate) fn shown(&self) -> Metadata {
        let mut metadata = self.metadata.clone();
        metadata.set("client_id", self.client_id.as_str());
        metadata
    }

    /// Returns what events say about it, under its identifier `id`. `client_id` is its URL, and `in_force` the revision
    /// of the client in force.
    pub(crate) fn subject<'a>(
        id: &'a str,
        client_id: &'a ClientId,
        in_force: Option<u64>,
    ) -> PendingSubject<'a> {
        PendingSubject {
            id,
            kind: PendingType::Document,
            client_id,
            revision: in_force.unwrap_or_default().saturating_add(1),
        }
    }

    /// Returns the trust level that the client would have.
    pub(crate) fn level(&self) -> TrustLevel {
        let known = TrustLevel::ALL.into_iter();
        let mut meant = known.filter(|level| level.as_str() == self.trust_level);
        meant.next().unwrap_or(TrustLevel::Document)
    }
}

fn url_digest(url: &str) -> [u8; 32] {
    sha256(url.as_bytes())
}

/// Returns the beginning of the keys with this identifier; none if it is no identifier.
fn beginning(id: &str) -> Option<Vec<u8>> {
    if id.len() != ID_LENGTH {
        return None;
    }
    let pairs = id.as_bytes().chunks_exact(2);
    let bytes = pairs.map(|pair| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    });
    bytes.collect()
}

/// Returns the host of a URL. A host has as many ports as it likes.
fn host(url: &str) -> &str {
    let authority = url.split('/').nth(2).unwrap_or_default();
    authority.split(':').next().unwrap_or_default()
}

/// Returns the key of the record of a URL.
fn key(url: &str) -> Vec<u8> {
    let host = sha256(host(url).as_bytes());
    let mut key = url_digest(url).to_vec();
    key.extend(host.into_iter().take(HOST));
    key
}

/// The client documents that wait. Their number is exact, and the same for all servers on one database.
#[derive(Clone)]
pub(crate) struct Candidates(Space<WaitingDocument>);

impl Candidates {
    pub(in crate::store) fn new(backend: Arc<dyn Backend>) -> Self {
        Self(Space::new(backend, ExpiringKind::DocumentCandidate))
    }

    /// Returns the candidate of `url` that waits at `now`.
    pub(in crate::store) async fn find_by_url(
        &self,
        url: &str,
        now: Timestamp,
    ) -> Result<Option<WaitingDocument>, StoreError> {
        let found = self.find_any(url).await?;
        Ok(found.and_then(|found| live(found, now)))
    }

    /// Returns the candidate with this identifier that waits at `now`.
    pub(in crate::store) async fn find(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<WaitingDocument>, StoreError> {
        let Some(beginning) = beginning(id) else {
            return Ok(None);
        };
        let found = self.0.find_under(&beginning).await?;
        Ok(found.and_then(|found| live(found, now)))
    }

    /// Returns the change that lets `candidate` wait, in place of an older one of its URL. Returns none if `most`
    /// candidates wait, or if those of its host have their share.
    pub(in crate::store) async fn change(
        &self,
        candidate: WaitingDocument,
        most: u64,
    ) -> Result<Option<Change>, StoreError> {
        let before = self.find_any(&candidate.client_id).await?;
        let key = match &before {
            Some(before) => before.entry.key.clone(),
            None => key(&candidate.client_id),
        };
        let entry = ExpiringRecord {
            key,
            expires_at: candidate.ends_at(),
            value: candidate,
        };
        match before {
            Some(before) => self.0.replacement(&before, &entry).map(Some),
            None => self.0.insertion_below(&entry, most).await,
        }
    }

    /// Returns the change that ends the waiting of the candidate of `url`, if there is one.
    pub(in crate::store) async fn removal(&self, url: &str) -> Result<Change, StoreError> {
        let found = self.find_any(url).await?;
        Ok(found.map_or_else(Change::default, |found| self.0.removal(&found)))
    }

    /// Returns all candidates that wait at `now`.
    pub(in crate::store) async fn all(
        &self,
        now: Timestamp,
    ) -> Result<Vec<WaitingDocument>, StoreError> {
        let found = self.0.page(None, usize::MAX).await?;
        Ok(found
            .into_iter()
            .filter_map(|found| live(found, now))
            .collect())
    }

    /// Returns at most `limit` candidates in the order of their identifiers, starting after `after`. Those that have
    /// ended and are not swept yet are included.
    pub(in crate::store) async fn page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<WaitingDocument>, StoreError> {
        let beginning = after.and_then(beginning);
        let found = self.0.page(beginning.as_deref(), limit).await?;
        Ok(found.into_iter().map(|found| found.entry.value).collect())
    }

    async fn find_any(&self, url: &str) -> Result<Option<Found<WaitingDocument>>, StoreError> {
        self.0.find_under(&url_digest(url)).await
    }
}

fn live(found: Found<WaitingDocument>, now: Timestamp) -> Option<WaitingDocument> {
    found.is_live(now).then_some(found.entry.value)
}
