//! The background tasks of a server, and how it starts and stops: signals, the sweep, and a shutdown that
//! lets open work finish.

mod sweep;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use self::sweep::{remove_unused, sweep, sweep_once};
use super::systemd::{self, ServerState};
use crate::service::Service;
use crate::telemetry::meter;

/// The interval at which the uses of clients are written.
const WRITE_USES: Duration = Duration::from_secs(30);

/// Writes the uses of clients at regular intervals until `stop` is cancelled, and then a last time.
pub async fn write_uses(service: Arc<Service>, stop: CancellationToken) {
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
pub async fn add_up_metrics(stop: CancellationToken) {
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
pub async fn look_upstream(service: Arc<Service>, stop: CancellationToken) {
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
