//! Removes what has ended, now and then.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::clock::Timestamp;
use crate::service::{Due, Service};
use crate::store::audit::{Action, Author};
use crate::store::expired::Expired;
use crate::store::unused::Unused;
use crate::store::{Change, Store, StoreError};
use crate::telemetry::meter;

/// Records that one sweep removes at a time, so that it never holds up the store for long.
const SWEPT_AT_ONCE: usize = 500;
/// Of the clients that ended in a time that nobody saw, one in so many of all clients goes in an hour.
const SHARE: u64 = 10;
/// Of those, so many go in a sweep in any case.
const LEAST_SHARE: usize = 10;
/// Seconds of an hour.
const HOUR: u64 = 3_600;

/// Removes what has ended, some at a time, until `stop`, which ends a sweep that is under way too: there
/// may be more to remove than a server that stops has time for.
pub async fn sweep(service: Arc<Service>, stop: CancellationToken) {
    let pause = Duration::from_secs(service.settings.store.sweep_seconds);
    let sweeps = async {
        loop {
            tokio::time::sleep(pause).await;
            sweep_once(&service).await;
        }
    };
    // It can be left wherever it waits: each removal is one change of the store, which is made as a
    // whole or not at all whoever waits for it; uses that were being written stay noted, and are
    // written at the end; what was not removed is met by the sweep of the next start.
    tokio::select! {
        () = stop.cancelled() => (),
        () = sweeps => (),
    }
}

/// Removes every client whose grace is over, every other record that has ended, and the oldest
/// events of an audit log that is too long. What ended in a time that nobody saw [waits](Due).
pub async fn sweep_once(service: &Service) {
    let (store, most) = (&service.store, service.settings.store.audit_events);
    if let Some(due) = look(service).await {
        let grace = service.snapshot().live.registration.client_expiry_grace;
        let before = Timestamp::from_unix(due.until.unix().saturating_sub(grace));
        let mut share = share(service, due).await;
        let expired = remove_expired(store, before, &mut share).await;
        let unused = remove_unused_at(service, due.until, &mut share).await;
        meter::clients_expired(expired.saturating_add(unused));
        if share > 0 {
            service.steady.caught_up();
        }
        until_none("records that have ended", || store.sweep(due.until, SWEPT_AT_ONCE)).await;
    }
    until_none("old audit events", || store.audit.trim(most, SWEPT_AT_ONCE)).await;
}

/// How far this sweep may go, which is told when that is not to the present; none when the store does not
/// say what time it was.
async fn look(service: &Service) -> Option<Due> {
    let patience = service.settings.store.clock_jump_hold_seconds;
    let before = service.steady.jump();
    let due = service.steady.look(&service.store, &*service.clock, patience).await;
    let due = due.inspect_err(|error| tracing::error!(%error, "nothing that has ended was removed")).ok()?;
    meter::sweep_held(due.jump.map_or(0, |jump| jump.ahead));
    match (before, due.jump) {
        (None, Some(jump)) => tracing::error!("clock jump: {jump}"),
        (Some(_), None) => tracing::warn!("clock jump over: what has ended is removed again"),
        _ => {}
    }
    Some(due)
}

/// How many clients this sweep may remove: of those that ended in a time that nobody saw a tenth of all
/// in an hour, and some in any case.
async fn share(service: &Service, due: Due) -> usize {
    if !due.is_sparing {
        return usize::MAX;
    }
    let all = service.store.clients.count_all().await.unwrap_or_default();
    let seconds = service.settings.store.sweep_seconds;
    let share = all.saturating_mul(seconds) / (SHARE * HOUR);
    usize::try_from(share).unwrap_or(usize::MAX).max(LEAST_SHARE)
}

/// Removes clients that expired at `before` or earlier, `share` at most, and says how many; they are
/// taken off the share.
async fn remove_expired(store: &Store, before: Timestamp, share: &mut usize) -> usize {
    let mut expired = Expired::at(before);
    while !expired.is_over() && expired.removed() < *share {
        let most = SWEPT_AT_ONCE.min(share.saturating_sub(expired.removed()));
        if let Err(error) = store.clients.sweep_expired(&mut expired, most).await {
            tracing::error!(%error, "expired clients were not removed");
            break;
        }
        give_way().await;
    }
    let removed = expired.removed();
    *share = share.saturating_sub(removed);
    if removed > 0 {
        tracing::info!(removed, "expired clients removed");
    }
    removed
}

/// Lets others have their turn, the stop among them: a page of clients that all stay is read, and
/// reading does not always wait for anything.
async fn give_way() {
    tokio::task::yield_now().await;
}

/// Removes every client that was not used for as long as the live configuration says, and says how
/// many.
pub async fn remove_unused(service: &Service) -> usize {
    match look(service).await {
        Some(due) => remove_unused_at(service, due.until, &mut share(service, due).await).await,
        None => 0,
    }
}

/// The same at `now`, `share` at most; they are taken off the share.
async fn remove_unused_at(service: &Service, now: Timestamp, share: &mut usize) -> usize {
    let store = &service.store;
    let snapshot = service.snapshot();
    let registration = &snapshot.live.registration;
    // What another server saw may not be written yet.
    let late = if store.is_shared() { 2 * super::WRITE_USES.as_secs() } else { 0 };
    let before = |lifetime: Option<u64>| {
        let ago = lifetime?.saturating_add(late);
        Some(Timestamp::from_unix(now.unix().checked_sub(ago)?))
    };
    let unused = Unused {
        never_since: before(registration.unused_client_lifetime),
        idle_since: before(registration.inactive_client_lifetime),
    };
    if unused == Unused::default() {
        return 0;
    }
    // Who was used a moment ago is not unused.
    if let Err(error) = store.uses.write().await {
        tracing::error!(%error, "uses of clients were not written, so unused clients were not removed");
        return 0;
    }
    if let Err(error) = store.uses.enter_all(SWEPT_AT_ONCE).await {
        tracing::error!(%error, "clients of an older store were not entered in the index of uses");
    }
    let mut sweep = unused.sweep();
    while !sweep.is_over() && sweep.removed() < *share {
        let most = SWEPT_AT_ONCE.min(share.saturating_sub(sweep.removed()));
        let swept = store.uses.sweep_unused(&mut sweep, most, |client| removal(client, now));
        if let Err(error) = swept.await {
            tracing::error!(%error, "clients that nobody used were not removed");
            break;
        }
        give_way().await;
    }
    let removed = sweep.removed();
    *share = share.saturating_sub(removed);
    if removed > 0 {
        tracing::info!(removed, "clients that nobody used removed");
    }
    removed
}

/// That the registrar itself removed `client`.
fn removal(client: &Client, now: Timestamp) -> Result<Change, StoreError> {
    let reason = if client.last_used_at.is_some() { "inactive" } else { "unused" };
    let event = Author::default().did(Action::ClientDeleted, client.id.as_str(), now);
    event.with("reason", reason).change()
}

/// Repeats `sweep` until it finds nothing any more, and says how many it removed.
async fn until_none<E: fmt::Display, S>(what: &str, mut sweep: impl FnMut() -> S) -> usize
where
    S: Future<Output = Result<usize, E>>,
{
    let mut removed = 0;
    loop {
        match sweep().await {
            Ok(0) => break,
            Ok(count) => removed += count,
            Err(error) => {
                tracing::error!(%error, "{what} were not removed");
                break;
            }
        }
    }
    if removed > 0 {
        tracing::info!(removed, "{what} removed");
    }
    removed
}
