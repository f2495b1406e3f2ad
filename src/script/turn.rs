//! Whose turn it is: how many scripts run, how many wait for the outside, and for how long.
//!
//! A script that waits for `http` gives its place to another one, so scripts that are stuck hold
//! up none that are not. One that has worked for long goes on when few others do so, and behind all
//! the rest of the server; ordinary ones pass it by. Each script that runs or waits has a thread; both numbers are bounded,
//! over all sets of scripts together.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::threads;
use crate::config::ScriptLimits;

/// The places that there are.
pub(super) struct Turns {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    working_long: Arc<Semaphore>,
    deadline: Duration,
    patience: Duration,
}

impl Turns {
    pub(super) fn new(limits: &ScriptLimits) -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self {
            running: Arc::new(Semaphore::new(limits.concurrent)),
            waiting: Arc::new(Semaphore::new(limits.waiting)),
            // The other processors are for requests that need none of these.
            working_long: Arc::new(Semaphore::new((processors / 2).max(1))),
            deadline: Duration::from_millis(limits.deadline_ms),
            patience: Duration::from_millis(limits.http_ms),
        }
    }

    /// Waits for a place; none when the time is over before there is one. `is_quick` asks for one
    /// on this thread, which there is where another thread can stand in for it.
    pub(super) async fn take(&self, is_quick: bool) -> Option<Arc<Turn>> {
        let begun = Instant::now();
        let place = tokio::time::timeout(self.deadline, Arc::clone(&self.running).acquire_owned());
        let turn = Turn {
            place: Mutex::new(Some(place.await.ok()?.ok()?)),
            running: Arc::clone(&self.running),
            waiting: Arc::clone(&self.waiting),
            long_place: Mutex::new(None),
            working_long: Arc::clone(&self.working_long),
            is_here: is_quick && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread,
            runtime: Handle::current(),
            begun,
            deadline: self.deadline,
            patience: self.patience,
            waited: AtomicU64::new(0),
            is_lost: AtomicBool::new(false),
        };
        turn.over().is_none().then(|| Arc::new(turn))
    }
}

/// The time of one request at one hook: all scripts that are asked share it.
pub(super) struct Turn {
    place: Mutex<Option<OwnedSemaphorePermit>>,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// The place that a script needs once it has worked for long.
    long_place: Mutex<Option<OwnedSemaphorePermit>>,
    working_long: Arc<Semaphore>,
    runtime: Handle,
    is_here: bool,
    begun: Instant,
    deadline: Duration,
    patience: Duration,
    /// Microseconds that did not count for the deadline.
    waited: AtomicU64,
    is_lost: AtomicBool,
}

/// What a script waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    /// Another system, which may take its time: the script gives up its place.
    Far,
    /// Our own store: the script keeps its place.
    Near,
}

impl Turn {
    /// Why the script must end now.
    pub(super) fn over(&self) -> Option<&'static str> {
        if self.is_lost.load(Ordering::Relaxed) {
            return Some("too many scripts were running when it had waited");
        }
        if self.begun.elapsed() >= threads::LONG && !self.is_here && threads::works_long() {
            self.stand_in_line();
        }
        self.left().is_zero().then_some("it took longer than scripts.limits.deadlineMs")
    }

    /// The time until the deadline.
    fn left(&self) -> Duration {
        self.deadline.saturating_add(self.waited()).saturating_sub(self.begun.elapsed())
    }

    /// Waits until few enough others work for long, but not beyond the deadline.
    fn stand_in_line(&self) {
        let mut place = self.long_place.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_none() {
            let free = Arc::clone(&self.working_long).acquire_owned();
            let free = self.runtime.block_on(async { tokio::time::timeout(self.left(), free).await });
            *place = free.ok().and_then(Result::ok);
        }
    }

    /// Whether the scripts run on the thread that serves the request.
    pub(super) const fn is_here(&self) -> bool {
        self.is_here
    }

    /// The time that did not count for the deadline.
    pub(super) fn waited(&self) -> Duration {
        Duration::from_micros(self.waited.load(Ordering::Relaxed))
    }

    /// Does `work`, which is given how long it may take: `most`, or what is left.
    ///
    /// # Errors
    /// When no time is left for waiting, or too many scripts wait.
    pub(super) fn wait<T>(
        &self,
        outside: Outside,
        most: Duration,
        work: impl FnOnce(Duration) -> T,
    ) -> Result<T, String> {
        let left = self.patience.saturating_sub(self.waited()).min(most);
        if left.is_zero() {
            return Err("it waited as long as scripts.limits.httpMs allows".to_owned());
        }
        let begun = Instant::now();
        let wait = || match outside {
            Outside::Near => Ok(work(left)),
            Outside::Far => self.elsewhere(|| work(left)),
        };
        // The other requests of this thread go on elsewhere.
        let result = if self.is_here { tokio::task::block_in_place(wait) } else { wait() };
        let waited = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.waited.fetch_add(waited, Ordering::Relaxed);
        result
    }

    /// Does `work` while another script has the place of this one.
    fn elsewhere<T>(&self, work: impl FnOnce() -> T) -> Result<T, String> {
        let Ok(_seat) = Arc::clone(&self.waiting).try_acquire_owned() else {
            return Err("too many scripts wait for http (scripts.limits.waiting)".to_owned());
        };
        self.set_place(None);
        *self.long_place.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let result = work();
        let again = Arc::clone(&self.running).acquire_owned();
        match self.runtime.block_on(async { tokio::time::timeout(self.deadline, again).await }) {
            Ok(Ok(place)) => self.set_place(Some(place)),
            // It may not run on, whatever it would do with the failure.
            _ => self.is_lost.store(true, Ordering::Relaxed),
        }
        Ok(result)
    }

    fn set_place(&self, place: Option<OwnedSemaphorePermit>) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }
}
