//! Where a hook runs: on the thread that serves the request, or on one that may take its time.
//!
//! Handing work over and back takes longer than an ordinary hook does. A hook that was quick many
//! times runs where it is; one slow call, for whatever reason, and it has to prove itself again,
//! for twice as long as before. So who sends requests that are slow to judge on purpose keeps the
//! others waiting ever more rarely.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What a quick hook takes at most: about as long as the rest of a request.
const QUICK: Duration = Duration::from_micros(250);
/// Quick calls after which a hook is believed to be quick, at first and at most.
const FEWEST: u32 = 16;
const MOST: u32 = 4_096;

/// How long one hook of one set of scripts takes.
#[derive(Debug)]
pub(super) struct Pace {
    /// Quick calls in a row.
    quick: AtomicU32,
    /// How many of them prove it.
    due: AtomicU32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { quick: AtomicU32::new(0), due: AtomicU32::new(FEWEST) }
    }
}

impl Pace {
    /// Whether the hook is believed to be quick.
    pub(super) fn is_quick(&self) -> bool {
        self.quick.load(Ordering::Relaxed) >= self.due.load(Ordering::Relaxed)
    }

    /// Notes how long a call took, all scripts of the hook together.
    pub(super) fn note(&self, took: Duration) {
        if took <= QUICK {
            // It only has to get there, so it is not written again and again by all threads.
            if !self.is_quick() {
                self.quick.fetch_add(1, Ordering::Relaxed);
            }
        } else if self.quick.swap(0, Ordering::Relaxed) >= self.due.load(Ordering::Relaxed) {
            let longer = self.due.load(Ordering::Relaxed).saturating_mul(2).min(MOST);
            self.due.store(longer, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Duration = Duration::from_millis(1);

    fn calls_until_quick(pace: &Pace) -> u32 {
        (1..=2 * MOST)
            .find(|_| {
                pace.note(Duration::ZERO);
                pace.is_quick()
            })
            .unwrap()
    }

    #[test]
    fn one_slow_call_costs_ever_more_quick_ones() {
        let pace = Pace::default();
        assert!(!pace.is_quick());
        for due in [16, 32, 64] {
            assert_eq!(calls_until_quick(&pace), due);
            pace.note(SLOW);
            assert!(!pace.is_quick());
        }
        for _ in 0..20 {
            calls_until_quick(&pace);
            pace.note(SLOW);
        }
        assert_eq!(calls_until_quick(&pace), MOST);
    }

    #[test]
    fn a_hook_that_was_never_quick_has_the_same_way_to_go() {
        let pace = Pace::default();
        for _ in 0..100 {
            pace.note(SLOW);
        }
        assert_eq!(calls_until_quick(&pace), FEWEST);
    }
}
