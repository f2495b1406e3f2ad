//! What one connection is doing: whether it waits for its peer, and for how long already.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::room::{Place, Room};

/// One connection, as those who serve it and those who bound it see it.
#[derive(Debug)]
pub struct Connection {
    party: IpAddr,
    room: Arc<Room>,
    dismissed: CancellationToken,
    activity: Mutex<Activity>,
}

#[derive(Debug)]
struct Activity {
    /// Requests whose head is here and whose answer is not made yet.
    open: usize,
    /// Those of them that do not wait for their body.
    at_work: usize,
    /// When the last thing ended that was not waiting.
    quiet_since: Instant,
    place: Option<Place>,
}

/// A request of the connection is open.
#[derive(Debug)]
pub struct Open(Arc<Connection>);

/// An open request waits for its peer.
#[derive(Debug)]
pub struct Waiting(Arc<Connection>);

impl Connection {
    /// A connection of `party` that waits for its first request in `room`.
    pub fn new(room: &Arc<Room>, party: IpAddr) -> Arc<Self> {
        let dismissed = CancellationToken::new();
        let place = Some(room.enter(party, dismissed.clone()));
        let activity = Activity { open: 0, at_work: 0, quiet_since: Instant::now(), place };
        Arc::new(Self { party, room: Arc::clone(room), dismissed, activity: Mutex::new(activity) })
    }

    /// Begins a request.
    pub fn open(self: &Arc<Self>) -> Open {
        let mut activity = self.activity();
        activity.open += 1;
        activity.at_work += 1;
        activity.place = None;
        Open(Arc::clone(self))
    }

    /// Says that an open request waits for its peer, until the answer is dropped.
    pub fn wait(self: &Arc<Self>) -> Waiting {
        self.rest(&mut self.activity());
        Waiting(Arc::clone(self))
    }

    /// Says that the peer did something that was asked of it.
    pub fn touch(&self) {
        self.activity().quiet_since = Instant::now();
    }

    /// The party at the other end.
    pub const fn party(&self) -> IpAddr {
        self.party
    }

    /// Returns when the connection has to give way to others.
    pub async fn dismissed(&self) {
        self.dismissed.cancelled().await;
    }

    /// Returns when the connection has waited for a request for longer than `limit`.
    pub async fn lapsed(&self, limit: Duration) {
        loop {
            let quiet_since = self.quiet_since();
            let until = quiet_since.unwrap_or_else(Instant::now) + limit;
            tokio::time::sleep_until(until).await;
            if self.quiet_since().is_some_and(|since| since + limit <= Instant::now()) {
                return;
            }
        }
    }

    /// Since when no request is open; none when one is.
    fn quiet_since(&self) -> Option<Instant> {
        let activity = self.activity();
        (activity.open == 0).then_some(activity.quiet_since)
    }

    /// One less is at work; when none is left, the connection waits.
    fn rest(&self, activity: &mut Activity) {
        activity.at_work = activity.at_work.saturating_sub(1);
        if activity.at_work == 0 {
            activity.place = Some(self.room.enter(self.party, self.dismissed.clone()));
        }
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut activity = self.0.activity();
        activity.open = activity.open.saturating_sub(1);
        activity.quiet_since = Instant::now();
        self.0.rest(&mut activity);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut activity = self.0.activity();
        activity.at_work += 1;
        activity.place = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_connection_that_waits_gives_way_or_lapses() {
        let room = Arc::new(Room::default());
        let limit = Duration::from_secs(10);
        let one = Connection::new(&room, IpAddr::from([192, 0, 2, 1]));
        assert_eq!(room.len(), 1);
        let (first, second) = (one.open(), one.open());
        assert!(room.is_empty() && !room.dismiss_oldest());
        let waiting = (one.wait(), one.wait());
        assert_eq!(room.len(), 1);
        assert!(
            tokio::time::timeout(limit * 3, one.lapsed(limit)).await.is_err(),
            "a body has its own limit"
        );
        drop(waiting);
        assert!(room.is_empty());
        drop(first);
        assert!(room.is_empty());
        drop(second);
        let begun = Instant::now();
        one.lapsed(limit).await;
        assert!((limit..limit * 2).contains(&begun.elapsed()));
        assert!(room.dismiss_oldest());
        one.dismissed().await;
    }
}
