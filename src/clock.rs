//! The time of day, as an argument.
//!
//! Nothing else in the crate asks the system for the time of day, so a test can set it.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Whole seconds since the Unix epoch, as RFC 7591 section 3.2.1 gives all its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment that lies `seconds` after the Unix epoch.
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    pub const fn unix(self) -> u64 {
        self.0
    }

    /// The moment `seconds` later; the end of time when that can not be written down.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where the time of day comes from.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// What a clock shows that only ticks: it is never set, and says nothing of the time of day.
    fn ticks(&self) -> Duration;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        // A clock before 1970 is broken; at 0 everything that can expire is still alive.
        Timestamp(since_epoch.map_or(0, |duration| duration.as_secs()))
    }

    fn ticks(&self) -> Duration {
        static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
        BEGINNING.elapsed()
    }
}

/// A clock that stands still until it is moved: for tests.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    /// In seconds.
    ticks: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub const fn new(start: Timestamp) -> Self {
        Self { now: AtomicU64::new(start.0), ticks: AtomicU64::new(0) }
    }

    /// Sets the clock to `moment`, though no time passes.
    pub fn set(&self, moment: Timestamp) {
        self.now.store(moment.0, Ordering::SeqCst);
    }

    /// Sets the clock `seconds` ahead, though no time passes.
    pub fn jump(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Lets `seconds` pass.
    pub fn advance(&self, seconds: u64) {
        self.jump(seconds);
        self.ticks.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn ticks(&self) -> Duration {
        Duration::from_secs(self.ticks.load(Ordering::SeqCst))
    }
}
