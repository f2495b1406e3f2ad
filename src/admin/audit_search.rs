//! Finds events in the audit log, in either direction.

use serde::Deserialize;
use serde_json::Value;

use crate::service::Service;
use crate::store::{Action, Logged, StoreError};

/// The maximum number of events that one search looks at, so that a rare one does not make it read the whole log.
const MOST_READ: u64 = 20_000;
/// How many events are read at a time.
const CHUNK: u64 = 1_000;

/// The order of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuditOrder {
    /// From the first position after this one on.
    OldestFirst {
        /// The position.
        after: u64,
    },
    /// From the last position before this one back; `None`: from the last event.
    NewestFirst {
        /// The position.
        before: Option<u64>,
    },
}

/// Which events are meant. Each must meet all conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AuditFilter {
    pub(super) action: Option<Action>,
    pub(super) subject: Option<String>,
    pub(super) actor: Option<String>,
    /// Whether it was refused.
    pub(super) is_refused: Option<bool>,
}

impl AuditFilter {
    fn matches(&self, logged: &Logged) -> bool {
        let event = &logged.event;
        self.action.is_none_or(|action| action == event.action)
            && self.subject.as_ref().is_none_or(|it| *it == event.subject)
            && (self.actor.is_none() || self.actor == event.actor)
            && self.is_refused.is_none_or(|it| it == event.error.is_some())
    }
}

/// Reads an action as it is written.
pub(super) fn action(text: &str) -> Option<Action> {
    Action::deserialize(Value::from(text)).ok()
}

/// Events that were found.
pub(super) struct FoundEvents {
    pub(super) events: Vec<Logged>,
    /// The position from which the search continues in the same order, if there are more events.
    pub(super) next: Option<u64>,
}

/// Finds at most `limit` events. The page can be short even if more events follow.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn search(
    service: &Service,
    filter: &AuditFilter,
    order: AuditOrder,
    limit: usize,
) -> Result<FoundEvents, StoreError> {
    let last = service.store.audit.last().await?;
    match order {
        AuditOrder::OldestFirst { after } => forwards(service, filter, (after, last), limit).await,
        AuditOrder::NewestFirst { before } => {
            let end = before.map_or(last, |before| before.saturating_sub(1).min(last));
            backwards(service, filter, end, limit).await
        }
    }
}

async fn forwards(
    service: &Service,
    filter: &AuditFilter,
    (mut after, last): (u64, u64),
    limit: usize,
) -> Result<FoundEvents, StoreError> {
    let mut events = Vec::new();
    let mut left = MOST_READ;
    while left > 0 {
        let chunk = service.store.audit.page(after, to_usize(CHUNK)).await?;
        let Some(end) = chunk.last().map(|event| event.position) else {
            return Ok(FoundEvents { events, next: None });
        };
        for event in chunk {
            if !filter.matches(&event) {
                continue;
            }
            let position = event.position;
            events.push(event);
            if events.len() == limit {
                let next = Some(position).filter(|position| *position < last);
                return Ok(FoundEvents { events, next });
            }
        }
        after = end;
        left = left.saturating_sub(CHUNK);
    }
    let next = Some(after).filter(|after| *after < last);
    Ok(FoundEvents { events, next })
}

/// Reads backwards: positions have no gap, so the events before a position are in a range of known length.
async fn backwards(
    service: &Service,
    filter: &AuditFilter,
    mut end: u64,
    limit: usize,
) -> Result<FoundEvents, StoreError> {
    let mut events = Vec::new();
    let mut left = MOST_READ;
    while left > 0 && end > 0 {
        let start = end.saturating_sub(CHUNK);
        let chunk = between(service, start, end).await?;
        if chunk.is_empty() {
            return Ok(FoundEvents { events, next: None });
        }
        for event in chunk.into_iter().rev() {
            if !filter.matches(&event) {
                continue;
            }
            let position = event.position;
            events.push(event);
            if events.len() == limit {
                let next = Some(position).filter(|position| *position > 1);
                return Ok(FoundEvents { events, next });
            }
        }
        end = start;
        left = left.saturating_sub(CHUNK);
    }
    let next = Some(end.saturating_add(1)).filter(|_| end > 0);
    Ok(FoundEvents { events, next })
}

/// Returns the events after `start` up to `end`.
async fn between(service: &Service, start: u64, end: u64) -> Result<Vec<Logged>, StoreError> {
    let most = to_usize(end.saturating_sub(start));
    let mut chunk = service.store.audit.page(start, most).await?;
    // If older events are no longer kept, the page begins behind them.
    chunk.retain(|event| event.position <= end);
    Ok(chunk)
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
