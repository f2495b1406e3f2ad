//! The connection loop: accepts, bounds, and drains.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::certificate::Proxies;
use super::connection::{Connection, Patience};
use super::conversation::{self, Visit};
use super::peer;
use super::room::Room;
use super::tls::Tls;
use super::untaken::Untaken;
use crate::telemetry::meter::Open;

/// After an accept that failed, and between two looks for a connection that can give way.
const PAUSE: Duration = Duration::from_millis(10);

/// For a connection that has to give way to be gone.
const GONE: Duration = Duration::from_millis(1);

/// What bounds the connections of one listener.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at the same time; for one more, the one that has waited longest gives way.
    pub connections: usize,
    /// Connections of one party at the same time, by the same rule; a proxy has no such bound.
    pub connections_per_party: usize,
    /// Time for a handshake, and in which the head of a request must arrive; also how long a
    /// connection may idle.
    pub header_timeout: Duration,
    /// Time in which the body of a request must arrive.
    pub body_timeout: Duration,
    /// Time in which the peer must take what it is sent.
    pub write_timeout: Duration,
    /// Time that open requests are given once `stop` is called.
    pub shutdown: Duration,
}

impl Bounds {
    /// How long a connection may show no sign of life. An answer that was not taken in time is reset;
    /// where that does not help, the connection goes.
    pub(super) const fn patience(&self) -> Patience {
        let open = self.body_timeout.saturating_add(self.write_timeout);
        Patience { head: self.header_timeout, open, answer: self.write_timeout.saturating_mul(2) }
    }
}

/// How one listener lets callers in.
#[derive(Clone)]
pub struct Entrance {
    /// How many, and how slow.
    pub bounds: Bounds,
    /// TLS, or its absence.
    pub tls: Arc<Tls>,
    /// Who may speak for others.
    pub proxies: Proxies,
    /// Answers that are not taken yet, of all listeners.
    pub untaken: Arc<Untaken>,
}

/// Serves `router` on `listener` until `stop`, then lets open requests finish.
pub async fn serve(listener: TcpListener, router: Router, entrance: Entrance, stop: CancellationToken) {
    let (tasks, cut) = (TaskTracker::new(), CancellationToken::new());
    let shutdown = entrance.bounds.shutdown;
    let door = Arc::new(Door::new(entrance));
    loop {
        let admitted = tokio::select! {
            () = stop.cancelled() => break,
            admitted = admit(&listener, &door) => admitted,
        };
        let Some((stream, peer, guest)) = admitted else { continue };
        let (door, cut) = (Arc::clone(&door), cut.clone());
        let connection = Arc::clone(&guest.connection);
        let visit = Visit { peer, connection, router: router.clone(), stop: stop.clone() };
        tasks.spawn(async move {
            let _open = Open::connection();
            let held = conversation::hold(stream, visit, &door.entrance);
            cut.run_until_cancelled(held).await;
            drop(guest);
        });
    }
    // Who connects now is refused at once, and can go elsewhere, instead of waiting for nobody.
    drop(listener);
    tasks.close();
    if tokio::time::timeout(shutdown, tasks.wait()).await.is_err() {
        tracing::warn!(open = tasks.len(), "requests were cut off: they did not finish in time");
        cut.cancel();
        tasks.wait().await;
    }
}

/// Who is in, and who of them waits.
struct Door {
    entrance: Entrance,
    permits: Arc<Semaphore>,
    room: Arc<Room>,
    parties: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that was let in; its place is free when this is dropped.
struct Guest {
    connection: Arc<Connection>,
    door: Arc<Door>,
    _permit: OwnedSemaphorePermit,
}

impl Door {
    fn new(entrance: Entrance) -> Self {
        let permits = Arc::new(Semaphore::new(entrance.bounds.connections));
        Self { entrance, permits, room: Arc::default(), parties: Mutex::default() }
    }

    /// Counts one more connection of `party`. At its bound the oldest that waits gives way; when
    /// none of them waits, the new one is refused.
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

    /// A place for one more. When there is none, who has waited longest gives way; when nobody
    /// waits, all are served, and one of them will have finished soon.
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
        tracing::info!(%peer, "refused: the address has too many open requests");
        return None;
    }
    let connection = Connection::new(&door.room, party);
    Some((stream, peer, Guest { connection, door: Arc::clone(door), _permit: permit }))
}

/// After an accept that failed: unless the peer was gone already, no file descriptor was free, and
/// who has waited longest gives one back.
async fn make_room(door: &Door, error: &std::io::Error) {
    if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) {
        return;
    }
    if door.room.dismiss_oldest() {
        tracing::debug!(%error, "a connection had to give way");
        tokio::time::sleep(GONE).await;
    } else {
        tracing::warn!(%error, "a connection was not accepted");
        tokio::time::sleep(PAUSE).await;
    }
}
