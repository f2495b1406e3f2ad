//! How far a sweep may go: what it removes is gone for good, and the time of day can jump.
//!
//! A clock that was set wrong, or a battery that is empty at a start, ends every client, token and nonce
//! with an end before that moment. That passes when the clock is set right; what was removed meanwhile does not
//! come back. So the time of day is held against a clock that only ticks, and across starts against the
//! moment that the store saw last. What lies beyond waits: for as long as the jump is wide, and no longer
//! than the operator says. After that the time of day is believed, since a server may well have
//! been off for a month, and the clients that ended meanwhile are removed little by little.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::store::seen::Seen;
use crate::store::{Store, StoreError};

/// Seconds by which the time of day may be ahead: a clock is put right now and then, and a start takes a
/// while.
const TOLERANCE: u64 = 600;
/// Between two times that the store is told what time it is.
const TELL: Duration = Duration::from_mins(5);

/// How far a sweep may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// What ended at this moment or before may be removed.
    pub until: Timestamp,
    /// Why that is not now.
    pub jump: Option<Jump>,
    /// Whether what is removed ended in a time that nobody saw: only a share of it goes at a time.
    pub is_sparing: bool,
}

/// The time of day is further than it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// By so many seconds.
    pub ahead: u64,
    /// Seconds until it is believed.
    pub left: u64,
}

/// What is known of the time.
#[derive(Default)]
pub struct Steady(Mutex<Option<State>>);

/// What is said of a jump.
impl fmt::Display for Jump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ahead, left } = self;
        write!(
            f,
            "the time of day is {ahead} s ahead of the time that has passed; nothing that ended in between is \
             removed for another {left} s. Set the clock right; when it is right, wait, or set \
             store.clockJumpHoldSeconds to 0 and restart"
        )
    }
}

#[derive(Clone, Copy)]
struct State {
    /// The moment that is certain, and what the clock that only ticks showed then.
    moment: Timestamp,
    ticks: Duration,
    /// Since when the time of day is ahead of that.
    ahead_since: Option<Duration>,
    /// Seconds for which it was so before this start.
    waited: u64,
    is_sparing: bool,
    told: Option<Duration>,
    jump: Option<Jump>,
}

impl Steady {
    /// How far a sweep may go at the present moment, when a jump waits for `patience` seconds at most.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn look(&self, store: &Store, clock: &dyn Clock, patience: u64) -> Result<Due, StoreError> {
        let begun = *self.state();
        let mut state = match begun {
            Some(state) => state,
            None => State::begin(clock, store.seen().await?),
        };
        let due = state.look(clock, patience);
        state.jump = due.jump;
        let ticks = clock.ticks();
        if state.told.is_none_or(|told| ticks.saturating_sub(told) >= TELL) {
            let waited = state.waited(ticks);
            store.set_seen(Seen { moment: due.until, waited }).await?;
            state.told = Some(ticks);
        }
        *self.state() = Some(state);
        Ok(due)
    }

    /// The jump that the last look saw.
    pub fn jump(&self) -> Option<Jump> {
        self.state().as_ref().and_then(|state| state.jump)
    }

    /// What ended in a time that nobody saw is removed.
    pub fn caught_up(&self) {
        if let Some(state) = &mut *self.state() {
            state.is_sparing = false;
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// At the start of a server whose store saw `seen` last.
    fn begin(clock: &dyn Clock, seen: Option<Seen>) -> Self {
        let (now, ticks) = (clock.now(), clock.ticks());
        let seen = seen.unwrap_or(Seen { moment: now, waited: 0 });
        let Seen { moment, waited } = seen;
        Self { moment, ticks, ahead_since: None, waited, is_sparing: false, told: None, jump: None }
    }

    /// Seconds for which the time of day is ahead.
    fn waited(&self, ticks: Duration) -> u64 {
        let now = self.ahead_since.map_or(0, |since| ticks.saturating_sub(since).as_secs());
        self.waited.saturating_add(now)
    }

    fn look(&mut self, clock: &dyn Clock, patience: u64) -> Due {
        let (now, ticks) = (clock.now(), clock.ticks());
        let certain = self.moment.plus(ticks.saturating_sub(self.ticks).as_secs());
        let ahead = now.unix().saturating_sub(certain.unix());
        if ahead > TOLERANCE {
            self.ahead_since.get_or_insert(ticks);
            // A narrow jump does little harm, and need not wait for long.
            let left = patience.min(ahead).saturating_sub(self.waited(ticks));
            if left > 0 {
                return Due { until: certain, jump: Some(Jump { ahead, left }), is_sparing: self.is_sparing };
            }
            self.is_sparing = patience > 0;
        }
        // A clock that is put back is believed: less has ended then.
        (self.moment, self.ticks, self.ahead_since, self.waited) = (now, ticks, None, 0);
        Due { until: now, jump: None, is_sparing: self.is_sparing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const START: Timestamp = Timestamp::from_unix(1_767_225_600);
    const DAY: u64 = 86_400;

    fn state(clock: &ManualClock, seen: Option<(u64, u64)>) -> State {
        let seen =
            seen.map(|(ago, waited)| Seen { moment: Timestamp::from_unix(START.unix() - ago), waited });
        State::begin(clock, seen)
    }

    #[test]
    fn a_clock_that_ticks_is_believed() {
        let clock = ManualClock::new(START);
        let mut state = state(&clock, None);
        for (ticks, jump) in [(30, 0), (30, 500), (DAY, 500), (100 * DAY, 0)] {
            clock.advance(ticks);
            clock.jump(jump);
            assert_eq!(state.look(&clock, DAY), Due { until: clock.now(), jump: None, is_sparing: false });
        }
    }

    #[test]
    fn a_jump_waits_and_is_believed_in_the_end() {
        for (width, patience, wait) in [(3_600, DAY, 3_600), (30 * DAY, DAY, DAY), (30 * DAY, 0, 0)] {
            let clock = ManualClock::new(START);
            let mut state = state(&clock, None);
            clock.jump(width);
            if wait > 0 {
                let due = state.look(&clock, patience);
                assert_eq!((due.until, due.jump), (START, Some(Jump { ahead: width, left: wait })));
                clock.advance(wait - 1);
                let due = state.look(&clock, patience);
                assert_eq!(due.until, START.plus(wait - 1));
                assert_eq!(due.jump, Some(Jump { ahead: width, left: 1 }));
                clock.advance(1);
            }
            let due = Due { until: clock.now(), jump: None, is_sparing: patience > 0 };
            assert_eq!(state.look(&clock, patience), due, "{width} {patience}");
        }
    }

    #[test]
    fn a_clock_that_is_put_right_ends_the_wait() {
        let clock = ManualClock::new(START);
        let mut state = state(&clock, None);
        clock.jump(3_650 * DAY);
        assert!(state.look(&clock, DAY).jump.is_some());
        clock.set(START.plus(100));
        assert_eq!(state.look(&clock, DAY), Due { until: clock.now(), jump: None, is_sparing: false });
        clock.set(Timestamp::from_unix(START.unix() - DAY));
        assert_eq!(state.look(&clock, DAY).until, clock.now());
        // The next jump waits anew.
        clock.jump(3_650 * DAY);
        assert_eq!(state.look(&clock, DAY).jump.map(|jump| jump.left), Some(DAY));
    }

    #[test]
    fn a_start_goes_by_what_the_store_saw_last() {
        let clock = ManualClock::new(START);
        assert_eq!(state(&clock, Some((400, 0))).look(&clock, DAY).jump, None);
        let mut off = state(&clock, Some((30 * DAY, 0)));
        let due = off.look(&clock, DAY);
        assert_eq!(due.until.unix(), START.unix() - 30 * DAY);
        assert_eq!(due.jump, Some(Jump { ahead: 30 * DAY, left: DAY }));
        // A wait does not begin again with each start.
        let mut again = state(&clock, Some((30 * DAY, DAY - 60)));
        assert_eq!(again.look(&clock, DAY).jump.map(|jump| jump.left), Some(60));
        clock.advance(60);
        assert_eq!(again.look(&clock, DAY), Due { until: clock.now(), jump: None, is_sparing: true });
    }
}
