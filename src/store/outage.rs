//! Logs that the store is unavailable: one line per second with a count, however many requests fail.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::StoreError;

/// Minimum time between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// What was logged, and what was not.
struct Told {
    last: Option<Instant>,
    /// Failures since the last line.
    since: u64,
}

impl Told {
    const fn nothing() -> Self {
        Self {
            last: None,
            since: 0,
        }
    }

    /// Counts one more failure at `now`. Returns the number of failures to log when a line is due.
    fn more(&mut self, now: Instant) -> Option<u64> {
        self.since = self.since.saturating_add(1);
        if self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < PAUSE)
        {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.since))
    }
}

static TOLD: Mutex<Told> = Mutex::new(Told::nothing());

/// Logs that the store failed. A failure that concerns one record is logged each time.
pub(crate) fn tell(error: &StoreError) {
    match error {
        StoreError::Unavailable(_) | StoreError::Busy | StoreError::Damaged(_) => {
            let due = TOLD
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .more(Instant::now());
            if let Some(failures) = due {
                tracing::error!(%error, failures, "the store failed");
            }
        }
        other => tracing::error!(error = %other, "the store failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_counts_what_failed() {
        let (mut told, begun) = (Told::nothing(), Instant::now());
        let at = |milliseconds| begun + Duration::from_millis(milliseconds);
        for (moment, due) in [
            (0, Some(1)),
            (1, None),
            (500, None),
            (999, None),
            (1_000, Some(4)),
            (1_500, None),
            (9_000, Some(2)),
        ] {
            assert_eq!(told.more(at(moment)), due, "{moment} ms");
        }
    }
}
