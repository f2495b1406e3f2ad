//! The time of day, passed as an argument.
//!
//! Nothing else in the crate reads the system clock, so a test can set the time.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Whole seconds since the Unix epoch, the format of all times in RFC 7591 section 3.2.1.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Returns the moment `seconds` after the Unix epoch.
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Returns the seconds since the Unix epoch.
    pub const fn unix(self) -> u64 {
        self.0
    }

    /// Returns the moment `seconds` later, or the latest representable moment on overflow.
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

/// A source of the time of day.
pub trait Clock: Send + Sync {
    /// Returns the current time.
    fn now(&self) -> Timestamp;

    /// Returns the reading of a monotonic clock. It is never set, and has no relation to the time
    /// of day.
    fn ticks(&self) -> Duration;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "only this function reads the system clock"
    )]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        // A clock that shows a time before 1970 is broken. At time 0 nothing has expired yet.
        Timestamp(since_epoch.map_or(0, |duration| duration.as_secs()))
    }

    fn ticks(&self) -> Duration {
        static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
        BEGINNING.elapsed()
    }
}

/// A clock for tests that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    /// In seconds.
    ticks: AtomicU64,
}

impl ManualClock {
    /// Returns a clock that shows `start`.
    pub const fn new(start: Timestamp) -> Self {
        Self {
            now: AtomicU64::new(start.0),
            ticks: AtomicU64::new(0),
        }
    }

    /// Sets the clock to `moment` without letting time pass.
    pub fn set(&self, moment: Timestamp) {
        self.now.store(moment.0, Ordering::SeqCst);
    }

    /// Sets the clock `seconds` ahead without letting time pass.
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
