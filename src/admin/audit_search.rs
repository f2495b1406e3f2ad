//! Finds events in the audit log, in either direction.

use crate::service::Service;
use crate::store::{AuditFilter, Logged, StoreError};

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
    let log = &service.store.audit;
    match order {
        AuditOrder::OldestFirst { after } => {
            let (events, next) = log.find(after, limit, filter).await?;
            Ok(FoundEvents { events, next })
        }
        AuditOrder::NewestFirst { before } => {
            let last = log.last().await?;
            let end = before.map_or(last, |before| before.saturating_sub(1).min(last));
            backwards(service, filter, end, limit).await
        }
    }
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
            if !filter.admits(&event.event) {
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
