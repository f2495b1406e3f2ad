//! The call limit of one party: of an address, or of the bearer of a credential, whatever address the bearer
//! calls from.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::http::peer;
use crate::telemetry::meter;

/// The number of parties that are remembered before inactive ones are removed for the first time.
const REMEMBERED: usize = 10_000;

/// A limited number of calls in a period for each party.
pub(crate) struct RateLimit {
    addresses: Quotas<IpAddr>,
    names: Quotas<String>,
}

/// The party exceeded the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooOften {
    /// Seconds to wait; at least 1.
    pub(crate) retry_after: u64,
}

impl TooOften {
    /// The rejection of a call that is possible again after `wait`. It is counted in the metrics.
    pub(super) fn for_now(wait: Duration) -> Self {
        meter::rate_limited();
        Self {
            retry_after: wait.as_secs().saturating_add(1),
        }
    }
}

impl RateLimit {
    /// A limit of `count` calls in `period_seconds`; none if either is 0.
    pub(crate) fn new(count: u32, period_seconds: u32) -> Option<Self> {
        let count = NonZeroU32::new(count)?;
        let interval = Duration::from_secs(period_seconds.into()).checked_div(count.get())?;
        let quota = Quota::with_period(interval)?.allow_burst(count);
        Some(Self {
            addresses: Quotas::new(quota),
            names: Quotas::new(quota),
        })
    }

    /// Counts one call of the party at `address`.
    ///
    /// # Errors
    /// When the party has exceeded the limit.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), TooOften> {
        self.addresses.check(&peer::prefix(address))
    }

    /// Counts one call of the party called `name` against its own quota, which has the same size.
    ///
    /// # Errors
    /// When the party has exceeded the quota.
    pub(crate) fn check_named(&self, name: &str) -> Result<(), TooOften> {
        self.names.check(&name.to_owned())
    }
}

/// A quota for each party.
struct Quotas<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    /// The number of parties at which inactive ones are removed next.
    crowd: AtomicUsize,
}

impl<K: Hash + Eq + Clone> Quotas<K> {
    fn new(quota: Quota) -> Self {
        Self {
            limiter: RateLimiter::keyed(quota),
            clock: DefaultClock::default(),
            crowd: AtomicUsize::new(REMEMBERED),
        }
    }

    fn check(&self, party: &K) -> Result<(), TooOften> {
        self.forget_the_quiet();
        let counted = self.limiter.check_key(party);
        counted.map_err(|not_until| TooOften::for_now(not_until.wait_time_from(self.clock.now())))
    }

    /// Checks all parties, but only when there are twice as many as remained the last time. Otherwise a flood
    /// of addresses would make each call search all of them.
    fn forget_the_quiet(&self) {
        if self.limiter.len() > self.crowd.load(Ordering::Relaxed) {
            self.limiter.retain_recent();
            let next = self.limiter.len().saturating_mul(2).max(REMEMBERED);
            self.crowd.store(next, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimit")
            .field("parties", &self.addresses.limiter.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_has_its_own_budget() {
        let limit = RateLimit::new(2, 3_600).unwrap();
        let (one, other): (IpAddr, IpAddr) =
            ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        assert_eq!(limit.check(one), Ok(()));
        assert_eq!(limit.check(one), Ok(()));
        let refused = limit.check(one).unwrap_err();
        assert!((1..=1_801).contains(&refused.retry_after), "{refused:?}");
        assert_eq!(limit.check(other), Ok(()));
    }

    #[test]
    fn a_name_has_its_own_budget() {
        let limit = RateLimit::new(1, 3_600).unwrap();
        assert_eq!(limit.check("192.0.2.1".parse().unwrap()), Ok(()));
        assert_eq!(limit.check_named("a"), Ok(()));
        assert!(limit.check_named("a").unwrap_err().retry_after > 3_500);
        assert_eq!(limit.check_named("b"), Ok(()));
    }

    #[test]
    fn quiet_parties_are_forgotten() {
        let limit = RateLimit::new(1_000_000, 1).unwrap();
        for number in 0..u32::try_from(2 * REMEMBERED + 2).unwrap() {
            limit.check(IpAddr::V4(number.into())).unwrap();
        }
        assert!(limit.addresses.limiter.len() <= REMEMBERED + 1, "{limit:?}");
    }

    #[test]
    fn a_missing_count_disables_the_limit() {
        assert!(RateLimit::new(0, 60).is_none());
        assert!(RateLimit::new(5, 0).is_none());
    }
}
