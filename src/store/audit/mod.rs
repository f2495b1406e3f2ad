//! The audit log: who changed what, in the order in which it was stored.
//!
//! An event has the number behind the one before it, given out by whoever writes the batch. So
//! numbers have no gap and no event becomes visible behind a reader that has passed it, on one
//! server or on many. An event goes into the change that it tells of, and is there exactly when
//! that is.
//!
//! A request that was refused changes nothing, so its event can go with nothing: those wait in a
//! [queue](AuditQueue) and are written many at a time.

mod queue;

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::backend::{Backend, Change, number, numbered};
use super::{StoreError, keys, record};
use crate::clock::Timestamp;

pub use queue::{AuditQueue, AuditWriter, queue};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A client was registered.
    ClientCreated,
    /// A client was replaced.
    ClientUpdated,
    /// A client was deleted.
    ClientDeleted,
    /// A client came out of an export.
    ClientImported,
    /// A client was removed because its time was over.
    ClientExpired,
    /// All clients were told, with their secrets.
    ClientsExported,
    /// A registration was refused.
    RegistrationRefused,
    /// An update by the holder of a client was refused.
    UpdateRefused,
    /// A deletion by the holder of a client was refused.
    DeletionRefused,
    /// A call of the admin API was refused: who made it may not, or what it asked for can not be done.
    AdministrationRefused,
    /// An administrator did not prove to be one, or anybody failed too often to prove who they are.
    AuthenticationRefused,
    /// Access tokens were asked for too often.
    TokenRefused,
    /// More was refused than could be written down: how many is in the details.
    RefusalsLost,
    /// An initial access token was made.
    InitialAccessTokenCreated,
    /// An initial access token was revoked.
    InitialAccessTokenRevoked,
    /// The live configuration was patched, or read from its file.
    ConfigurationChanged,
    /// The file of the configuration was read and not taken, or a patch was refused.
    ConfigurationRefused,
    /// Other scripts are in force.
    ScriptsReloaded,
    /// The scripts were read and not taken.
    ScriptsRefused,
}

/// Who did something, and in which request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Author {
    /// The identifier of the client who did it; none: somebody without one, or this server.
    pub actor: Option<String>,
    /// The address that the request came from; none: there was no request.
    pub address: Option<IpAddr>,
    /// What names the request in its answer and in the log.
    pub correlation_id: Option<String>,
}

impl Author {
    /// That this author did `action` to `subject`.
    pub fn did(&self, action: Action, subject: impl Into<String>, at: Timestamp) -> AuditEvent {
        AuditEvent {
            at,
            action,
            subject: subject.into(),
            actor: self.actor.clone(),
            address: self.address,
            error: None,
            correlation_id: self.correlation_id.clone(),
            details: Map::new(),
        }
    }
}

/// An event: never with a secret in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When it happened.
    pub at: Timestamp,
    /// What was done.
    pub action: Action,
    /// The identifier of what it was done to: a client, a token, a revision. Empty: of nothing
    /// that has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// The identifier of the client who did it; none: somebody without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The address that the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The error code of what was refused; none: it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What names the request in its answer and in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

/// Characters of an error code: a script may make one up.
const ERROR: usize = 64;

impl AuditEvent {
    /// The same event, refused with this error code.
    #[must_use]
    pub fn refused(self, error: &str) -> Self {
        Self { error: Some(error.chars().take(ERROR).collect()), ..self }
    }

    /// The same event, with one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// That the event is written: to go with the change that it tells of.
    ///
    /// # Errors
    /// When it can not be written as JSON.
    pub fn change(&self) -> Result<Change, StoreError> {
        let event = record::encode(keys::AUDIT, self)?;
        Ok(Change { append: vec![(keys::AUDIT.to_vec(), event)], ..Change::default() })
    }
}

/// An event with its place in the log, from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// Its place.
    pub position: u64,
    /// The event.
    pub event: AuditEvent,
}

/// The audit log.
#[derive(Clone)]
pub struct AuditLog(Arc<dyn Backend>);

impl AuditLog {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        Self(backend)
    }

    /// Writes an event that tells of no change of the store.
    ///
    /// # Errors
    /// When the store can not be written.
    pub async fn append(&self, event: &AuditEvent) -> Result<(), StoreError> {
        self.append_all(std::slice::from_ref(event)).await
    }

    /// Writes events that tell of no change of the store, as one change.
    ///
    /// # Errors
    /// When the store can not be written; none of them is there then.
    pub async fn append_all(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let mut change = Change::default();
        for event in events {
            change = change.and(event.change()?);
        }
        self.0.apply(change).await.map(drop)
    }

    /// At most `limit` events in their order, from the one behind the position `after`; 0 for
    /// the first that is kept.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn page(&self, after: u64, limit: usize) -> Result<Vec<Logged>, StoreError> {
        let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
        let end = keys::under(keys::AUDIT).end;
        let pairs = self.0.scan(numbered(keys::AUDIT, first)..end, limit).await?;
        pairs.into_iter().map(|(key, bytes)| logged(&key, &bytes)).collect()
    }

    /// The position of the last event; 0 when there was none.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn last(&self) -> Result<u64, StoreError> {
        let last = number(keys::AUDIT, self.0.get(keys::AUDIT).await?.as_deref())?;
        Ok(last.unsigned_abs())
    }

    /// Removes at most `limit` events from the beginning, so that the newest `most` are kept, and
    /// says how many: less than `limit` when there is no more to do.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn trim(&self, most: u64, limit: usize) -> Result<usize, StoreError> {
        let kept_from = self.last().await?.saturating_sub(most).saturating_add(1);
        let old = numbered(keys::AUDIT, 0)..numbered(keys::AUDIT, kept_from);
        let delete: Vec<_> = self.0.scan(old, limit).await?.into_iter().map(|(key, _)| key).collect();
        let removed = delete.len();
        if removed > 0 {
            self.0.apply(Change { delete, ..Change::default() }).await?;
        }
        Ok(removed)
    }
}

fn logged(key: &[u8], bytes: &[u8]) -> Result<Logged, StoreError> {
    let position = key.strip_prefix(keys::AUDIT).and_then(|number| number.try_into().ok());
    let position = position.ok_or_else(|| StoreError::corrupt(key, "its key is not a number"))?;
    Ok(Logged { position: u64::from_be_bytes(position), event: record::decode(key, bytes)? })
}
