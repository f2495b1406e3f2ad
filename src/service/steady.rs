//! The limit of a sweep. A sweep deletes for good, while the time of day can jump.
//!
//! A clock that was set wrong, or an empty battery at startup, makes every client, token and nonce with an
//! earlier expiry appear expired. Setting the clock right corrects that, but does not restore what was
//! deleted meanwhile. Therefore the time of day is compared with a monotonic clock and, across restarts, with
//! the last moment recorded in the store. What expired beyond the expected time is kept as long as the jump
//! is wide, but no longer than the operator allows. After that the time of day is trusted, since a server may
//! well have been stopped for a month, and the clients that expired meanwhile are deleted in small batches.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::{Clock, Timestamp};
use crate::store::{Store, StoreError, seen::Seen};

/// Seconds by which the time of day may be ahead: clocks are adjusted now and then, and a startup takes a
/// while.
const TOLERANCE: u64 = 600;
/// The interval at which the time is recorded in the store.
const TELL: Duration = Duration::from_mins(5);

/// The limit of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// What expired at or before this moment may be deleted.
    pub(crate) until: Timestamp,
    /// The reason if that moment is not now.
    pub(crate) jump: Option<Jump>,
    /// Whether what is deleted expired while no server was observing the time. Only a share of it is deleted
    /// at a time.
    pub(crate) is_sparing: bool,
}

/// The time of day is further ahead than it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Jump {
    /// By this number of seconds.
    pub(crate) ahead: u64,
    /// Seconds until it is trusted.
    pub(crate) left: u64,
}

/// What is known about the time.
#[derive(Default)]
pub(crate) struct Steady(Mutex<Option<State>>);

/// Describes the jump for the log and for administrators.
impl fmt::Display for Jump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ahead, left } = self;
        write!(
            f,
            "the time of day is {ahead} s ahead of the elapsed time; nothing that expired in between is \
             deleted for another {left} s. Check the clock and set it right. If it is right, wait, or set \
             store.clockJumpHoldSeconds to 0 and restart"
        )
    }
}

#[derive(Clone, Copy)]
struct State {
    /// The moment that is certain, and the reading of the monotonic clock at that moment.
    moment: Timestamp,
    ticks: Duration,
    /// The time since which the time of day has been ahead of that.
    ahead_since: Option<Duration>,
    /// Seconds for which it was ahead before this startup.
    waited: u64,
    is_sparing: bool,
    told: Option<Duration>,
    jump: Option<Jump>,
}

impl Steady {
    /// Returns the limit of a sweep at the current moment. A jump is held for at most `patience` seconds.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn look(
        &self,
        store: &Store,
        clock: &dyn Clock,
        patience: u64,
    ) -> Result<Due, StoreError> {
        let begun = *self.state();
        let mut state = match begun {
            Some(state) => state,
            None => State::begin(clock, store.seen().await?),
        };
        let due = state.look(clock, patience);
        state.jump = due.jump;
        let ticks = clock.ticks();
        if state
            .told
            .is_none_or(|told| ticks.saturating_sub(told) >= TELL)
        {
            let waited = state.waited(ticks);
            store
                .set_seen(Seen {
                    moment: due.until,
                    waited,
                })
                .await?;
            state.told = Some(ticks);
        }
        *self.state() = Some(state);
        Ok(due)
    }

    /// Returns the jump that the last check found.
    pub(crate) fn jump(&self) -> Option<Jump> {
        self.state().as_ref().and_then(|state| state.jump)
    }

    /// Notes that everything is deleted that expired while no server was observing the time.
    pub(crate) fn caught_up(&self) {
        if let Some(state) = &mut *self.state() {
            state.is_sparing = false;
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The state at the startup of a server whose store recorded `seen` last.
    fn begin(clock: &dyn Clock, seen: Option<Seen>) -> Self {
        let (now, ticks) = (clock.now(), clock.ticks());
        let seen = seen.unwrap_or(Seen {
            moment: now,
            waited: 0,
        });
        let Seen { moment, waited } = seen;
        Self {
            moment,
            ticks,
            ahead_since: None,
            waited,
            is_sparing: false,
            told: None,
            jump: None,
        }
    }

    /// Returns the seconds for which the time of day has been ahead.
    fn waited(&self, ticks: Duration) -> u64 {
        let now = self
            .ahead_since
            .map_or(0, |since| ticks.saturating_sub(since).as_secs());
        self.waited.saturating_add(now)
    }

    fn look(&mut self, clock: &dyn Clock, patience: u64) -> Due {
        let (now, ticks) = (clock.now(), clock.ticks());
        let certain = self.moment.plus(ticks.saturating_sub(self.ticks).as_secs());
        let ahead = now.unix().saturating_sub(certain.unix());
        if ahead > TOLERANCE {
            self.ahead_since.get_or_insert(ticks);
            // A narrow jump does little harm and need not be held for long.
            let left = patience.min(ahead).saturating_sub(self.waited(ticks));
            if left > 0 {
                return Due {
                    until: certain,
                    jump: Some(Jump { ahead, left }),
                    is_sparing: self.is_sparing,
                };
            }
            self.is_sparing = patience > 0;
        }
        // A clock that is set back is trusted: less has expired then.
        (self.moment, self.ticks, self.ahead_since, self.waited) = (now, ticks, None, 0);
        Due {
            until: now,
            jump: None,
            is_sparing: self.is_sparing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ManualClock;

    const START: Timestamp = Timestamp::from_unix(1_767_225_600);
    const DAY: u64 = 86_400;

    fn state(clock: &ManualClock, seen: Option<(u64, u64)>) -> State {
        let seen = seen.map(|(ago, waited)| Seen {
            moment: Timestamp::from_unix(START.unix() - ago),
            waited,
        });
        State::begin(clock, seen)
    }

    #[test]
    fn a_steady_clock_is_trusted() {
        let clock = ManualClock::new(START);
        let mut state = state(&clock, None);
        for (ticks, jump) in [(30, 0), (30, 500), (DAY, 500), (100 * DAY, 0)] {
            clock.advance(ticks);
            clock.jump(jump);
            assert_eq!(
                state.look(&clock, DAY),
                Due {
                    until: clock.now(),
                    jump: None,
                    is_sparing: false
                }
            );
        }
    }

    #[test]
    fn a_jump_is_trusted_only_after_a_wait() {
        for (width, patience, wait) in [(3_600, DAY, 3_600), (30 * DAY, DAY, DAY), (30 * DAY, 0, 0)]
        {
            let clock = ManualClock::new(START);
            let mut state = state(&clock, None);
            clock.jump(width);
            if wait > 0 {
                let due = state.look(&clock, patience);
                assert_eq!(
                    (due.until, due.jump),
                    (
                        START,
                        Some(Jump {
                            ahead: width,
                            left: wait
                        })
                    )
                );
                clock.advance(wait - 1);
                let due = state.look(&clock, patience);
                assert_eq!(due.until, START.plus(wait - 1));
                assert_eq!(
                    due.jump,
                    Some(Jump {
                        ahead: width,
                        left: 1
                    })
                );
                clock.advance(1);
            }
            let due = Due {
                until: clock.now(),
                jump: None,
                is_sparing: patience > 0,
            };
            assert_eq!(state.look(&clock, patience), due, "{width} {patience}");
        }
    }

    #[test]
    fn a_corrected_clock_ends_the_wait() {
        let clock = ManualClock::new(START);
        let mut state = state(&clock, None);
        clock.jump(3_650 * DAY);
        assert!(state.look(&clock, DAY).jump.is_some());
        clock.set(START.plus(100));
        assert_eq!(
            state.look(&clock, DAY),
            Due {
                until: clock.now(),
                jump: None,
                is_sparing: false
            }
        );
        clock.set(Timestamp::from_unix(START.unix() - DAY));
        assert_eq!(state.look(&clock, DAY).until, clock.now());
        // The next jump is held anew.
        clock.jump(3_650 * DAY);
        assert_eq!(
            state.look(&clock, DAY).jump.map(|jump| jump.left),
            Some(DAY)
        );
    }

    #[test]
    fn a_start_uses_the_last_time_in_the_store() {
        let clock = ManualClock::new(START);
        assert_eq!(state(&clock, Some((400, 0))).look(&clock, DAY).jump, None);
        let mut off = state(&clock, Some((30 * DAY, 0)));
        let due = off.look(&clock, DAY);
        assert_eq!(due.until.unix(), START.unix() - 30 * DAY);
        assert_eq!(
            due.jump,
            Some(Jump {
                ahead: 30 * DAY,
                left: DAY
            })
        );
        // The hold does not start over with each restart.
        let mut again = state(&clock, Some((30 * DAY, DAY - 60)));
        assert_eq!(again.look(&clock, DAY).jump.map(|jump| jump.left), Some(60));
        clock.advance(60);
        assert_eq!(
            again.look(&clock, DAY),
            Due {
                until: clock.now(),
                jump: None,
                is_sparing: true
            }
        );
    }
}
