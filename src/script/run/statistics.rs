//! Counts the calls and failures of each script, and the time that it took.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::script::Hook;

/// The statistics of one script at one hook since the server started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallStatistics {
    /// The file name of the script.
    pub(crate) script: String,
    /// The hook.
    pub(crate) hook: Hook,
    /// Calls that have ended.
    pub(crate) calls: u64,
    /// Calls that ended with a fault.
    pub(crate) faults: u64,
    /// The last fault, with its script and line, as the log has it.
    pub(crate) last_fault: Option<String>,
    /// The time that the calls took, without the time spent waiting for external systems and the store.
    pub(crate) ran: Duration,
    /// The time that the calls spent waiting.
    pub(crate) waited: Duration,
}

/// The counters of one script at one hook.
#[derive(Debug, Default)]
pub(in crate::script) struct Counters {
    calls: AtomicU64,
    faults: AtomicU64,
    last_fault: Mutex<Option<String>>,
    ran_microseconds: AtomicU64,
    waited_microseconds: AtomicU64,
}

impl Counters {
    pub(in crate::script) fn add(&self, fault: Option<String>, ran: Duration, waited: Duration) {
        let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.faults
            .fetch_add(u64::from(fault.is_some()), Ordering::Relaxed);
        if fault.is_some() {
            *self.last_fault() = fault;
        }
        self.ran_microseconds
            .fetch_add(microseconds(ran), Ordering::Relaxed);
        self.waited_microseconds
            .fetch_add(microseconds(waited), Ordering::Relaxed);
    }

    fn last_fault(&self) -> MutexGuard<'_, Option<String>> {
        self.last_fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current values.
    pub(in crate::script) fn read(&self, script: &str, hook: Hook) -> CallStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CallStatistics {
            script: script.to_owned(),
            hook,
            calls: read(&self.calls),
            faults: read(&self.faults),
            last_fault: self.last_fault().clone(),
            ran: Duration::from_micros(read(&self.ran_microseconds)),
            waited: Duration::from_micros(read(&self.waited_microseconds)),
        }
    }
}

/// The counters of all sets of scripts. A script keeps its counters when it is reloaded.
#[derive(Debug, Default)]
pub(in crate::script) struct CallCounters(Mutex<BTreeMap<(String, Hook), Arc<Counters>>>);

impl CallCounters {
    /// Returns the counters of the hooks of a script.
    pub(in crate::script) fn of_script(
        &self,
        script: &str,
        hooks: &[Hook],
    ) -> Vec<(Hook, Arc<Counters>)> {
        let mut all = self.all();
        let mut found = Vec::new();
        for &hook in hooks {
            let counters = all.entry((script.to_owned(), hook)).or_default();
            found.push((hook, Arc::clone(counters)));
        }
        found
    }

    /// Drops the counters that no set uses any longer.
    pub(in crate::script) fn drop_unused(&self) {
        self.all()
            .retain(|_, counters| Arc::strong_count(counters) > 1);
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<(String, Hook), Arc<Counters>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
