//! The call limit of the bearer of a credential, whatever address the bearer calls from.

use std::sync::atomic::{AtomicUsize, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::rate::TooOften;

/// The number of bearers that are remembered before inactive ones are removed for the first time.
const REMEMBERED: usize = 10_000;

/// A limited number of calls in a period for each bearer, identified by a name.
pub(super) struct Budgets {
    limiter: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
    /// The number of bearers at which inactive ones are removed next.
    crowd: AtomicUsize,
}

impl Budgets {
    /// Creates quotas of `quota` each.
    pub(super) fn new(quota: Quota) -> Self {
        let (limiter, clock) = (RateLimiter::keyed(quota), DefaultClock::default());
        Self {
            limiter,
            clock,
            crowd: AtomicUsize::new(REMEMBERED),
        }
    }

    /// Counts one call of the bearer called `name`.
    ///
    /// # Errors
    /// When the bearer has exceeded the quota.
    pub(super) fn check(&self, name: &str) -> Result<(), TooOften> {
        self.forget_the_quiet();
        self.limiter
            .check_key(&name.to_owned())
            .map_err(|not_until| {
                let wait = not_until.wait_time_from(self.clock.now());
                TooOften::for_now(wait)
            })
    }

    /// Checks all bearers, but only when there are twice as many as remained the last time.
    fn forget_the_quiet(&self) {
        if self.limiter.len() > self.crowd.load(Ordering::Relaxed) {
            self.limiter.retain_recent();
            let next = self.limiter.len().saturating_mul(2).max(REMEMBERED);
            self.crowd.store(next, Ordering::Relaxed);
        }
    }
}
