//! Watches what scripts do: for tests and trials of scripts. A server has none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Lines that are kept.
const LINES: usize = 1_000;

/// What scripts wrote to the log, and how many operations they used.
#[derive(Debug, Default)]
pub(super) struct Observer {
    lines: Mutex<Vec<String>>,
    operations: AtomicU64,
}

impl Observer {
    /// A line that a script wrote; those behind the first thousand are not kept.
    pub(super) fn line(&self, level: &str, text: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES {
            lines.push(format!("{level}: {text}"));
        }
    }

    /// One more operation.
    pub(super) fn count(&self) {
        self.operations.fetch_add(1, Ordering::Relaxed);
    }

    /// The operations so far.
    pub(super) fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// The lines from the one at `index` on.
    pub(super) fn lines_from(&self, index: usize) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().skip(index).cloned().collect()
    }
}
