//! How many new URLs are fetched: strangers name them, and each fetch is a request to a third party.

use std::collections::HashMap;

use crate::base::Timestamp;
use crate::config::Limits;
use crate::resolution::ResolveError;

/// Seconds for which a host without documents is left alone.
const PAUSE: u64 = 600;
/// The number of URLs without a document after which a host is left alone.
const USELESS: usize = 3;
const HOUR: u64 = 3_600;
const MINUTE: u64 = 60;
/// The maximum number of hosts that are remembered.
const HOSTS: usize = 10_000;

/// What new URLs have used up.
#[derive(Default)]
pub(super) struct Budget {
    minute: Window,
    hosts: HashMap<String, HostBudget>,
}

/// A number of fetches since a moment.
#[derive(Default, Clone, Copy)]
struct Window {
    since: Timestamp,
    fetches: u32,
}

#[derive(Default)]
struct HostBudget {
    hour: Window,
    /// URLs that had no document.
    useless: Vec<String>,
    paused_until: Timestamp,
}

impl Window {
    /// Counts a fetch if there were fewer than `most` in `length` seconds. Returns the seconds to wait otherwise.
    fn count(&mut self, now: Timestamp, length: u64, most: u32) -> Result<(), u64> {
        let end = self.since.plus(length);
        if end <= now {
            *self = Self {
                since: now,
                fetches: 0,
            };
        } else if self.fetches >= most {
            return Err(end.unix().saturating_sub(now.unix()).max(1));
        }
        self.fetches = self.fetches.saturating_add(1);
        Ok(())
    }
}

impl Budget {
    /// Counts the fetch of a new URL of `host`.
    ///
    /// # Errors
    /// When a limit is reached.
    pub(super) fn count(
        &mut self,
        host: &str,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<(), ResolveError> {
        let busy = |retry_after| ResolveError::Busy {
            description: "too many new client documents are fetched; retry later",
            retry_after,
        };
        // What is refused uses up nothing, neither of this window nor of that of the host.
        let mut minute = self.minute;
        minute
            .count(now, MINUTE, limits.document_fetches)
            .map_err(busy)?;
        if !self.has_room(host, now) {
            return Err(busy(MINUTE));
        }
        let known = self.hosts.entry(host.to_owned()).or_default();
        if now < known.paused_until {
            return Err(ResolveError::Busy {
                description: "this host had no client documents at several URLs; retry later",
                retry_after: known.paused_until.unix().saturating_sub(now.unix()),
            });
        }
        known
            .hour
            .count(now, HOUR, limits.document_fetches_per_host)
            .map_err(busy)?;
        self.minute = minute;
        Ok(())
    }

    /// Whether `host` is remembered or can be. Forgets hosts that have used up little, if necessary.
    fn has_room(&mut self, host: &str, now: Timestamp) -> bool {
        if self.hosts.len() < HOSTS || self.hosts.contains_key(host) {
            return true;
        }
        self.hosts.retain(|_, one| {
            now < one.paused_until || now < one.hour.since.plus(HOUR) && one.hour.fetches > 1
        });
        self.hosts.len() < HOSTS
    }

    /// Notes whether `url` of `host` had a document.
    pub(super) fn note(&mut self, host: &str, url: &str, has_document: bool, now: Timestamp) {
        let Some(known) = self.hosts.get_mut(host) else {
            return;
        };
        if has_document {
            known.useless.clear();
            return;
        }
        if !known.useless.iter().any(|other| other == url) {
            known.useless.push(url.to_owned());
        }
        if known.useless.len() >= USELESS {
            known.useless.clear();
            known.paused_until = now.plus(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn wait(outcome: Result<(), ResolveError>) -> u64 {
        match outcome {
            Ok(()) => 0,
            Err(ResolveError::Busy { retry_after, .. }) => retry_after,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn each_host_and_all_hosts_have_a_limit() {
        let limits = Limits {
            document_fetches_per_host: 2,
            document_fetches: 3,
            ..Limits::default()
        };
        let mut budget = Budget::default();
        assert_eq!(wait(budget.count("a", at(10_000), &limits)), 0);
        assert_eq!(wait(budget.count("a", at(10_001), &limits)), 0);
        assert_eq!(wait(budget.count("a", at(10_002), &limits)), 3_598);
        assert_eq!(wait(budget.count("b", at(10_002), &limits)), 0);
        assert_eq!(wait(budget.count("c", at(10_003), &limits)), 57);
        assert_eq!(wait(budget.count("c", at(10_060), &limits)), 0);
        assert_eq!(wait(budget.count("a", at(13_600), &limits)), 0);
    }

    #[test]
    fn a_refused_url_uses_up_nothing() {
        let limits = Limits {
            document_fetches_per_host: 1,
            document_fetches: 1,
            ..Limits::default()
        };
        let mut budget = Budget::default();
        assert_eq!(wait(budget.count("a", at(10_000), &limits)), 0);
        for host in ["b", "c", "d"] {
            assert_eq!(wait(budget.count(host, at(10_001), &limits)), 59);
        }
        assert_eq!(budget.hosts.len(), 1);
        assert_eq!(wait(budget.count("a", at(10_060), &limits)), 3_540);
        assert_eq!(wait(budget.count("b", at(10_060), &limits)), 0);
    }

    #[test]
    fn a_host_without_documents_is_left_alone() {
        let (limits, mut budget) = (Limits::default(), Budget::default());
        assert_eq!(wait(budget.count("a", at(10_000), &limits)), 0);
        for url in ["1", "2", "2", "1"] {
            budget.note("a", url, false, at(10_000));
        }
        assert_eq!(wait(budget.count("a", at(10_000), &limits)), 0);
        budget.note("a", "3", false, at(10_000));
        assert_eq!(wait(budget.count("a", at(10_100), &limits)), 500);
        assert_eq!(wait(budget.count("b", at(10_100), &limits)), 0);
        assert_eq!(wait(budget.count("a", at(10_600), &limits)), 0);
        budget.note("a", "4", false, at(10_600));
        budget.note("a", "5", true, at(10_600));
        budget.note("a", "6", false, at(10_600));
        budget.note("a", "7", false, at(10_600));
        assert_eq!(wait(budget.count("a", at(10_600), &limits)), 0);
    }
}
