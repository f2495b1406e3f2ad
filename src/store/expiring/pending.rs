//! Registrations and updates that wait for the approval of an administrator.
//!
//! What waits is the client as the pipeline has judged it, so an approval concerns exactly what was shown. A record
//! is stored under the digest of the code with which the client asks for the decision, and of the network it came from.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ExpiringRecord, Found, Space, key_of_secret, short_id};
use crate::base::{Secret, Timestamp, hex, sha256};
use crate::client::{Approval, Client};
use crate::store::{Backend, Change, ExpiringKind, PendingSubject, StoreError};

/// Seconds for which a record is kept after its end, so that a client which asks late learns that it was too late.
const KEPT: u64 = 600;

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PendingKind {
    /// A registration. The client does not exist yet.
    Registration,
    /// A registration whose client exists and is disabled.
    DisabledClient,
    /// An update. The client stays as it was.
    Update,
}

/// How far the decision is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PendingState {
    /// Nobody has decided.
    Waiting,
    /// It was approved. The client gets the result when it asks next.
    Approved,
    /// It was denied.
    Denied,
    /// Nobody decided in time, and that is recorded. Before, it [no longer waits](PendingRequest::waits).
    Expired,
}

/// A registration or an update that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PendingRequest {
    /// What waits.
    pub(crate) kind: PendingKind,
    /// How far the decision is.
    pub(crate) state: PendingState,
    /// The client as it will be stored, except its registration access token.
    pub(crate) client: Box<Client>,
    /// SHA-256 of the metadata, in hex.
    pub(crate) digest: String,
    /// Why it waits, if a script has stated a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// When it was requested.
    pub(crate) requested_at: Timestamp,
    /// When it ends without a decision.
    pub(crate) ends_at: Timestamp,
    /// Seconds that the client has to wait between two requests.
    pub(crate) interval: u64,
    /// When the client last asked for the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asked_at: Option<Timestamp>,
    /// How often the client has asked for the decision.
    pub(crate) asked: u64,
    /// SHA-256 of the code that the approver enters, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verification: Option<String>,
    /// Who decided, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) decision: Option<Approval>,
    /// What the scripts that are notified of the change will see of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<Box<Value>>,
}

impl PendingRequest {
    /// Whether nobody has decided, and the time is not over at `now`.
    pub(crate) fn waits(&self, now: Timestamp) -> bool {
        self.state == PendingState::Waiting && now < self.ends_at
    }
}

impl PendingRequest {
    /// Returns what events say about the request, which has the identifier `id`.
    pub(crate) fn subject<'a>(&'a self, id: &'a str) -> PendingSubject<'a> {
        PendingSubject {
            id,
            kind: self.kind.into(),
            client_id: &self.client.id,
            revision: self.client.revision,
        }
    }
}

/// A record as it was read.
#[derive(Debug, Clone)]
pub(crate) struct FoundRequest(Found<PendingRequest>);

impl FoundRequest {
    /// Its identifier, from which the code cannot be derived.
    pub(crate) fn id(&self) -> String {
        short_id(&String::from_utf8_lossy(&self.0.entry.key))
    }

    /// What was requested.
    pub(crate) const fn request(&self) -> &PendingRequest {
        &self.0.entry.value
    }
}

/// Why nothing more can wait.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PendingError {
    /// As many requests wait as are allowed, or as many from one network.
    #[error("too many registrations wait for approval; retry later")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The registrations and updates that wait. Their number is exact, and the same for all servers on one database.
#[derive(Clone)]
pub(crate) struct PendingRequests(Space<PendingRequest>);

impl PendingRequests {
    pub(in crate::store) fn new(backend: Arc<dyn Backend>) -> Self {
        Self(Space::new(backend, ExpiringKind::Pending))
    }

    /// Returns the identifier under which the request with this `code` is stored.
    pub(crate) fn id_of(code: &Secret) -> String {
        short_id(&key_of_secret(code))
    }

    /// Returns the change that stores `request` under its `code`, unless `most` requests wait, or those from the network
    /// `origin` have their share.
    ///
    /// # Errors
    /// [`PendingError::Full`] when they do; otherwise when the store cannot be read.
    pub(crate) async fn insertion(
        &self,
        code: &Secret,
        request: PendingRequest,
        (origin, most): (IpAddr, u64),
    ) -> Result<Change, PendingError> {
        let origin = hex(&sha256(origin.to_string().as_bytes()));
        let key = [key_of_secret(code), short_id(&origin)].concat();
        let entry = entry(key.into_bytes(), request);
        let insertion = self.0.insertion_below(&entry, most).await?;
        insertion.ok_or(PendingError::Full)
    }

    /// Returns the request with this code, even if it has ended.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn find_by_code(
        &self,
        code: &str,
        now: Timestamp,
    ) -> Result<Option<FoundRequest>, StoreError> {
        let key = hex(&sha256(code.as_bytes()));
        let found = self.0.find_under(key.as_bytes()).await?;
        let live = found.filter(|found| found.is_live(now));
        Ok(live.map(FoundRequest))
    }

    /// Returns the request with this identifier, even if it has ended.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn find(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<FoundRequest>, StoreError> {
        let Some(found) = self.0.find_by_short_id(id).await? else {
            return Ok(None);
        };
        Ok(found.is_live(now).then_some(FoundRequest(found)))
    }

    /// Returns at most `limit` requests in the order of their identifiers, starting after `after`. Those that have ended
    /// and are not swept yet are included.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FoundRequest>, StoreError> {
        let page = self.0.page(after.map(str::as_bytes), limit).await?;
        Ok(page.into_iter().map(FoundRequest).collect())
    }

    /// Returns the change that replaces `seen`, which must be unchanged, with `request`.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(crate) fn replacement(
        &self,
        seen: &FoundRequest,
        request: PendingRequest,
    ) -> Result<Change, StoreError> {
        let entry = entry(seen.0.entry.key.clone(), request);
        self.0.replacement(&seen.0, &entry)
    }

    /// Returns the change that removes `seen`, which must be unchanged.
    pub(crate) fn removal(&self, seen: &FoundRequest) -> Change {
        self.0.removal(&seen.0)
    }

    /// Makes a change of requests that wait. Returns false if somebody else was faster.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn apply(&self, change: Change) -> Result<bool, StoreError> {
        match self.0.backend.apply(change).await {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn entry(key: Vec<u8>, request: PendingRequest) -> ExpiringRecord<PendingRequest> {
    let expires_at = request.ends_at.plus(KEPT);
    ExpiringRecord {
        key,
        value: request,
        expires_at,
    }
}
