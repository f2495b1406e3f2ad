//! The audit log: who changed what, in the order in which it was stored.
//!
//! Events are numbered consecutively by the writer of the batch. Numbers thus have no gap, and no event
//! appears behind a reader that has already passed its position, on one server or on several. An event is a
//! part of the change that it reports: both are stored, or neither.
//!
//! Each event has a digest over itself and the event before it, so that a later change of the log can be
//! [detected](verify).
//!
//! A rejected request changes nothing, so its event does not belong to a change. Such events are
//! [queued](AuditQueue) and written many at a time.

mod action;
mod changes;
mod queue;
mod verify;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::Timestamp;
use crate::client::Client;
use crate::store::{
    Backend, Chained, Change, Expectation, Link, Pair, StoreError, backend::chain, keys, number,
    numbered, record, unless_lost,
};

pub(crate) use action::Action;
pub(crate) use queue::{AuditQueue, AuditWriter, queue};
#[cfg(test)]
pub(crate) use verify::ChainFaultKind;
pub(crate) use verify::{LogCheck, Verification};

/// Who did something, and in which request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Author {
    /// The identifier of the client that did it, or `oidc:` with that of a person at an OpenID Provider; `None` for a
    /// caller without an identifier, or this server.
    pub(crate) actor: Option<String>,
    /// The name of that client, if it is an administrator with a name, or of the person.
    pub(crate) actor_name: Option<String>,
    /// The address that the request came from; `None` if there was no request.
    pub(crate) address: Option<IpAddr>,
    /// The identifier of the request in its response and in the log.
    pub(crate) correlation_id: Option<String>,
}

impl Author {
    /// Returns the event that this author did `action` to `subject`.
    pub(crate) fn did(
        &self,
        action: Action,
        subject: impl Into<String>,
        at: Timestamp,
    ) -> AuditEvent {
        AuditEvent {
            at,
            action,
            subject: subject.into(),
            actor: self.actor.clone(),
            actor_name: self.actor_name.clone(),
            address: self.address,
            error: None,
            correlation_id: self.correlation_id.clone(),
            details: Map::new(),
        }
    }
}

/// An event. It never contains a secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AuditEvent {
    /// When it happened.
    pub(crate) at: Timestamp,
    /// What was done.
    pub(crate) action: Action,
    /// The identifier of the subject: a client, a token, or a revision. Empty if the subject has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) subject: String,
    /// The identifier of the client that did it, or `oidc:` with that of a person at an OpenID Provider; `None` for a
    /// caller without an identifier, or this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    /// The name of that client at this time, if it is an administrator with a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor_name: Option<String>,
    /// The address that the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
    /// The error code of a rejected request; `None` if the action was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// The identifier of the request in its response and in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) correlation_id: Option<String>,
    /// Further details.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) details: Map<String, Value>,
}

/// Maximum number of characters of an error code, since a script may define its own.
const ERROR: usize = 64;

impl AuditEvent {
    /// Returns the same event, rejected with this error code.
    #[must_use]
    pub(crate) fn refused(self, error: &str) -> Self {
        Self {
            error: Some(error.chars().take(ERROR).collect()),
            ..self
        }
    }

    /// Returns the same event with one more detail.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Returns the change that writes the event, to be combined with the change that it reports.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(crate) fn change(&self) -> Result<Change, StoreError> {
        let value = record::encode(keys::AUDIT, self)?;
        let chained = Chained {
            sequence: keys::AUDIT,
            head: keys::AUDIT_HEAD,
            value,
        };
        Ok(Change {
            chain: vec![chained],
            ..Change::default()
        })
    }

    /// Returns the change that writes the event together with a change of a client from `before` to `after`, whose
    /// members it names.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(super) fn change_of(
        &self,
        before: Option<&Client>,
        after: Option<&Client>,
    ) -> Result<Change, StoreError> {
        changes::noted(self, before, after).change()
    }
}

/// An event with its position in the log, starting at 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Logged {
    /// Its position.
    pub(crate) position: u64,
    /// Its digest; `None` if an earlier version wrote it.
    pub(crate) digest: Option<[u8; 32]>,
    /// The event.
    pub(crate) event: AuditEvent,
}

/// What is called with each event after this server has stored it.
pub(crate) type AuditListener = fn(&Logged);

/// Selects events. An event must match all conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AuditFilter {
    /// It happened at this time or later.
    pub(crate) since: Option<Timestamp>,
    /// It is one of these actions; empty: any.
    pub(crate) actions: Vec<Action>,
    /// The identifier or the name of the client that did it.
    pub(crate) actor: Option<String>,
    /// The identifier of its subject.
    pub(crate) subject: Option<String>,
    /// Whether it was refused.
    pub(crate) is_refused: Option<bool>,
}

impl AuditFilter {
    /// Whether `event` meets all conditions.
    pub(crate) fn admits(&self, event: &AuditEvent) -> bool {
        let is_actor = |actor: &String| {
            let names = [event.actor.as_ref(), event.actor_name.as_ref()];
            names.contains(&Some(actor))
        };
        self.since.is_none_or(|since| event.at >= since)
            && (self.actions.is_empty() || self.actions.contains(&event.action))
            && self.actor.as_ref().is_none_or(is_actor)
            && self
                .subject
                .as_ref()
                .is_none_or(|subject| event.subject == *subject)
            && self
                .is_refused
                .is_none_or(|is_refused| is_refused == event.error.is_some())
    }
}

/// Events that a search reads at a time.
const CHUNK: usize = 500;
/// Maximum number of events that one call looks at.
const MOST_SEEN: usize = 5_000;

/// The audit log.
#[derive(Clone)]
pub(crate) struct AuditLog(Arc<dyn Backend>, Arc<OnceLock<AuditListener>>);

impl AuditLog {
    pub(super) fn new(backend: Arc<dyn Backend>, listener: Arc<OnceLock<AuditListener>>) -> Self {
        Self(backend, listener)
    }

    /// Calls `listener` from now on with each event after this server has stored it. A second listener is ignored.
    pub(crate) fn listen(&self, listener: AuditListener) {
        // The first one stays.
        let _ = self.1.set(listener);
    }

    /// Writes an event that does not belong to a change of the store.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn append(&self, event: &AuditEvent) -> Result<(), StoreError> {
        self.append_all(std::slice::from_ref(event)).await
    }

    /// Writes events that do not belong to a change of the store, as one change.
    ///
    /// # Errors
    /// When the store cannot be written. None of them is stored then.
    pub(crate) async fn append_all(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let mut change = Change::default();
        for event in events {
            change = change.and(event.change()?);
        }
        self.0.apply(change).await.map(drop)
    }

    /// Returns at most `limit` events in order, starting after the position `after`; 0 starts at the first
    /// event that is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn page(&self, after: u64, limit: usize) -> Result<Vec<Logged>, StoreError> {
        let Some(first) = after.checked_add(1) else {
            return Ok(Vec::new());
        };
        let end = keys::under(keys::AUDIT).end;
        let pairs = self
            .0
            .scan(numbered(keys::AUDIT, first)..end, limit)
            .await?;
        let mut events = Vec::with_capacity(pairs.len());
        for (key, bytes) in pairs {
            events.push(logged(&key, &bytes)?);
        }
        Ok(events)
    }

    /// Returns at most `limit` events that `filter` admits, in order, starting after the position `after`, and the
    /// position after which the search continues, if events are left. It looks at a limited number of events.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn find(
        &self,
        after: u64,
        limit: usize,
        filter: &AuditFilter,
    ) -> Result<(Vec<Logged>, Option<u64>), StoreError> {
        let (mut found, mut end, mut left) = (Vec::new(), after, MOST_SEEN);
        while found.len() < limit && left > 0 {
            let wanted = if *filter == AuditFilter::default() {
                limit - found.len()
            } else {
                left.min(CHUNK)
            };
            let events = self.page(end, wanted).await?;
            if events.is_empty() {
                break;
            }
            left = left.saturating_sub(events.len());
            for logged in events {
                if found.len() >= limit {
                    break;
                }
                end = logged.position;
                if filter.admits(&logged.event) {
                    found.push(logged);
                }
            }
        }
        let is_left = end < self.last().await?;
        Ok((found, (is_left && end > after).then_some(end)))
    }

    /// Returns the position of the last event; 0 when there was none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn last(&self) -> Result<u64, StoreError> {
        let last = number(keys::AUDIT, self.0.get(keys::AUDIT).await?.as_deref())?;
        Ok(last.unsigned_abs())
    }

    /// Removes at most `limit` events from the beginning, so that the newest `most` are kept. Returns how
    /// many: less than `limit` when there is nothing more to do.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn trim(&self, most: u64, limit: usize) -> Result<usize, StoreError> {
        let kept_from = self.last().await?.saturating_sub(most).saturating_add(1);
        let old = numbered(keys::AUDIT, 0)..numbered(keys::AUDIT, kept_from);
        let pairs = self.0.scan(old, limit).await?;
        let removed = pairs.len();
        if removed == 0 {
            return Ok(0);
        }
        let change = self.removal(pairs).await?;
        // Another server on the store has removed them.
        Ok(unless_lost(self.0.apply(change).await)?.map_or(0, |_| removed))
    }

    /// Returns the change that removes the first events. The digest of the last one is kept, since the first one that
    /// remains has its digest over that.
    async fn removal(&self, events: Vec<Pair>) -> Result<Change, StoreError> {
        let anchor = self.0.get(keys::AUDIT_ANCHOR).await?;
        let mut last = Link::from_mark(keys::AUDIT_ANCHOR, anchor.as_deref())?;
        let mut change = Change::default();
        for (key, value) in events {
            let number = position(&key)?;
            if let Some((_, digest)) = chain::without_digest(&value) {
                last = Some(Link { number, digest });
            } else if let Some(last) = &mut last {
                last.number = number;
            }
            change.delete.push(key);
        }
        let key = keys::AUDIT_ANCHOR.to_vec();
        change.expect.push(match anchor {
            Some(value) => Expectation::Value(key.clone(), value),
            None => Expectation::Absent(key.clone()),
        });
        change.put.extend(last.map(|link| (key, link.mark())));
        Ok(change)
    }
}

fn logged(key: &[u8], bytes: &[u8]) -> Result<Logged, StoreError> {
    Ok(Logged {
        position: position(key)?,
        digest: chain::without_digest(bytes).map(|(_, digest)| digest),
        event: record::decode(key, bytes)?,
    })
}

fn position(key: &[u8]) -> Result<u64, StoreError> {
    let number = key.strip_prefix(keys::AUDIT).unwrap_or_default();
    match number.try_into() {
        Ok(position) => Ok(u64::from_be_bytes(position)),
        Err(_) => Err(StoreError::corrupt(key, "its key is not a number")),
    }
}

/// Parses the digest of an event: 64 hexadecimal digits in lower case.
pub(crate) fn parse_digest(text: &str) -> Option<[u8; 32]> {
    chain::parse(text)
}

/// Returns the event in `value`, as it was [appended](AuditEvent::change).
pub(super) fn stored(value: &[u8], link: &Link) -> Result<Logged, StoreError> {
    Ok(Logged {
        position: link.number,
        digest: Some(link.digest),
        event: record::decode(keys::AUDIT, value)?,
    })
}
