//! The background tasks of a server: signals, the writing of uses and metrics, the check of the upstream
//! server, and the sweep, which deletes what has expired.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::base::Timestamp;
use crate::client::Client;
use crate::events;
use crate::registration::{overdue, upstream::reconcile};
use crate::resolution;
use crate::server::{systemd, systemd::ServerState};
use crate::service::{Due, Service};
use crate::store::{
    Action, Along, Author, Reason, Store, clients::expiry::Expired, clients::unused::Unused,
};
use crate::telemetry::meter;

/// The interval at which the uses of clients are written.
const WRITE_USES: Duration = Duration::from_secs(30);

/// Writes the uses of clients at regular intervals until `stop` is cancelled, and then a last time.
pub(crate) async fn write_uses(service: Arc<Service>, stop: CancellationToken) {
    loop {
        let is_last = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(WRITE_USES) => false,
        };
        match service.store.uses.write().await {
            Ok(0) => {}
            Ok(written) => tracing::debug!(written, "client uses written"),
            Err(error) => tracing::error!(%error, "cannot write client uses"),
        }
        if is_last {
            return;
        }
    }
}

/// The interval at which the measurements are added up.
const ADD_UP: Duration = Duration::from_secs(5);

/// Adds up the measurements until `stop` is cancelled.
pub(crate) async fn add_up_metrics(stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ADD_UP) => meter::add_up(),
        }
    }
}

/// The interval at which the upstream metadata is checked. Fresh metadata is not fetched.
const LOOK_UPSTREAM: Duration = Duration::from_mins(1);

/// Keeps the upstream metadata available until `stop` is cancelled, so that it can still be used when the
/// upstream server goes down, and `/readyz` reports when it is missing.
pub(crate) async fn look_upstream(service: Arc<Service>, stop: CancellationToken) {
    let Some(upstream) = &service.upstream else {
        return;
    };
    let look = async {
        loop {
            // A failure is in the log, and `/readyz` reports it.
            drop(upstream.metadata().await);
            tokio::time::sleep(LOOK_UPSTREAM).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => (),
        () = look => (),
    }
}

/// Stops the server on SIGTERM or SIGINT, and reloads it on SIGHUP. The service manager is notified.
///
/// # Errors
/// When the signal handlers cannot be installed.
#[cfg(unix)]
pub(crate) fn signals(
    stop: CancellationToken,
    reload: mpsc::Sender<()>,
) -> std::io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return systemd::tell(ServerState::Stopping),
                _ = terminate.recv() => stop.cancel(),
                _ = interrupt.recv() => stop.cancel(),
                // A reload that is already requested will include this change.
                _ = hangup.recv() => drop(reload.try_send(())),
            }
        }
    })
}

/// Stops the server on Ctrl-C.
///
/// # Errors
/// Never on this platform.
#[cfg(not(unix))]
pub(crate) fn signals(
    stop: CancellationToken,
    _reload: mpsc::Sender<()>,
) -> std::io::Result<impl Future<Output = ()> + Send> {
    Ok(async move {
        tokio::select! {
            () = stop.cancelled() => (),
            _ = tokio::signal::ctrl_c() => stop.cancel(),
        }
    })
}

/// The maximum number of records that one sweep deletes at a time, so that it never blocks the store for
/// long.
const SWEPT_AT_ONCE: usize = 500;
/// Clients that expired while no server was observing the time are deleted at this rate: one in this many of
/// all clients in an hour.
const SHARE: u64 = 10;
/// The minimum number of such clients that one sweep deletes.
const LEAST_SHARE: usize = 10;
/// Seconds of an hour.
const HOUR: u64 = 3_600;

/// How often calls of the upstream server are continued that were not finished.
const CONTINUE_UPSTREAM: Duration = Duration::from_secs(5);

/// Continues the calls of the upstream server that were not finished, until `stop` is cancelled. Then it waits for those that
/// requests have begun until they `ended`.
pub(crate) async fn continue_upstream(
    service: Arc<Service>,
    stop: CancellationToken,
    ended: CancellationToken,
) {
    let Some(registrar) = &service.upstream_registrar else {
        return;
    };
    let continued = async {
        loop {
            reconcile::continue_due(&service).await;
            tokio::time::sleep(CONTINUE_UPSTREAM).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => (),
        () = continued => (),
    }
    ended.cancelled().await;
    let patience = Duration::from_millis(service.settings.limits.shutdown_ms);
    if tokio::time::timeout(patience, registrar.ended())
        .await
        .is_err()
    {
        tracing::warn!(
            "calls of the upstream server were interrupted; the next start continues them"
        );
    }
}

/// Deletes what has expired, some at a time, until `stop` is cancelled. That also ends a running sweep,
/// because deleting everything may take longer than a shutdown allows.
pub(crate) async fn sweep(service: Arc<Service>, stop: CancellationToken) {
    let pause = Duration::from_secs(service.settings.store.sweep_seconds);
    let sweeps = async {
        loop {
            tokio::time::sleep(pause).await;
            sweep_once(&service).await;
        }
    };
    // A sweep can be aborted at any await. Each deletion is one atomic change of the store, whoever waits for
    // it. Uses that were being written stay noted, and are written at the end. The next start sweeps what was
    // not deleted.
    tokio::select! {
        () = stop.cancelled() => (),
        () = sweeps => (),
    }
}

/// Returns the moment at which a client must have expired so that it is deleted at `until`.
fn end_of_grace(service: &Service, until: Timestamp) -> Timestamp {
    let grace = service.snapshot().live.registration.client_expiry_grace;
    Timestamp::from_unix(until.unix().saturating_sub(grace))
}

/// Deletes every client whose grace period is over, every other expired record, and the oldest events of an
/// audit log that exceeds its limit. What expired while no server was observing the time is held.
pub(crate) async fn sweep_once(service: &Service) {
    let (store, most) = (&service.store, service.settings.store.audit_events);
    if let Some(due) = look(service).await {
        let before = end_of_grace(service, due.until);
        let mut share = share(service, due).await;
        let expired = remove_expired(store, before, &mut share).await;
        let unused = remove_unused_at(service, due.until, &mut share).await;
        meter::clients_expired(expired.saturating_add(unused));
        if share > 0 {
            service.steady.caught_up();
        }
        remove_superfluous_documents(service).await;
        end_overdue_requests(service, due.until).await;
        until_none("expired records", || store.sweep(due.until, SWEPT_AT_ONCE)).await;
    }
    until_none("old audit events", || store.audit.trim(most, SWEPT_AT_ONCE)).await;
    let recorded = service.snapshot().live.registration.recorded_requests;
    until_none("old recorded requests", || store.recorded.trim(recorded)).await;
    trim_events(service).await;
}

/// Ends the registrations and updates about which nobody decided in time, and counts what waits still.
async fn end_overdue_requests(service: &Service, until: Timestamp) {
    if let Err(error) = overdue::end(service, until).await {
        tracing::error!(%error, "cannot end registrations that waited for approval");
    }
    count_waiting(service).await;
}

/// Deletes the clients of documents beyond `limits.documents`.
async fn remove_superfluous_documents(service: &Service) {
    if let Err(error) = resolution::bound::remove_superfluous(service).await {
        tracing::error!(%error, "cannot delete superfluous clients of documents");
    }
}

/// Counts in the metrics what waits for an administrator.
async fn count_waiting(service: &Service) {
    match service.store.waiting.counts(service.clock.now()).await {
        Ok(counts) => {
            for (kind, count) in counts {
                meter::pending(kind.as_str(), count);
            }
        }
        Err(error) => tracing::error!(%error, "cannot count what waits for approval"),
    }
}

/// Deletes the oldest events of an event log that exceeds its limits.
async fn trim_events(service: &Service) {
    match events::trim_bounds(service).await {
        Ok(bounds) => {
            let trim = || service.store.events.trim(bounds, SWEPT_AT_ONCE);
            until_none("old events", trim).await;
        }
        Err(error) => tracing::error!(%error, "cannot delete old events"),
    }
}

/// Returns the limit of this sweep, and logs when a clock jump holds it back or ends. Returns none if the
/// store cannot be read or written.
async fn look(service: &Service) -> Option<Due> {
    let patience = service.settings.store.clock_jump_hold_seconds;
    let before = service.steady.jump();
    let steady = &service.steady;
    let looked = steady.look(&service.store, &*service.clock, patience).await;
    let due = match looked {
        Ok(due) => due,
        Err(error) => {
            tracing::error!(%error, "sweep failed: nothing was deleted");
            return None;
        }
    };
    meter::sweep_held(due.jump.map_or(0, |jump| jump.ahead));
    match (before, due.jump) {
        (None, Some(jump)) => tracing::error!("clock jump: {jump}"),
        (Some(_), None) => tracing::warn!("clock jump over: expired records are deleted again"),
        _ => {}
    }
    Some(due)
}

/// Returns how many clients this sweep may delete. Of those that expired while no server was observing the
/// time, it is a tenth of all clients in an hour, but at least a few.
async fn share(service: &Service, due: Due) -> usize {
    if !due.is_sparing {
        return usize::MAX;
    }
    let all = service.store.clients.count_all().await.unwrap_or_default();
    let seconds = service.settings.store.sweep_seconds;
    let share = all.saturating_mul(seconds) / (SHARE * HOUR);
    usize::try_from(share)
        .unwrap_or(usize::MAX)
        .max(LEAST_SHARE)
}

/// Deletes at most `share` clients that expired at `before` or earlier. Returns their number, and subtracts
/// it from the share.
async fn remove_expired(store: &Store, before: Timestamp, share: &mut usize) -> usize {
    let mut expired = Expired::at(before);
    while !expired.is_over() && expired.removed() < *share {
        let most = SWEPT_AT_ONCE.min(share.saturating_sub(expired.removed()));
        if let Err(error) = store.clients.sweep_expired(&mut expired, most).await {
            tracing::error!(%error, "cannot delete expired clients");
            break;
        }
        give_way().await;
    }
    spend(share, expired.removed(), "expired clients")
}

/// Yields to other tasks, the shutdown among them: a page of clients that all stay is read without ever
/// waiting for anything.
async fn give_way() {
    tokio::task::yield_now().await;
}

/// Deletes every client that was not used for the time in the live configuration. Returns the number of
/// deleted clients.
pub(crate) async fn remove_unused(service: &Service) -> usize {
    match look(service).await {
        Some(due) => remove_unused_at(service, due.until, &mut share(service, due).await).await,
        None => 0,
    }
}

/// Returns which clients are unused at `now`.
fn unused_at(service: &Service, now: Timestamp) -> Unused {
    let snapshot = service.snapshot();
    let registration = &snapshot.live.registration;
    // Uses that another server noted may not be written yet.
    let late = if service.store.is_shared() {
        2 * WRITE_USES.as_secs()
    } else {
        0
    };
    let before = |lifetime: Option<u64>| {
        let ago = lifetime?.saturating_add(late);
        Some(Timestamp::from_unix(now.unix().checked_sub(ago)?))
    };
    Unused {
        never_since: before(registration.unused_client_lifetime),
        idle_since: before(registration.inactive_client_lifetime),
    }
}

/// Deletes the clients that are unused at `now`, at most `share` of them, and subtracts their number from the
/// share.
async fn remove_unused_at(service: &Service, now: Timestamp, share: &mut usize) -> usize {
    let store = &service.store;
    let unused = unused_at(service, now);
    if unused == Unused::default() {
        return 0;
    }
    if !uses_are_current(store).await {
        return 0;
    }
    let mut sweep = unused.sweep();
    while !sweep.is_over() && sweep.removed() < *share {
        let most = SWEPT_AT_ONCE.min(share.saturating_sub(sweep.removed()));
        let swept = store
            .uses
            .sweep_unused(&mut sweep, most, |client| Ok(removal(client, now)));
        if let Err(error) = swept.await {
            tracing::error!(%error, "cannot delete unused clients");
            break;
        }
        give_way().await;
    }
    spend(share, sweep.removed(), "unused clients")
}

/// Writes the latest uses of clients, as must happen before unused clients are deleted. Returns whether that
/// succeeded.
async fn uses_are_current(store: &Store) -> bool {
    if let Err(error) = store.uses.write().await {
        tracing::error!(%error, "cannot write client uses; unused clients are not deleted");
        return false;
    }
    if let Err(error) = store.uses.enter_all(SWEPT_AT_ONCE).await {
        tracing::error!(%error, "cannot index the uses of clients from an older store");
    }
    true
}

/// Subtracts the number of deleted clients from the share, and returns it.
fn spend(share: &mut usize, removed: usize, what: &str) -> usize {
    *share = share.saturating_sub(removed);
    if removed > 0 {
        tracing::info!(removed, "{what} deleted");
    }
    removed
}

/// Returns what is stored with a deletion by the server itself.
fn removal(client: &Client, now: Timestamp) -> Along {
    let (reason, text) = if client.last_used_at.is_some() {
        (Reason::Inactive, "inactive")
    } else {
        (Reason::Unused, "unused")
    };
    let event = Author::default().did(Action::ClientDeleted, client.id.as_str(), now);
    Along::audited(&event.with("reason", text), reason)
}

/// Repeats `sweep` until it finds nothing more. Returns how many records it deleted.
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
                tracing::error!(%error, "cannot delete {what}");
                break;
            }
        }
    }
    if removed > 0 {
        tracing::info!(removed, "{what} deleted");
    }
    removed
}
