//! Keeps what is written while a store is copied. A copy that reads all pairs one after the other and then applies
//! what was written meanwhile, in the order of the batches, is the store at one moment.
//!
//! The values of a key that was written several times are merged, so the memory is bounded by what differs. A copy
//! that is taken away too slowly fails, and never holds up the writer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::Values;

/// The maximum size of what is kept, keys and values, in bytes.
const MOST_BYTES: usize = 64 << 20;

/// Why a copy cannot be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JournalFault {
    /// What was written is no longer kept.
    #[error(
        "more than {} MiB were written before the backup was read on; make it over a faster connection, or when \
         fewer clients register",
        MOST_BYTES >> 20
    )]
    TooSlow,
    /// It is unknown whether a change that the copy may contain was made.
    #[error("a write to the store failed meanwhile; make the backup again")]
    WriteFailed,
}

/// Passes what is written to the copy that is being made, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Option<Meanwhile>>>);

/// What was written since it was last taken.
#[derive(Default)]
struct Meanwhile {
    values: Values,
    bytes: usize,
    fault: Option<JournalFault>,
}

impl Journal {
    /// Begins to keep what is written. Returns `None` if that is already done for another copy.
    pub(in crate::store) fn record(&self) -> Option<Recording> {
        let mut kept = self.kept();
        if kept.is_some() {
            return None;
        }
        *kept = Some(Meanwhile::default());
        Some(Recording(self.clone()))
    }

    /// `values` can be read from now on. Every batch must be passed, and before its changes are answered.
    pub(in crate::store) fn written(&self, values: Values) {
        if let Some(kept) = &mut *self.kept() {
            kept.add(values);
        }
    }

    /// A batch was perhaps written in part.
    pub(in crate::store) fn failed(&self) {
        if let Some(kept) = &mut *self.kept() {
            kept.fail(JournalFault::WriteFailed);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Option<Meanwhile>> {
        // A panic while values are added could lose some, but nothing there can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meanwhile {
    fn add(&mut self, values: Values) {
        if self.fault.is_some() {
            return;
        }
        for (key, value) in values {
            let length = key.len();
            self.bytes += length + size(value.as_ref());
            if let Some(previous) = self.values.insert(key, value) {
                self.bytes -= length + size(previous.as_ref());
            }
        }
        if self.bytes > MOST_BYTES {
            self.fail(JournalFault::TooSlow);
        }
    }

    fn fail(&mut self, fault: JournalFault) {
        *self = Self {
            fault: Some(fault),
            ..Self::default()
        };
    }
}

fn size(value: Option<&Vec<u8>>) -> usize {
    value.map_or(0, Vec::len)
}

/// The right to the journal of one copy. It ends with this value.
pub(crate) struct Recording(Journal);

impl Recording {
    /// Returns what was written since the last call.
    ///
    /// # Errors
    /// When something is missing, so that the copy cannot be completed.
    pub(in crate::store) fn take(&self) -> Result<Values, JournalFault> {
        let mut kept = self.0.kept();
        let kept = kept.get_or_insert_default();
        match kept.fault {
            Some(fault) => Err(fault),
            None => Ok(std::mem::take(kept).values),
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        *self.0.kept() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, Option<usize>)]) -> Values {
        let mut values = Values::new();
        for (key, length) in pairs {
            let value = length.map(|length| vec![7; length]);
            values.insert(key.as_bytes().to_vec(), value);
        }
        values
    }

    #[test]
    fn the_last_value_of_each_key_is_kept_for_one_copy_at_a_time() {
        let journal = Journal::default();
        journal.written(values(&[("early", Some(1))]));
        let recording = journal.record().expect("no other one");
        assert!(journal.record().is_none());
        journal.written(values(&[("a", Some(1)), ("b", Some(2))]));
        journal.written(values(&[("a", None)]));
        assert_eq!(recording.take(), Ok(values(&[("a", None), ("b", Some(2))])));
        assert_eq!(recording.take(), Ok(Values::new()));
        drop(recording);
        journal.written(values(&[("late", Some(1))]));
        assert_eq!(
            journal.record().expect("free again").take(),
            Ok(Values::new())
        );
    }

    #[test]
    fn a_copy_that_misses_something_fails() {
        let journal = Journal::default();
        let recording = journal.record().expect("no other one");
        // The same key again needs no more memory.
        for _ in 0..3 {
            journal.written(values(&[("a", Some(MOST_BYTES / 2))]));
        }
        assert!(recording.take().is_ok());
        for key in ["a", "b", "c"] {
            journal.written(values(&[(key, Some(MOST_BYTES / 2))]));
        }
        assert_eq!(recording.take(), Err(JournalFault::TooSlow));
        assert_eq!(recording.take(), Err(JournalFault::TooSlow));
        drop(recording);
        let recording = journal.record().expect("free again");
        journal.failed();
        journal.written(values(&[("a", Some(1))]));
        assert_eq!(recording.take(), Err(JournalFault::WriteFailed));
    }
}
