//! How far each consumer of the event log has come, and what it could not deliver.
//!
//! One server works for a consumer at a time. On a shared store it holds a [`Lease`], and each of its writes
//! expects that the lease is unchanged. So a server that was overtaken cannot move a cursor back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::{ClientId, Timestamp};
use crate::store::{
    Backend, Change, Event, EventType, Expectation, LoggedEvent, StoreError, keys, numbered,
    record, unless_lost,
};

/// Maximum length of a stored error, in characters.
const ERROR: usize = 300;

/// How far a consumer has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConsumerState {
    /// Every event up to this position is delivered, parked, or waits below.
    pub(crate) cursor: u64,
    /// Events up to the cursor that wait for another attempt, or for an earlier event of their client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) waiting: Vec<WaitingEvent>,
    /// Why the consumer receives nothing until an operator enables it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) disabled: Option<String>,
    /// When this state was stored. While no server works for the consumer, no event counts as failing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stored_at: Option<Timestamp>,
    /// When the last server noticed that nobody configures the consumer any longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dormant_since: Option<Timestamp>,
}

/// An event that waits for another attempt, or for an earlier event of its client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WaitingEvent {
    /// Its position in the log.
    pub(crate) position: u64,
    /// Its client.
    pub(crate) client_id: ClientId,
    /// The number of failed attempts.
    pub(crate) attempts: u32,
    /// When the first attempt failed; none before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failing_since: Option<Timestamp>,
    /// When the next attempt is due; none: as soon as the earlier events of the client are delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<Timestamp>,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Where the next attempt starts, in the words of the consumer: the script that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resume_at: Option<String>,
    /// Whether the event deletes the client.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_deletion: bool,
}

impl WaitingEvent {
    /// An event whose first attempt is due.
    pub(crate) fn first_attempt(logged: LoggedEvent) -> Self {
        Self {
            position: logged.position,
            client_id: logged.event.client_id,
            attempts: 0,
            failing_since: None,
            due: None,
            error: None,
            resume_at: None,
            is_deletion: logged.event.kind == EventType::Deleted,
        }
    }

    /// Returns the same event after an attempt that failed at `now` because of `error`.
    #[must_use]
    pub(crate) fn after_failure(self, now: Timestamp, error: &str) -> Self {
        Self {
            attempts: self.attempts.saturating_add(1),
            // The clock may have been set back.
            failing_since: Some(self.failing_since.map_or(now, |since| since.min(now))),
            error: Some(error.chars().take(ERROR).collect()),
            ..self
        }
    }
}

/// An event that was given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parked {
    /// Its position in the log.
    pub(crate) position: u64,
    /// The event itself, which the log may no longer have.
    pub(crate) event: Event,
    /// The number of failed attempts.
    pub(crate) attempts: u32,
    /// Why the last attempt failed.
    pub(crate) error: String,
    /// When it was given up.
    #[serde(rename = "parked_at")]
    pub(crate) given_up_at: Timestamp,
}

/// What an operator wants of an event that waits, or of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Try it now.
    Retry,
    /// Never deliver it.
    Skip,
    /// Deliver again to a consumer that was disabled. It concerns no position, and is stored under 0.
    Enable,
}

/// The right of one server to work for a consumer of a shared store: the value that it last wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lease(Option<Vec<u8>>);

/// Everything that one turn of a consumer changes.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// The state afterwards.
    pub(crate) state: ConsumerState,
    /// Events to park.
    pub(crate) parked: Vec<Parked>,
}

/// The consumers of the event log.
#[derive(Clone)]
pub(crate) struct Consumers(Arc<dyn Backend>);

impl Consumers {
    pub(in crate::store) fn new(backend: Arc<dyn Backend>) -> Self {
        Self(backend)
    }

    /// Returns how far a consumer has come; none before its first start.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn state(&self, name: &str) -> Result<Option<ConsumerState>, StoreError> {
        let key = keys::consumer_state(name);
        let found = self.0.get(&key).await?;
        found.map(|bytes| record::decode(&key, &bytes)).transpose()
    }

    /// Stores the first state of a consumer, unless it has one.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn begin(&self, name: &str, state: &ConsumerState) -> Result<(), StoreError> {
        let key = keys::consumer_state(name);
        let change = Change {
            expect: vec![Expectation::Absent(key.clone())],
            put: vec![(key.clone(), record::encode(&key, state)?)],
            ..Change::default()
        };
        unless_lost(self.0.apply(change).await).map(drop)
    }

    /// Stores what a turn has changed, if the lease is still held.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another server works for the consumer now.
    pub(crate) async fn commit(
        &self,
        name: &str,
        lease: &Lease,
        turn: &Turn,
    ) -> Result<(), StoreError> {
        let key = keys::consumer_state(name);
        let mut change = Change {
            put: vec![(key.clone(), record::encode(&key, &turn.state)?)],
            ..Change::default()
        };
        if let Lease(Some(held)) = lease {
            change
                .expect
                .push(Expectation::Value(keys::consumer_lease(name), held.clone()));
        }
        for parked in &turn.parked {
            let key = numbered(&keys::consumer_parked(name), parked.position);
            let bytes = record::encode(&key, parked)?;
            change.put.push((key, bytes));
        }
        self.0.apply(change).await.map(drop)
    }

    /// Changes the state of a consumer that no server works for. Returns whether it was changed: not if `change`
    /// returns none, or if a server works for the consumer meanwhile.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn change_idle(
        &self,
        name: &str,
        change: impl FnOnce(ConsumerState) -> Option<ConsumerState> + Send,
    ) -> Result<bool, StoreError> {
        let (key, lease) = (keys::consumer_state(name), keys::consumer_lease(name));
        let Some(seen) = self.0.get(&key).await? else {
            return Ok(false);
        };
        let Some(next) = change(record::decode(&key, &seen)?) else {
            return Ok(false);
        };
        let change = Change {
            expect: vec![
                Expectation::Value(key.clone(), seen),
                Expectation::Absent(lease),
            ],
            put: vec![(key.clone(), record::encode(&key, &next)?)],
            ..Change::default()
        };
        Ok(unless_lost(self.0.apply(change).await)?.is_some())
    }

    /// Returns at most `limit` parked events of a consumer after a position.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn parked(
        &self,
        name: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        let prefix = keys::consumer_parked(name);
        let Some(first) = after.checked_add(1) else {
            return Ok(Vec::new());
        };
        let range = numbered(&prefix, first)..keys::under(&prefix).end;
        let mut parked = Vec::new();
        for (key, bytes) in self.0.scan(range, limit).await? {
            parked.push(record::decode(&key, &bytes)?);
        }
        Ok(parked)
    }

    /// Returns the number of parked events of a consumer, at most `most`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn count_parked(&self, name: &str, most: usize) -> Result<usize, StoreError> {
        let range = keys::under(&keys::consumer_parked(name));
        Ok(self.0.scan(range, most).await?.len())
    }

    /// Removes a parked event, together with `also`. If it is to be tried again, it is appended to the log for
    /// this consumer alone. Returns whether it was parked.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn unpark(
        &self,
        name: &str,
        position: u64,
        again: bool,
        also: Change,
    ) -> Result<bool, StoreError> {
        let key = numbered(&keys::consumer_parked(name), position);
        let Some(bytes) = self.0.get(&key).await? else {
            return Ok(false);
        };
        let parked: Parked = record::decode(&key, &bytes)?;
        let mut change = Change {
            expect: vec![Expectation::Value(key.clone(), bytes)],
            delete: vec![key],
            ..also
        };
        if again {
            let event = Event {
                consumer: Some(name.to_owned()),
                ..parked.event
            };
            change = change.and(super::appended(&event)?);
        }
        // Another operator may be faster.
        Ok(unless_lost(self.0.apply(change).await)?.is_some())
    }

    /// Stores what an operator wants of the event at `position`, together with `also`. The server that works for
    /// the consumer notices it soon.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn order(
        &self,
        name: &str,
        position: u64,
        order: Order,
        also: Change,
    ) -> Result<(), StoreError> {
        let key = numbered(&keys::consumer_orders(name), position);
        let bytes = record::encode(&key, &order)?;
        let change = Change {
            put: vec![(key, bytes)],
            ..Change::default()
        };
        self.0.apply(change.and(also)).await.map(drop)
    }

    /// Returns the orders for a consumer, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn orders(
        &self,
        name: &str,
        limit: usize,
    ) -> Result<Vec<(u64, Order)>, StoreError> {
        let prefix = keys::consumer_orders(name);
        let mut orders = Vec::new();
        for (key, bytes) in self.0.scan(keys::under(&prefix), limit).await? {
            orders.push((
                super::position(&prefix, &key)?,
                record::decode(&key, &bytes)?,
            ));
        }
        Ok(orders)
    }

    /// Removes an order that was carried out, unless the operator has replaced it by another one meanwhile.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn remove_order(
        &self,
        name: &str,
        position: u64,
        order: Order,
    ) -> Result<(), StoreError> {
        let key = numbered(&keys::consumer_orders(name), position);
        let bytes = record::encode(&key, &order)?;
        let change = Change {
            expect: vec![Expectation::Value(key.clone(), bytes)],
            delete: vec![key],
            ..Change::default()
        };
        unless_lost(self.0.apply(change).await).map(drop)
    }

    /// Returns the value of the lease of a consumer, whoever holds it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn lease(&self, name: &str) -> Result<Lease, StoreError> {
        self.0.get(&keys::consumer_lease(name)).await.map(Lease)
    }

    /// Replaces the lease `seen` with one for `owner`, whose value has never been used before if `beat` grows.
    /// Returns none when another server was faster.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn take_lease(
        &self,
        name: &str,
        seen: &Lease,
        owner: &str,
        beat: u64,
    ) -> Result<Option<Lease>, StoreError> {
        let key = keys::consumer_lease(name);
        let value = record::encode(&key, &(owner, beat))?;
        let change = Change {
            expect: vec![as_seen(&key, seen)],
            put: vec![(key, value.clone())],
            ..Change::default()
        };
        let taken = unless_lost(self.0.apply(change).await)?;
        Ok(taken.map(|_| Lease(Some(value))))
    }

    /// Gives up `held`, so that another server need not wait until it is stale.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn release_lease(&self, name: &str, held: &Lease) -> Result<(), StoreError> {
        let key = keys::consumer_lease(name);
        let change = Change {
            expect: vec![as_seen(&key, held)],
            delete: vec![key],
            ..Change::default()
        };
        unless_lost(self.0.apply(change).await).map(drop)
    }
}

fn as_seen(key: &[u8], seen: &Lease) -> Expectation {
    match &seen.0 {
        Some(value) => Expectation::Value(key.to_vec(), value.clone()),
        None => Expectation::Absent(key.to_vec()),
    }
}
