//! The state of one connection: whether it waits for its peer, and for how long.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::http::{Room, WaitingPlace, Way};

/// One connection, shared by the tasks that serve it and the limits that apply to it.
#[derive(Debug)]
pub(crate) struct Connection {
    party: IpAddr,
    room: Arc<Room>,
    dismissed: CancellationToken,
    /// Whether the peer does not read what is written to it.
    is_stuck: AtomicBool,
    activity: Mutex<Activity>,
}

/// The time for which a connection may be inactive, that is, the peer reads nothing that was sent to it. The
/// time in which a request is being processed does not count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// The limit while no request is open.
    pub(super) head: Duration,
    /// The additional time while a request waits for its body, or an answer for its caller.
    pub(super) open: Duration,
    /// The limit for each answer, from the moment it is ready.
    pub(super) answer: Duration,
}

#[derive(Debug)]
struct Activity {
    /// Requests whose head has arrived and whose answer is not yet read.
    open: usize,
    /// The open requests that are being processed, and do not wait for their peer.
    at_work: usize,
    /// The answers that are ready and not yet read, by their numbers, each with the time when it became
    /// ready.
    out: BTreeMap<u64, Instant>,
    next_out: u64,
    /// The time of inactivity before `since`.
    quiet: Duration,
    /// When the last request finished being processed, or the last activity was seen.
    since: Instant,
    place: Option<WaitingPlace>,
    /// The number of the last place, until there is activity: a new request alone does not make the
    /// connection younger.
    age: Option<u64>,
}

/// An open request of the connection.
#[derive(Debug)]
pub(crate) struct OpenRequest(Arc<Connection>);

/// An open request that waits for its peer.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<Connection>);

/// A request whose answer is ready and not yet read.
#[derive(Debug)]
pub(crate) struct Out {
    connection: Arc<Connection>,
    number: u64,
}

impl Connection {
    /// A connection of `party` that waits for its first request in `room`.
    pub(crate) fn new(room: &Arc<Room>, party: IpAddr) -> Arc<Self> {
        let dismissed = CancellationToken::new();
        let place = room.enter(party, dismissed.clone(), None);
        let activity = Activity {
            open: 0,
            at_work: 0,
            out: BTreeMap::new(),
            next_out: 0,
            quiet: Duration::ZERO,
            since: Instant::now(),
            age: Some(place.number()),
            place: Some(place),
        };
        let (room, is_stuck) = (Arc::clone(room), AtomicBool::new(false));
        Arc::new(Self {
            party,
            room,
            dismissed,
            is_stuck,
            activity: Mutex::new(activity),
        })
    }

    /// Begins a request.
    pub(crate) fn open(self: &Arc<Self>) -> OpenRequest {
        let mut activity = self.activity();
        activity.open += 1;
        activity.work();
        OpenRequest(Arc::clone(self))
    }

    /// Marks an open request as waiting for its peer, until the returned guard is dropped.
    pub(crate) fn wait(self: &Arc<Self>) -> Waiting {
        self.rest(&mut self.activity());
        Waiting(Arc::clone(self))
    }

    /// Records activity: the peer did what it was expected to do.
    pub(crate) fn touch(&self) {
        self.activity().touch();
    }

    /// Returns the party at the other end.
    pub(crate) const fn party(&self) -> IpAddr {
        self.party
    }

    /// Sets whether the peer reads what is written to it.
    pub(super) fn set_stuck(&self, is_stuck: bool) {
        self.is_stuck.store(is_stuck, Ordering::SeqCst);
    }

    /// Whether the peer does not read what is written to it.
    pub(super) fn is_stuck(&self) -> bool {
        self.is_stuck.load(Ordering::SeqCst)
    }

    /// Asks the connection to give way to others.
    pub(super) fn dismiss(&self) {
        self.dismissed.cancel();
    }

    /// Returns when the connection has to give way to others.
    pub(crate) async fn dismissed(&self) {
        self.dismissed.cancelled().await;
    }

    /// Returns when the connection has been inactive for too long.
    pub(super) async fn lapsed(&self, patience: Patience) {
        loop {
            let until = self.activity().end(patience);
            let Some(until) = until else { return };
            tokio::time::sleep_until(until).await;
        }
    }

    /// One request less is being processed. When none is left, the connection starts to wait.
    fn rest(&self, activity: &mut Activity) {
        activity.at_work = activity.at_work.saturating_sub(1);
        if activity.at_work == 0 {
            activity.since = Instant::now();
            let place = self
                .room
                .enter(self.party, self.dismissed.clone(), activity.age);
            activity.age = Some(place.number());
            activity.place = Some(place);
        }
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Activity {
    /// One more request is being processed.
    fn work(&mut self) {
        if self.at_work == 0 {
            self.quiet = self.quiet.saturating_add(self.since.elapsed());
        }
        self.at_work += 1;
        self.place = None;
    }

    fn touch(&mut self) {
        (self.quiet, self.since, self.age) = (Duration::ZERO, Instant::now(), None);
    }

    /// Returns when to check again; none if the connection has been inactive for too long.
    fn end(&self, patience: Patience) -> Option<Instant> {
        let now = Instant::now();
        if let Some((_, since)) = self.out.first_key_value()
            && *since + patience.answer <= now
        {
            return None;
        }
        if self.at_work > 0 {
            return Some(now + patience.head);
        }
        let limit = if self.open == 0 {
            patience.head
        } else {
            patience.head + patience.open
        };
        let quiet = self.quiet.saturating_add(self.since.elapsed());
        let left = limit.checked_sub(quiet).filter(|left| !left.is_zero())?;
        Some(now + left)
    }
}

impl OpenRequest {
    /// The request is answered, and its caller has nothing to read.
    pub(crate) fn answered(self) {
        self.0.activity().touch();
    }

    /// The answer is ready, and starts to wait for its caller.
    pub(crate) fn out(self) -> Out {
        let connection = Arc::clone(&self.0);
        let mut activity = connection.activity();
        let number = activity.next_out;
        activity.next_out = number.wrapping_add(1);
        activity.out.insert(number, Instant::now());
        // The request stays open beyond this guard.
        activity.open += 1;
        drop(activity);
        Out { connection, number }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut activity = self.0.activity();
        activity.open = activity.open.saturating_sub(1);
        self.0.rest(&mut activity);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.activity().work();
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        let mut activity = self.connection.activity();
        activity.open = activity.open.saturating_sub(1);
        activity.out.remove(&self.number);
    }
}

impl Way for Connection {
    fn give_way(&self) {
        self.dismiss();
    }
}

#[cfg(test)]
mod tests;
