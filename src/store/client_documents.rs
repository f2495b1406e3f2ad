//! What is stored about client documents beside their clients: how their fetches went, the octets of the version
//! in force and the previous version, the documents that wait for an administrator, and the denied URLs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::{ClientId, Timestamp, sha256};
use crate::client::Client;
use crate::store::{
    Backend, Change, Expectation, ExpiringKind, StoreError,
    expiring::{ExpiringRecord, Space, candidates::Candidates, candidates::WaitingDocument},
    keys, record,
};

/// How the fetches of the document of a client went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FetchState {
    /// When a fetch last succeeded.
    pub(crate) fetched_at: Timestamp,
    /// Until when the version in force may be used without a fetch.
    pub(crate) fresh_until: Timestamp,
    /// The `ETag` of the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
    /// The `Last-Modified` of the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_modified: Option<String>,
    /// SHA-256 of the octets that these two belong to, in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    /// Since when all fetches failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failing_since: Option<Timestamp>,
    /// How many fetches have failed since then.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) failures: u64,
    /// When the last of them failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_failed_at: Option<Timestamp>,
    /// When the host last answered that it has no such document (404, 410).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) missing_at: Option<Timestamp>,
    /// Whether it did so repeatedly, so that the client is suspended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) gone: bool,
    /// Whether a document arrived after the version in force that the rules or a script reject.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) rejected: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A denial by an administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Denial {
    /// The URL.
    pub(crate) client_id: String,
    /// The identifier of the administrator.
    pub(crate) by: String,
    /// When.
    pub(crate) at: Timestamp,
    /// The note of the administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// The moment from which the URL may be used again; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
}

/// The records about client documents.
#[derive(Clone)]
pub(crate) struct DocumentRecords {
    backend: Arc<dyn Backend>,
    candidates: Candidates,
    denials: Space<Denial>,
}

/// Returns the key of what is stored about a URL and expires.
fn key(url: &str) -> Vec<u8> {
    sha256(url.as_bytes()).to_vec()
}

impl DocumentRecords {
    pub(super) fn new(backend: &Arc<dyn Backend>) -> Self {
        let space = || Arc::clone(backend);
        Self {
            backend: space(),
            candidates: Candidates::new(space()),
            denials: Space::new(space(), ExpiringKind::DocumentDenial),
        }
    }

    /// Returns how the fetches of the document went.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn state(&self, id: &ClientId) -> Result<Option<FetchState>, StoreError> {
        let key = keys::document_state(id);
        let found = self.backend.get(&key).await?;
        found.map(|bytes| record::decode(&key, &bytes)).transpose()
    }

    /// Records how the fetches of the document went.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn put_state(
        &self,
        id: &ClientId,
        state: &FetchState,
    ) -> Result<(), StoreError> {
        let change = Self::state_change(id, state)?;
        self.backend.apply(change).await.map(drop)
    }

    /// Returns the change that records how the fetches of the document went.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(crate) fn state_change(id: &ClientId, state: &FetchState) -> Result<Change, StoreError> {
        let key = keys::document_state(id);
        let bytes = record::encode(&key, state)?;
        Ok(put(key, bytes))
    }

    /// Returns the change that keeps the octets of the version in force.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn octets_change(id: &ClientId, octets: &str) -> Result<Change, StoreError> {
        let key = keys::document_octets(id);
        let bytes = record::encode(&key, &octets)?;
        Ok(put(key, bytes))
    }

    /// Returns the change that keeps `client` as the previous version.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn previous_change(client: &Client) -> Result<Change, StoreError> {
        let key = keys::previous_document_client(&client.id);
        let bytes = record::encode(&key, client)?;
        Ok(put(key, bytes))
    }

    /// Returns the client of the previous version of a document.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn previous(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let key = keys::previous_document_client(id);
        let found = self.backend.get(&key).await?;
        found.map(|bytes| record::decode(&key, &bytes)).transpose()
    }

    /// Returns the candidate of `url` that waits at `now`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn candidate(
        &self,
        url: &str,
        now: Timestamp,
    ) -> Result<Option<WaitingDocument>, StoreError> {
        self.candidates.find_by_url(url, now).await
    }

    /// Returns the change that lets `candidate` wait, in place of an older one of its URL. There may be `most`
    /// candidates. Returns none if there are that many, or if its host has its share of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn candidate_change(
        &self,
        candidate: WaitingDocument,
        most: u64,
    ) -> Result<Option<Change>, StoreError> {
        self.candidates.change(candidate, most).await
    }

    /// Returns the change that ends the waiting of the candidate of `url`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn candidate_removal(&self, url: &str) -> Result<Change, StoreError> {
        self.candidates.removal(url).await
    }

    /// Returns all candidates that wait at `now`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn candidates(
        &self,
        now: Timestamp,
    ) -> Result<Vec<WaitingDocument>, StoreError> {
        self.candidates.all(now).await
    }

    /// Returns all denials that apply at `now`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn denials(&self, now: Timestamp) -> Result<Vec<Denial>, StoreError> {
        let found = self.denials.page(None, usize::MAX).await?;
        let live = found.into_iter().filter(|found| found.is_live(now));
        Ok(live.map(|found| found.entry.value).collect())
    }

    /// Returns the denial of `url` that applies at `now`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn denial(
        &self,
        url: &str,
        now: Timestamp,
    ) -> Result<Option<Denial>, StoreError> {
        let found = self.denials.find(&key(url), now).await?;
        Ok(found.map(|found| found.entry.value))
    }

    /// Returns the change that denies a URL, in place of an earlier denial.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn denial_change(&self, denial: Denial) -> Result<Change, StoreError> {
        let entry = ExpiringRecord {
            key: key(&denial.client_id),
            expires_at: denial.until.unwrap_or(Timestamp::from_unix(u64::MAX)),
            value: denial,
        };
        match self.denials.find_any(&entry.key).await? {
            Some(before) => self.denials.replacement(&before, &entry),
            None => self.denials.insertion(&entry),
        }
    }

    /// Returns the change that ends the denial of `url`, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn denial_removal(&self, url: &str) -> Result<Change, StoreError> {
        let found = self.denials.find_any(&key(url)).await?;
        Ok(found.map_or_else(Change::default, |found| self.denials.removal(&found)))
    }

    /// Returns the change that has no effect but to expect that `url` is not denied at `now`. Returns none if it is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn expect_no_denial(
        &self,
        url: &str,
        now: Timestamp,
    ) -> Result<Option<Change>, StoreError> {
        let expected = match self.denials.find_any(&key(url)).await? {
            Some(found) if found.is_live(now) => return Ok(None),
            Some(over) => self.denials.unchanged(&over),
            None => Expectation::Absent(ExpiringKind::DocumentDenial.record(&key(url))),
        };
        Ok(Some(Change {
            expect: vec![expected],
            ..Change::default()
        }))
    }

    /// Stores `change`, which concerns the client `id`, if there is no such client.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one or another expectation is not met, or when the store cannot be
    /// written.
    pub(crate) async fn apply_without_client(
        &self,
        id: &ClientId,
        mut change: Change,
    ) -> Result<(), StoreError> {
        change.expect.push(Expectation::Absent(keys::client(id)));
        self.apply(change).await
    }

    /// Stores `change`, which was put together from several.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when an expectation is not met, or when the store cannot be written.
    pub(crate) async fn apply(&self, change: Change) -> Result<(), StoreError> {
        self.backend.apply(change).await.map(drop)
    }
}

fn put(key: Vec<u8>, bytes: Vec<u8>) -> Change {
    Change {
        put: vec![(key, bytes)],
        ..Change::default()
    }
}

/// Returns the change that removes what is stored beside the client of a document.
pub(super) fn removal(id: &ClientId) -> Change {
    Change {
        delete: vec![
            keys::document_state(id),
            keys::document_octets(id),
            keys::previous_document_client(id),
        ],
        ..Change::default()
    }
}
