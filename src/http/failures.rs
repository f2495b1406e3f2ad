//! The limit of failed authentications. Successful ones are not counted.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::http::{peer, rate::TooOften};

/// The failures that one address may make under all names together, as a multiple of the failures under one
/// name.
const NAMES: u32 = 10;

/// The maximum number of parties that are remembered. When this many fail at the same time, all of them start
/// over: no quota by address withstands such a crowd.
const REMEMBERED: usize = 100_000;

/// A number of failures in a period for each address and name, and ten times as many for each address.
pub(crate) struct Failures {
    /// The time after which another failure under one name is allowed.
    gap: Duration,
    period: Duration,
    parties: Mutex<Parties>,
    hasher: RandomState,
}

/// When the whole quota of each party is available again. Parties with their whole quota are not listed.
type Parties = HashMap<u64, Instant>;

impl Failures {
    /// A quota of `count` failures in `period_seconds`; none if either is 0.
    pub(crate) fn new(count: u32, period_seconds: u32) -> Option<Self> {
        let period = Duration::from_secs(period_seconds.into());
        let gap = period.checked_div(count).filter(|gap| !gap.is_zero())?;
        Some(Self {
            gap,
            period,
            parties: Mutex::default(),
            hasher: RandomState::new(),
        })
    }

    /// Checks whether the party at `address` may try again under `name`, without counting.
    ///
    /// # Errors
    /// When too many attempts have failed.
    pub(crate) fn check(&self, address: IpAddr, name: &str) -> Result<(), TooOften> {
        self.check_at(Instant::now(), address, name)
    }

    /// Counts a failure of the party at `address` under `name`.
    ///
    /// # Errors
    /// When too many attempts had already failed. This failure is then not counted.
    pub(crate) fn count(&self, address: IpAddr, name: &str) -> Result<(), TooOften> {
        self.count_at(Instant::now(), address, name)
    }

    fn check_at(&self, now: Instant, address: IpAddr, name: &str) -> Result<(), TooOften> {
        let parties = self.parties();
        for (party, gap) in self.budgets(address, name) {
            let whole = parties.get(&party).map_or(now, |&whole| whole.max(now));
            let excess = (whole + gap).duration_since(now).checked_sub(self.period);
            if let Some(wait) = excess.filter(|wait| !wait.is_zero()) {
                return Err(TooOften::for_now(wait));
            }
        }
        Ok(())
    }

    fn count_at(&self, now: Instant, address: IpAddr, name: &str) -> Result<(), TooOften> {
        self.check_at(now, address, name)?;
        let mut parties = self.parties();
        if parties.len() >= REMEMBERED {
            parties.retain(|_, whole| *whole > now);
        }
        if parties.len() >= REMEMBERED {
            parties.clear();
        }
        for (party, gap) in self.budgets(address, name) {
            let whole = parties.entry(party).or_insert(now);
            *whole = (*whole).max(now) + gap;
        }
        Ok(())
    }

    /// Returns the two quotas that a failure is counted against, each with its gap.
    fn budgets(&self, address: IpAddr, name: &str) -> [(u64, Duration); 2] {
        let address = peer::prefix(address);
        let (one, all) = (
            self.hasher.hash_one((address, Some(name))),
            self.hasher.hash_one((address, None::<&str>)),
        );
        [(one, self.gap), (all, self.gap / NAMES)]
    }

    fn parties(&self) -> MutexGuard<'_, Parties> {
        self.parties.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Failures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Failures")
            .field("parties", &self.parties().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn failures_under_one_name_from_one_address_are_counted_together() {
        let (failures, now) = (Failures::new(3, 60).unwrap(), Instant::now());
        for _ in 0..3 {
            assert_eq!(failures.count_at(now, address(1), "a"), Ok(()));
        }
        assert_eq!(
            failures.count_at(now, address(1), "a"),
            Err(TooOften { retry_after: 21 })
        );
        assert_eq!(failures.check_at(now, address(1), "b"), Ok(()));
        assert_eq!(failures.check_at(now, address(2), "a"), Ok(()));
        let later = now + Duration::from_secs(20);
        assert_eq!(failures.count_at(later, address(1), "a"), Ok(()));
        assert!(failures.count_at(later, address(1), "a").is_err());
    }

    #[test]
    fn an_address_is_limited_across_changing_names() {
        let (failures, now) = (Failures::new(2, 60).unwrap(), Instant::now());
        let counted = (0..100)
            .filter(|name| {
                failures
                    .count_at(now, address(1), &name.to_string())
                    .is_ok()
            })
            .count();
        assert_eq!(counted, 20);
        assert!(failures.check_at(now, address(1), "another").is_err());
        assert_eq!(failures.check_at(now, address(2), "another"), Ok(()));
    }

    #[test]
    fn a_check_alone_is_not_counted() {
        let (failures, now) = (Failures::new(1, 60).unwrap(), Instant::now());
        for _ in 0..100 {
            assert_eq!(failures.check_at(now, address(1), "a"), Ok(()));
        }
        assert_eq!(failures.count_at(now, address(1), "a"), Ok(()));
    }

    #[test]
    fn many_addresses_use_limited_memory() {
        let failures = Failures::new(1, 60).unwrap();
        for number in 0..u32::try_from(2 * REMEMBERED).unwrap() {
            let _ = failures.count(IpAddr::V4(number.into()), "a");
        }
        assert!(failures.parties().len() <= REMEMBERED + 1, "{failures:?}");
    }

    #[test]
    fn a_missing_count_disables_the_limit() {
        assert!(Failures::new(0, 60).is_none() && Failures::new(5, 0).is_none());
    }
}
