//! The connection loop: accepts, limits, and drains connections.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::{
    Connection, Patience, Proxies, Room, Site, Untaken, connection, connection::Visit, peer,
    tls::Tls,
};
use crate::telemetry::OpenCount;

/// The pause after a failed accept, and between two searches for a connection that can give way.
const PAUSE: Duration = Duration::from_millis(10);

/// The time for a dismissed connection to close.
const GONE: Duration = Duration::from_millis(1);

/// The limits for the connections of one listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionBounds {
    /// The maximum number of concurrent connections. For one more, the connection that has been idle longest
    /// gives way.
    pub(crate) connections: usize,
    /// The maximum number of concurrent connections of one party, by the same rule. A proxy has no such
    /// limit.
    pub(crate) connections_per_party: usize,
    /// The time limit for a handshake and for the head of a request, and the maximum idle time of a
    /// connection.
    pub(crate) header_timeout: Duration,
    /// The time in which the body of a request must arrive.
    pub(crate) body_timeout: Duration,
    /// The time in which the peer must read what it is sent.
    pub(crate) write_timeout: Duration,
    /// The time for open requests to finish once `stop` is cancelled.
    pub(crate) shutdown: Duration,
}

impl ConnectionBounds {
    /// Returns how long a connection may be inactive. An answer that was not read in time is reset. If that
    /// does not help, the connection is closed.
    pub(super) const fn patience(&self) -> Patience {
        let open = self.body_timeout.saturating_add(self.write_timeout);
        Patience {
            head: self.header_timeout,
            open,
            answer: self.write_timeout.saturating_mul(2),
        }
    }
}

/// How one listener accepts connections.
#[derive(Clone)]
pub(crate) struct Entrance {
    /// The limits for connections.
    pub(crate) bounds: ConnectionBounds,
    /// TLS, or plain HTTP.
    pub(crate) tls: Arc<Tls>,
    /// The trusted proxies.
    pub(crate) proxies: Proxies,
    /// The unread answers of all listeners.
    pub(crate) untaken: Arc<Untaken>,
}

/// Serves `site` on `listener` until `stop` is cancelled, then lets open requests finish.
pub(crate) async fn serve(
    listener: TcpListener,
    site: Site,
    entrance: Entrance,
    stop: CancellationToken,
) {
    let (tasks, cut) = (TaskTracker::new(), CancellationToken::new());
    let shutdown = entrance.bounds.shutdown;
    let (door, site) = (Arc::new(Door::new(entrance)), Arc::new(site));
    loop {
        let admitted = tokio::select! {
            () = stop.cancelled() => break,
            admitted = admit(&listener, &door) => admitted,
        };
        let Some((stream, peer, guest)) = admitted else {
            continue;
        };
        let visit = Visit {
            peer,
            connection: Arc::clone(&guest.connection),
            site: Arc::clone(&site),
            stop: stop.clone(),
        };
        tasks.spawn(serve_guest(stream, visit, guest, cut.clone()));
    }
    // A new connection is refused at once from now on, so that its client can use another server.
    drop(listener);
    drain(&tasks, shutdown, &cut).await;
}

/// Serves an accepted connection until it ends or `cut` is cancelled.
async fn serve_guest(stream: TcpStream, visit: Visit, guest: Guest, cut: CancellationToken) {
    let _open = OpenCount::connection();
    let held = connection::hold(stream, visit, &guest.door.entrance);
    cut.run_until_cancelled(held).await;
    drop(guest);
}

/// Waits for the open connections to end, and ends them after the time `shutdown`.
async fn drain(tasks: &TaskTracker, shutdown: Duration, cut: &CancellationToken) {
    tasks.close();
    if tokio::time::timeout(shutdown, tasks.wait()).await.is_err() {
        tracing::warn!(
            open = tasks.len(),
            "shutdown: requests were cut off because they did not finish in time"
        );
        cut.cancel();
        tasks.wait().await;
    }
}

/// The open connections, and which of them wait.
struct Door {
    entrance: Entrance,
    permits: Arc<Semaphore>,
    room: Arc<Room>,
    parties: Mutex<HashMap<IpAddr, usize>>,
}

/// An accepted connection. Dropping it frees its place.
struct Guest {
    connection: Arc<Connection>,
    door: Arc<Door>,
    _permit: OwnedSemaphorePermit,
}

impl Door {
    fn new(entrance: Entrance) -> Self {
        let permits = Arc::new(Semaphore::new(entrance.bounds.connections));
        Self {
            entrance,
            permits,
            room: Arc::default(),
            parties: Mutex::default(),
        }
    }

    /// Counts one more connection of `party`. At the limit, its oldest waiting connection gives way. If none
    /// of them waits, the new one is rejected.
    fn count(&self, party: IpAddr, has_bound: bool) -> bool {
        let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        let count = parties.entry(party).or_default();
        let is_full = has_bound && *count >= self.entrance.bounds.connections_per_party;
        if is_full && !self.room.dismiss_oldest_of(party) {
            return false;
        }
        *count += 1;
        true
    }

    fn discount(&self, party: IpAddr) {
        let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = parties.get_mut(&party) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                parties.remove(&party);
            }
        }
    }

    /// Returns a place for one more connection. If there is none, the connection that has waited longest
    /// gives way. If none waits, all requests are being processed, and one of them will finish soon.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
                return Some(permit);
            }
            self.room.dismiss_oldest();
            let next = Arc::clone(&self.permits).acquire_owned();
            if let Ok(permit) = tokio::time::timeout(PAUSE, next).await {
                return permit.ok();
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.door.discount(self.connection.party());
    }
}

async fn admit(listener: &TcpListener, door: &Arc<Door>) -> Option<(TcpStream, SocketAddr, Guest)> {
    let (stream, peer) = match listener.accept().await {
        Ok(accepted) => accepted,
        Err(error) => {
            make_room(door, &error).await;
            return None;
        }
    };
    let address = peer.ip().to_canonical();
    let party = peer::prefix(address);
    let permit = door.place().await?;
    if !door.count(party, !door.entrance.proxies.are(address)) {
        tracing::info!(%peer, "connection rejected: too many open requests from this address");
        return None;
    }
    let connection = Connection::new(&door.room, party);
    Some((
        stream,
        peer,
        Guest {
            connection,
            door: Arc::clone(door),
            _permit: permit,
        },
    ))
}

/// Handles a failed accept. Unless the peer had already closed the connection, no file descriptor was free,
/// and the connection that has waited longest must free one.
async fn make_room(door: &Door, error: &std::io::Error) {
    if matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    ) {
        return;
    }
    if door.room.dismiss_oldest() {
        tracing::debug!(%error, "connection closed: no file descriptor was left for a new one");
        tokio::time::sleep(GONE).await;
    } else {
        tracing::warn!(%error, "cannot accept a connection");
        tokio::time::sleep(PAUSE).await;
    }
}
