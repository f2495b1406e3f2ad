//! How a server begins and ends: signals, the sweep, and a stop that lets open work finish.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::clock::Timestamp;
use crate::service::Service;
use crate::store::audit::{Action, Author};
use crate::store::expired::Expired;
use crate::store::unused::Unused;
use crate::store::{Change, Store, StoreError};
use crate::systemd::{self, State};
use crate::telemetry::meter;

/// Records that one sweep removes at a time, so that it never holds up the store for long.
const SWEPT_AT_ONCE: usize = 500;

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
/// events of an audit log that is too long.
async fn sweep_once(service: &Service) {
    let (store, now) = (&service.store, service.clock.now());
    let grace = service.snapshot().live.registration.client_expiry_grace;
    let before = Timestamp::from_unix(now.unix().saturating_sub(grace));
    let most = service.settings.store.audit_events;
    let expired = remove_expired(store, before).await;
    let unused = remove_unused(service).await;
    meter::clients_expired(expired.saturating_add(unused));
    until_none("records that have ended", || store.sweep(now, SWEPT_AT_ONCE)).await;
    until_none("old audit events", || store.audit.trim(most, SWEPT_AT_ONCE)).await;
}

/// Removes every client that expired at `before` or earlier, and says how many.
async fn remove_expired(store: &Store, before: Timestamp) -> usize {
    let mut expired = Expired::at(before);
    while !expired.is_over() {
        if let Err(error) = store.clients.sweep_expired(&mut expired, SWEPT_AT_ONCE).await {
            tracing::error!(%error, "expired clients were not removed");
            break;
        }
        give_way().await;
    }
    let removed = expired.removed();
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
    let (store, now) = (&service.store, service.clock.now());
    let snapshot = service.snapshot();
    let registration = &snapshot.live.registration;
    // What another server saw may not be written yet.
    let late = if store.is_shared() { 2 * WRITE_USES.as_secs() } else { 0 };
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
    while !sweep.is_over() {
        let swept = store.uses.sweep_unused(&mut sweep, SWEPT_AT_ONCE, |client| removal(client, now));
        if let Err(error) = swept.await {
            tracing::error!(%error, "clients that nobody used were not removed");
            break;
        }
        give_way().await;
    }
    let removed = sweep.removed();
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

/// Between two times that the uses of clients are written.
const WRITE_USES: Duration = Duration::from_secs(30);

/// Writes when clients were used, now and then and at the end, until `stop`.
pub async fn write_uses(service: Arc<Service>, stop: CancellationToken) {
    loop {
        let is_last = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(WRITE_USES) => false,
        };
        match service.store.uses.write().await {
            Ok(0) => {}
            Ok(written) => tracing::debug!(written, "uses of clients written"),
            Err(error) => tracing::error!(%error, "uses of clients were not written"),
        }
        if is_last {
            return;
        }
    }
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

/// Between two times that what was measured is added up.
const ADD_UP: Duration = Duration::from_secs(5);

/// Adds up what was measured, until `stop`.
pub async fn add_up_metrics(stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ADD_UP) => meter::add_up(),
        }
    }
}

/// Between two looks at the metadata of the server beside this one. What is fresh is not fetched.
const LOOK_UPSTREAM: Duration = Duration::from_mins(1);

/// Keeps the metadata of the server beside this one at hand until `stop`, so that there is
/// something to go on with when that server goes down, and `/readyz` says so when there is not.
pub async fn look_upstream(service: Arc<Service>, stop: CancellationToken) {
    let Some(upstream) = &service.upstream else { return };
    let look = async {
        loop {
            // What went wrong is in the log, and `/readyz` says it.
            drop(upstream.metadata().await);
            tokio::time::sleep(LOOK_UPSTREAM).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => (),
        () = look => (),
    }
}

/// Stops the server on SIGTERM or SIGINT, and asks for a reload on SIGHUP; the service manager
/// hears of it.
///
/// # Errors
/// When the system does not let the process hear its signals.
#[cfg(unix)]
pub fn signals(
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
                () = stop.cancelled() => return systemd::tell(State::Stopping),
                _ = terminate.recv() => stop.cancel(),
                _ = interrupt.recv() => stop.cancel(),
                // A reload that is asked for already will see this change too.
                _ = hangup.recv() => drop(reload.try_send(())),
            }
        }
    })
}

/// Stops the server on Ctrl-C.
///
/// # Errors
/// Never here.
#[cfg(not(unix))]
pub fn signals(
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
