//! How often each script was called, how often it failed, and how long it took.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::hook::Hook;

/// What one script did at one hook since the server started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallStatistics {
    /// The file name of the script.
    pub script: String,
    /// The hook.
    pub hook: Hook,
    /// Calls that have ended.
    pub calls: u64,
    /// Those of them that were faults.
    pub faults: u64,
    /// The time that the calls took, without waiting for answers from outside.
    pub ran: Duration,
    /// The time that they waited.
    pub waited: Duration,
}

/// Counts what one script does at one hook.
#[derive(Debug, Default)]
pub(super) struct Counters {
    calls: AtomicU64,
    faults: AtomicU64,
    ran_microseconds: AtomicU64,
    waited_microseconds: AtomicU64,
}

impl Counters {
    pub(super) fn add(&self, is_fault: bool, ran: Duration, waited: Duration) {
        let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.faults.fetch_add(u64::from(is_fault), Ordering::Relaxed);
        self.ran_microseconds.fetch_add(microseconds(ran), Ordering::Relaxed);
        self.waited_microseconds.fetch_add(microseconds(waited), Ordering::Relaxed);
    }

    /// The numbers as they are now.
    pub(super) fn read(&self, script: &str, hook: Hook) -> CallStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CallStatistics {
            script: script.to_owned(),
            hook,
            calls: read(&self.calls),
            faults: read(&self.faults),
            ran: Duration::from_micros(read(&self.ran_microseconds)),
            waited: Duration::from_micros(read(&self.waited_microseconds)),
        }
    }
}

/// The counters of all sets of scripts: a script that is loaded again goes on counting.
#[derive(Debug, Default)]
pub(super) struct Statistics(Mutex<BTreeMap<(String, Hook), Arc<Counters>>>);

impl Statistics {
    /// The counters of these scripts and hooks. Those that no set uses any more are forgotten.
    pub(super) fn of(&self, wanted: &[(&str, &[Hook])]) -> Vec<Vec<(Hook, Arc<Counters>)>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut of = |script: &str, hook: Hook| {
            let counters = all.entry((script.to_owned(), hook)).or_default();
            (hook, Arc::clone(counters))
        };
        let found = wanted
            .iter()
            .map(|&(script, hooks)| hooks.iter().map(|&hook| of(script, hook)).collect())
            .collect();
        all.retain(|_, counters| Arc::strong_count(counters) > 1);
        found
    }
}
