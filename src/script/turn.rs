//! Whose turn it is: how many scripts run, how many wait for the outside, and for how long.
//!
//! A script that waits for `http` gives its place to another one, so scripts that are stuck hold
//! up none that are not. One that has worked for long goes on when few others do so, and behind all
//! the rest of the server; ordinary ones pass it by. Each script that runs or waits has a thread; both numbers are bounded,
//! over all sets of scripts together.
//!
//! The deadline counts the work of the script alone. A server that has much to do makes its scripts
//! wait; that is no fault of theirs. A request for which waiting takes too long is told to come
//! again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::pace::Work;
use super::threads;
use crate::config::ScriptLimits;

/// The places that there are.
pub(super) struct Turns {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    working_long: Arc<Semaphore>,
    deadline: Duration,
    queue: Duration,
    patience: Duration,
}

/// Why a script must end that gets no place in time.
const NO_PLACE: &str = "it waited for a place as long as scripts.limits.queueMs allows";

impl Turns {
    pub(super) fn new(limits: &ScriptLimits) -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self {
            running: Arc::new(Semaphore::new(limits.concurrent)),
            waiting: Arc::new(Semaphore::new(limits.waiting)),
            // The other processors are for requests that need none of these.
            working_long: Arc::new(Semaphore::new((processors / 2).max(1))),
            deadline: Duration::from_millis(limits.deadline_ms),
            queue: Duration::from_millis(limits.queue_ms),
            patience: Duration::from_millis(limits.http_ms),
        }
    }

    /// Waits for a place; none when the time is over before there is one. `is_quick` asks for one
    /// on this thread, which there is where another thread can stand in for it.
    pub(super) async fn take(&self, is_quick: bool) -> Option<Arc<Turn>> {
        let place = tokio::time::timeout(self.queue, Arc::clone(&self.running).acquire_owned());
        Some(Arc::new(Turn {
            place: Mutex::new(Some(place.await.ok()?.ok()?)),
            running: Arc::clone(&self.running),
            waiting: Arc::clone(&self.waiting),
            long_place: Mutex::new(None),
            working_long: Arc::clone(&self.working_long),
            is_here: is_quick && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread,
            runtime: Handle::current(),
            begun: Instant::now(),
            work: OnceLock::new(),
            deadline: self.deadline,
            queue: self.queue,
            patience: self.patience,
            waited: AtomicU64::new(0),
            is_lost: AtomicBool::new(false),
        }))
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
    /// What the thread of the scripts has done since they began.
    work: OnceLock<Work>,
    /// How long the scripts may work.
    deadline: Duration,
    /// How long they may wait for a place, and for a processor that others use.
    queue: Duration,
    patience: Duration,
    /// Microseconds that they waited for the outside.
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
    /// The scripts begin to work, on this thread.
    pub(super) fn begin(&self) -> Work {
        *self.work.get_or_init(Work::begin)
    }

    /// Why the script must end now.
    pub(super) fn over(&self) -> Option<&'static str> {
        if self.gave_up() {
            return Some(NO_PLACE);
        }
        if self.begun.elapsed() >= threads::LONG && !self.is_here && threads::works_long() {
            self.stand_in_line();
        }
        let passed = self.begun.elapsed().saturating_sub(self.waited());
        // Nobody has worked for longer than has passed, and that clock is the cheaper one.
        if passed >= self.deadline && self.begin().done() >= self.deadline {
            return Some("it worked longer than scripts.limits.deadlineMs allows");
        }
        if passed >= self.deadline.saturating_add(self.queue) {
            self.is_lost.store(true, Ordering::Relaxed);
        }
        self.gave_up().then_some(NO_PLACE)
    }

    /// Whether the scripts ended because the server had no place for them: no fault of theirs.
    pub(super) fn gave_up(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Waits until few enough others work for long.
    fn stand_in_line(&self) {
        let mut place = self.long_place.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_none() {
            *place = self.wait_for(&self.working_long);
        }
    }

    /// One of `places`; none, and the scripts give up, when the time for waiting is over before one is
    /// free.
    fn wait_for(&self, places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        let free = Arc::clone(places).acquire_owned();
        let free = self.runtime.block_on(async { tokio::time::timeout(self.queue, free).await });
        let place = free.ok().and_then(Result::ok);
        if place.is_none() {
            // It may not run on, whatever it would do with the failure.
            self.is_lost.store(true, Ordering::Relaxed);
        }
        place
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
        let again = self.wait_for(&self.running);
        self.set_place(again);
        Ok(result)
    }

    fn set_place(&self, place: Option<OwnedSemaphorePermit>) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }
}
