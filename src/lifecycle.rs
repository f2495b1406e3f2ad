//! How a server begins and ends: signals, the sweep, and a stop that lets open work finish.

mod sweep;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use self::sweep::{remove_unused, sweep, sweep_once};
use crate::service::Service;
use crate::systemd::{self, State};
use crate::telemetry::meter;

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
