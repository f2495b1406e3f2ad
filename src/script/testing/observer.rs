//! Observes what scripts do, for tests and trials of scripts. A server has no observer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The maximum number of lines that are kept.
const LINES: usize = 1_000;

/// The lines that scripts wrote to the log, and the number of operations that they used.
#[derive(Debug, Default)]
pub(in crate::script) struct ScriptObserver {
    lines: Mutex<Vec<String>>,
    operations: AtomicU64,
}

impl ScriptObserver {
    /// Keeps a line that a script wrote; lines after the first thousand are dropped.
    pub(in crate::script) fn line(&self, level: &str, text: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES {
            lines.push(format!("{level}: {text}"));
        }
    }

    /// Counts one more operation.
    pub(in crate::script) fn count(&self) {
        self.operations.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of operations so far.
    pub(in crate::script) fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// Returns the lines from `index` on.
    pub(in crate::script) fn lines_from(&self, index: usize) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().skip(index).cloned().collect()
    }
}
