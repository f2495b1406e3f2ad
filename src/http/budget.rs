//! How often the holder of something may call, whatever address it calls from.

use std::sync::atomic::{AtomicUsize, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::rate::TooOften;

/// Holders that are remembered before those that have been quiet are forgotten for the first time.
const REMEMBERED: usize = 10_000;

/// So many calls a period for each holder, by its name.
pub(super) struct Budgets {
    limiter: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
    /// So many holders are there when the quiet ones are forgotten next.
    crowd: AtomicUsize,
}

impl Budgets {
    /// Budgets of `quota` each.
    pub(super) fn new(quota: Quota) -> Self {
        let (limiter, clock) = (RateLimiter::keyed(quota), DefaultClock::default());
        Self { limiter, clock, crowd: AtomicUsize::new(REMEMBERED) }
    }

    /// Counts one call of the holder called `name`.
    ///
    /// # Errors
    /// When it has called too often.
    pub(super) fn check(&self, name: &str) -> Result<(), TooOften> {
        self.forget_the_quiet();
        self.limiter.check_key(&name.to_owned()).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now());
            TooOften::for_now(wait)
        })
    }

    /// Looks at everybody only when there are twice as many as were left the last time.
    fn forget_the_quiet(&self) {
        if self.limiter.len() > self.crowd.load(Ordering::Relaxed) {
            self.limiter.retain_recent();
            let next = self.limiter.len().saturating_mul(2).max(REMEMBERED);
            self.crowd.store(next, Ordering::Relaxed);
        }
    }
}
