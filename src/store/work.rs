//! Long work on a store that nobody has open: it says how far it is, and can be ended.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::StoreError;

/// One piece of work, shared by the thread that does it and the one that waits.
#[derive(Debug, Default)]
pub struct Work {
    is_ended: AtomicBool,
    done: AtomicU64,
}

impl Work {
    /// Ends it at its next step; it cleans up behind itself.
    pub fn end(&self) {
        self.is_ended.store(true, Ordering::SeqCst);
    }

    /// How far it is: bytes that were copied or read, and records.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    /// `more` was done.
    ///
    /// # Errors
    /// When it is to end.
    pub(super) fn step(&self, more: u64) -> Result<(), StoreError> {
        self.done.fetch_add(more, Ordering::SeqCst);
        if self.is_ended.load(Ordering::SeqCst) { Err(StoreError::Ended) } else { Ok(()) }
    }
}
