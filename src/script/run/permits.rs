//! Schedules scripts: how many run, how many wait for external systems, and for how long.
//!
//! A script that waits for `http` frees its slot for another script, so stuck scripts do not hold up the
//! others. A script that has worked for long continues only while few others do, and with a lower priority
//! than the rest of the server, so that ordinary scripts overtake it. Each script that runs or waits has a
//! thread. Both numbers are limited, over all sets of scripts together.
//!
//! The deadline counts only the work of the script itself. A busy server makes its scripts wait, which is
//! not their fault. A request that waits too long is answered with an error that asks to retry later.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::ScriptLimits;
use crate::script::{WorkTime, threads};

/// The slots in which scripts run.
pub(in crate::script) struct Permits {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    working_long: Arc<Semaphore>,
    deadline: Duration,
    queue: Duration,
    patience: Duration,
}

/// The reason to end a script that gets no slot in time.
const NO_PLACE: &str = "timed out waiting for a slot (scripts.limits.queueMs)";

impl Permits {
    pub(in crate::script) fn new(limits: &ScriptLimits) -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self {
            running: Arc::new(Semaphore::new(limits.concurrent)),
            waiting: Arc::new(Semaphore::new(limits.waiting)),
            // The other processors remain free for requests that need no such slot.
            working_long: Arc::new(Semaphore::new((processors / 2).max(1))),
            deadline: Duration::from_millis(limits.deadline_ms),
            queue: Duration::from_millis(limits.queue_ms),
            patience: Duration::from_millis(limits.http_ms),
        }
    }

    /// Waits for a slot; returns `None` when none is free in time. `is_quick` requests to run on this
    /// thread, which is possible where another thread can take over the requests of this one.
    pub(in crate::script) async fn take(&self, is_quick: bool) -> Option<Arc<Permit>> {
        let place = tokio::time::timeout(self.queue, Arc::clone(&self.running).acquire_owned());
        Some(Arc::new(Permit {
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

/// The time budget of one request at one hook, which all called scripts share.
pub(in crate::script) struct Permit {
    place: Mutex<Option<OwnedSemaphorePermit>>,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// The slot that a script needs once it has worked for long.
    long_place: Mutex<Option<OwnedSemaphorePermit>>,
    working_long: Arc<Semaphore>,
    runtime: Handle,
    is_here: bool,
    begun: Instant,
    /// The work of the thread since the scripts began.
    work: OnceLock<WorkTime>,
    /// How long the scripts may work.
    deadline: Duration,
    /// How long the scripts may wait for a slot, and for a processor that other threads use.
    queue: Duration,
    patience: Duration,
    /// The microseconds that the scripts waited for external systems and the store.
    waited: AtomicU64,
    is_lost: AtomicBool,
}

/// What a script is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::script) enum WaitsFor {
    /// An external system, which may be slow; the script frees its slot.
    Far,
    /// The server's own store; the script keeps its slot.
    Near,
}

impl Permit {
    /// Starts measuring the work of the scripts on this thread.
    pub(in crate::script) fn begin(&self) -> WorkTime {
        *self.work.get_or_init(WorkTime::begin)
    }

    /// Returns why the script must end now, if it must.
    pub(in crate::script) fn over(&self) -> Option<&'static str> {
        if self.gave_up() {
            return Some(NO_PLACE);
        }
        if self.begun.elapsed() >= threads::LONG && !self.is_here && threads::works_long() {
            self.stand_in_line();
        }
        let passed = self.begun.elapsed().saturating_sub(self.waited());
        // The work cannot exceed the elapsed time, and the clock of the latter is cheaper to read.
        if passed >= self.deadline && self.begin().done() >= self.deadline {
            return Some("the script worked longer than scripts.limits.deadlineMs allows");
        }
        if passed >= self.deadline.saturating_add(self.queue) {
            self.is_lost.store(true, Ordering::Relaxed);
        }
        self.gave_up().then_some(NO_PLACE)
    }

    /// Returns whether the scripts ended because the server had no slot for them, which is not their fault.
    pub(in crate::script) fn gave_up(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Waits until few enough other scripts work for long.
    fn stand_in_line(&self) {
        let mut place = self
            .long_place
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if place.is_none() {
            *place = self.wait_for(&self.working_long);
        }
    }

    /// Waits for one of `places`. Returns `None` when none is free in time, and the scripts must end.
    fn wait_for(&self, places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        let free = Arc::clone(places).acquire_owned();
        let free = self
            .runtime
            .block_on(async { tokio::time::timeout(self.queue, free).await });
        let place = free.ok().and_then(Result::ok);
        if place.is_none() {
            // The script must not continue, even if it catches the failure.
            self.is_lost.store(true, Ordering::Relaxed);
        }
        place
    }

    /// Returns whether the scripts run on the thread that serves the request.
    pub(in crate::script) const fn is_here(&self) -> bool {
        self.is_here
    }

    /// Returns the time that did not count towards the deadline.
    pub(in crate::script) fn waited(&self) -> Duration {
        Duration::from_micros(self.waited.load(Ordering::Relaxed))
    }

    /// Does `work`, passing it the time that it may take: `most`, or the time left if that is less.
    ///
    /// # Errors
    /// When no time is left for waiting, or too many scripts are waiting.
    pub(in crate::script) fn wait<T>(
        &self,
        outside: WaitsFor,
        most: Duration,
        work: impl FnOnce(Duration) -> T,
    ) -> Result<T, String> {
        let left = self.patience.saturating_sub(self.waited()).min(most);
        if left.is_zero() {
            return Err("the script waited as long as scripts.limits.httpMs allows".to_owned());
        }
        let begun = Instant::now();
        let wait = || match outside {
            WaitsFor::Near => Ok(work(left)),
            WaitsFor::Far => self.elsewhere(|| work(left)),
        };
        // The other requests of this thread continue on another thread.
        let result = if self.is_here {
            tokio::task::block_in_place(wait)
        } else {
            wait()
        };
        let waited = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.waited.fetch_add(waited, Ordering::Relaxed);
        result
    }

    /// Counts `time` as time spent waiting, which was only simulated.
    pub(in crate::script) fn add_waited(&self, time: Duration) {
        let waited = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.waited.fetch_add(waited, Ordering::Relaxed);
    }

    /// Does `work` while another script may use the slot of this one.
    fn elsewhere<T>(&self, work: impl FnOnce() -> T) -> Result<T, String> {
        let Ok(_seat) = Arc::clone(&self.waiting).try_acquire_owned() else {
            return Err(
                "too many scripts are waiting for http (scripts.limits.waiting)".to_owned(),
            );
        };
        self.set_place(None);
        *self
            .long_place
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
        let result = work();
        let again = self.wait_for(&self.running);
        self.set_place(again);
        Ok(result)
    }

    fn set_place(&self, place: Option<OwnedSemaphorePermit>) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }
}
