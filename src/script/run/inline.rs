//! Decides where a hook runs: on the thread that serves the request, or on a script thread.
//!
//! Passing work to another thread and back takes longer than an ordinary hook. A hook therefore runs on
//! the thread of the request after many calls that finished quickly. One call that works long or waits
//! ends this, and the hook then needs twice as many quick calls as before. So a client that sends slow
//! requests on purpose can hold up others less and less often.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
#[cfg(not(unix))]
use std::time::Instant;

/// The maximum duration of a quick call, which is about as long as the rest of a request.
const QUICK: Duration = Duration::from_micros(250);
/// The number of quick calls after which a hook is considered quick, at first and at most.
const FEWEST: u32 = 16;
const MOST: u32 = 4_096;

/// How long one hook of one set of scripts takes.
#[derive(Debug)]
pub(in crate::script) struct Pace {
    /// The number of consecutive quick calls.
    quick: AtomicU32,
    /// The number of quick calls after which the hook is considered quick.
    due: AtomicU32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            quick: AtomicU32::new(0),
            due: AtomicU32::new(FEWEST),
        }
    }
}

impl Pace {
    /// Returns whether the hook is considered quick.
    pub(in crate::script) fn is_quick(&self) -> bool {
        self.quick.load(Ordering::Relaxed) >= self.due.load(Ordering::Relaxed)
    }

    /// Records a call of all scripts of the hook: how long it worked, and whether it waited.
    pub(in crate::script) fn note(&self, worked: Duration, has_waited: bool) {
        if worked <= QUICK && !has_waited {
            // The counter only has to reach the threshold, so threads do not keep writing it afterwards.
            if !self.is_quick() {
                self.quick.fetch_add(1, Ordering::Relaxed);
            }
        } else if self.quick.swap(0, Ordering::Relaxed) >= self.due.load(Ordering::Relaxed) {
            let longer = self.due.load(Ordering::Relaxed).saturating_mul(2).min(MOST);
            self.due.store(longer, Ordering::Relaxed);
        }
    }
}

/// The time that the current thread has worked, without the time that other threads used its processor. On a
/// busy server, a script must not count as slow.
#[derive(Clone, Copy)]
pub(in crate::script) struct WorkTime {
    #[cfg(unix)]
    begun: Duration,
    #[cfg(not(unix))]
    begun: Instant,
}

impl WorkTime {
    /// Starts measuring now.
    pub(in crate::script) fn begin() -> Self {
        #[cfg(unix)]
        return Self { begun: worked() };
        #[cfg(not(unix))]
        return Self {
            begun: Instant::now(),
        };
    }

    /// Returns the time worked since the start.
    pub(in crate::script) fn done(&self) -> Duration {
        #[cfg(unix)]
        return worked().saturating_sub(self.begun);
        #[cfg(not(unix))]
        return self.begun.elapsed();
    }
}

/// Returns the processor time of this thread.
#[cfg(unix)]
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let part =
        |number: i64, unit: fn(u64) -> Duration| unit(u64::try_from(number).unwrap_or_default());
    part(time.tv_sec, Duration::from_secs) + part(time.tv_nsec, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Duration = Duration::from_millis(1);

    fn calls_until_quick(pace: &Pace) -> u32 {
        (1..=2 * MOST)
            .find(|_| {
                pace.note(Duration::ZERO, false);
                pace.is_quick()
            })
            .unwrap()
    }

    #[test]
    fn each_slow_call_requires_more_quick_ones() {
        let pace = Pace::default();
        assert!(!pace.is_quick());
        for due in [16, 32, 64] {
            assert_eq!(calls_until_quick(&pace), due);
            pace.note(SLOW, false);
            assert!(!pace.is_quick());
        }
        for _ in 0..20 {
            calls_until_quick(&pace);
            pace.note(SLOW, false);
        }
        assert_eq!(calls_until_quick(&pace), MOST);
    }

    #[test]
    fn a_call_that_waits_is_slow_however_little_it_works() {
        let pace = Pace::default();
        calls_until_quick(&pace);
        pace.note(Duration::ZERO, true);
        assert!(!pace.is_quick());
    }

    #[test]
    fn a_hook_that_was_never_quick_needs_the_usual_number_of_calls() {
        let pace = Pace::default();
        for _ in 0..100 {
            pace.note(SLOW, false);
        }
        assert_eq!(calls_until_quick(&pace), FEWEST);
    }
}
