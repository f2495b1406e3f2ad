//! Long-running work on a store that no server has open. It reports its progress and can be ended.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::store::StoreError;

/// One piece of work, shared by the thread that does it and the thread that waits.
#[derive(Debug, Default)]
pub(crate) struct Work {
    is_ended: AtomicBool,
    done: AtomicU64,
}

impl Work {
    /// Ends the work at its next step; the work cleans up after itself.
    pub(crate) fn end(&self) {
        self.is_ended.store(true, Ordering::SeqCst);
    }

    /// Returns the progress: bytes copied or read, plus records.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    /// Adds `more` to the progress.
    ///
    /// # Errors
    /// When the work is to end.
    pub(in crate::store) fn step(&self, more: u64) -> Result<(), StoreError> {
        self.done.fetch_add(more, Ordering::SeqCst);
        if self.is_ended.load(Ordering::SeqCst) {
            Err(StoreError::Ended)
        } else {
            Ok(())
        }
    }
}
