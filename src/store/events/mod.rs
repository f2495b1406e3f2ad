//! The event log: every change of a client, in the order in which it was stored.
//!
//! An event is a part of the change that it reports: both are stored, or neither. Like the events of the
//! [audit log](super::audit), events are numbered consecutively by the writer of the batch, so no event appears
//! behind a reader that has already passed its position, on one server or on several.
//!
//! An event names its client, and a reader looks up the client itself. The last metadata of a deleted client is
//! kept as long as the event of its deletion.

mod announcing;
pub(crate) mod consumers;
mod event;

use std::sync::Arc;

use tokio::sync::watch;

pub(super) use announcing::announcing;
pub(crate) use consumers::{ConsumerState, Consumers, Lease, Order, Parked, Turn, WaitingEvent};

use event::appended;
pub(super) use event::changed_members;
pub(crate) use event::{
    Along, Cause, DeletedClient, Event, EventType, LoggedEvent, PendingSubject, Reason,
};

use crate::base::{ClientId, Timestamp};
use crate::client::Client;
use crate::store::{
    Backend, Change, Expectation, StoreError, keys, number, numbered, record, unless_lost,
};

/// The event log.
#[derive(Clone)]
pub(crate) struct EventLog {
    backend: Arc<dyn Backend>,
    appended: watch::Receiver<()>,
}

impl EventLog {
    pub(super) fn new(backend: Arc<dyn Backend>, appended: watch::Receiver<()>) -> Self {
        Self { backend, appended }
    }

    /// Signals when this server has appended an event. Other servers on the store append events too.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.appended.clone()
    }

    /// Waits until everything that was read before is durable. A store can show a change before it survives a
    /// power cut. What was sent to another system must not be undone by one.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        if self.backend.is_shared() {
            // A transaction becomes visible when it is durable.
            return Ok(());
        }
        self.backend.apply(Change::default()).await.map(drop)
    }

    /// Returns at most `limit` durable events in order, starting after the position `after`.
    ///
    /// # Errors
    /// When the store cannot be read, or when it accepts no changes.
    pub(crate) async fn page(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LoggedEvent>, StoreError> {
        let last = self.last().await?;
        if after >= last {
            return Ok(Vec::new());
        }
        self.settle().await?;
        let first = numbered(keys::EVENTS, after.saturating_add(1));
        let end = numbered(keys::EVENTS, last.saturating_add(1));
        let pairs = self.backend.scan(first..end, limit).await?;
        let mut events = Vec::with_capacity(pairs.len());
        for (key, bytes) in pairs {
            events.push(LoggedEvent {
                position: position(keys::EVENTS, &key)?,
                event: record::decode(&key, &bytes)?,
            });
        }
        Ok(events)
    }

    /// Returns the event at this position, if it is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn find(&self, position: u64) -> Result<Option<LoggedEvent>, StoreError> {
        let key = numbered(keys::EVENTS, position);
        let Some(bytes) = self.backend.get(&key).await? else {
            return Ok(None);
        };
        let event = record::decode(&key, &bytes)?;
        Ok(Some(LoggedEvent { position, event }))
    }

    /// Returns the position of the last event; 0 when there was none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn last(&self) -> Result<u64, StoreError> {
        let last = number(
            keys::EVENTS,
            self.backend.get(keys::EVENTS).await?.as_deref(),
        )?;
        Ok(last.unsigned_abs())
    }

    /// Returns the position of the first event that is kept; the position after the last one if none is.
    ///
    /// # Errors
    /// When the store cannot be read.
    #[cfg(test)]
    pub(crate) async fn first(&self) -> Result<u64, StoreError> {
        let last = self.last().await?;
        let kept = self.page(0, 1).await?;
        Ok(kept
            .first()
            .map_or(last.saturating_add(1), |logged| logged.position))
    }

    /// Returns the last metadata of a client that was deleted, as long as the event of its deletion is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn deleted(&self, id: &ClientId) -> Result<Option<DeletedClient>, StoreError> {
        let key = keys::deleted_client(id);
        let found = self.backend.get(&key).await?;
        found.map(|bytes| record::decode(&key, &bytes)).transpose()
    }

    /// Appends one event for each of `clients`, which only `consumer` receives, together with `also`.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn replay(
        &self,
        clients: &[Client],
        consumer: &str,
        cause: &Cause,
        also: Change,
    ) -> Result<(), StoreError> {
        let mut change = also;
        for client in clients {
            let event = Event {
                reason: Reason::Replay,
                consumer: Some(consumer.to_owned()),
                ..cause.event(EventType::Created, client)?
            };
            change = change.and(appended(&event)?);
        }
        self.backend.apply(change).await.map(drop)
    }

    /// Removes at most `limit` events from the beginning: those before the position `kept_from`, and those
    /// before `since` that are not after the position `free_to`. Returns how many: less than `limit` when there is
    /// nothing more to do.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn trim(&self, bounds: Trim, limit: usize) -> Result<usize, StoreError> {
        let mut change = Change::default();
        for logged in self.page(0, limit).await? {
            let is_free = logged.position <= bounds.free_to;
            let is_old = logged.event.at < bounds.since || logged.position < bounds.wanted_from;
            if logged.position >= bounds.kept_from && !(is_free && is_old) {
                break;
            }
            change.delete.push(numbered(keys::EVENTS, logged.position));
            if logged.event.kind == EventType::Deleted {
                self.forget_deleted(&logged.event, &mut change).await?;
            }
        }
        let removed = change.delete.len();
        if removed == 0 {
            return Ok(0);
        }
        let made = unless_lost(self.backend.apply(change).await)?;
        // If a client was deleted a second time in the meantime, the next sweep goes on.
        Ok(made.map_or(0, |_| removed))
    }

    /// Adds the removal of the metadata of a client to `change`, unless a later deletion has replaced it.
    async fn forget_deleted(&self, event: &Event, change: &mut Change) -> Result<(), StoreError> {
        let key = keys::deleted_client(&event.client_id);
        let Some(bytes) = self.backend.get(&key).await? else {
            return Ok(());
        };
        let deleted: DeletedClient = record::decode(&key, &bytes)?;
        if deleted.event == event.id {
            change.expect.push(Expectation::Value(key.clone(), bytes));
            change.delete.push(key);
        }
        Ok(())
    }
}

/// Which events are removed from the beginning of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trim {
    /// Events before this position are removed, whoever still needs them.
    pub(crate) kept_from: u64,
    /// Events before this position are removed if every consumer has received them.
    pub(crate) wanted_from: u64,
    /// Events before this moment are removed if every consumer has received them.
    pub(crate) since: Timestamp,
    /// The position that every consumer has received.
    pub(crate) free_to: u64,
}

/// Returns the position in the key of a value of `sequence`.
fn position(sequence: &[u8], key: &[u8]) -> Result<u64, StoreError> {
    let bytes = key
        .strip_prefix(sequence)
        .and_then(|number| number.try_into().ok());
    let bytes = bytes.ok_or_else(|| StoreError::corrupt(key, "its key is not a number"))?;
    Ok(u64::from_be_bytes(bytes))
}
