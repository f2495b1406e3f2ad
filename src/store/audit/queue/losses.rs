//! What is not written down: how many events of strangers may be, and how many were lost.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::telemetry::meter;

/// Events of strangers that are written when none came for long.
pub(super) const BURST: u32 = 200;
/// The time after which there is room for another one: 20 a second.
pub(super) const GAP: Duration = Duration::from_millis(50);
/// Between two times that the log says how many were lost, while nobody looks at it.
pub(super) const TELL: Duration = Duration::from_secs(10);

/// What is not written down.
#[derive(Debug)]
pub(super) struct Losses(Mutex<State>);

#[derive(Debug)]
struct State {
    /// When strangers have their whole budget again.
    whole: Instant,
    /// Events that were lost, and that the log does not tell of yet.
    lost: u64,
    /// When the last of them happened.
    last: Option<Timestamp>,
    /// When the log told of some.
    told: Option<Instant>,
}

impl Losses {
    /// None yet, and the whole budget.
    pub(super) fn none() -> Self {
        Self(Mutex::new(State { whole: Instant::now(), lost: 0, last: None, told: None }))
    }

    /// Takes one from the budget of strangers, and says whether there was one left. Each that is
    /// written moves the moment when it is whole again, which must not lie too far ahead.
    pub(super) fn admits_stranger(&self) -> bool {
        let (now, mut state) = (Instant::now(), self.state());
        let whole = state.whole.max(now) + GAP;
        let is_admitted = whole.duration_since(now) <= GAP * BURST;
        if is_admitted {
            state.whole = whole;
        }
        is_admitted
    }

    /// Counts events that were lost, the last of which happened at `last`.
    pub(super) fn add(&self, count: u64, last: Timestamp) {
        meter::audit_lost(count);
        let mut state = self.state();
        state.lost = state.lost.saturating_add(count);
        state.last = Some(last).max(state.last);
    }

    /// How many were lost and when the last one happened, when the log is to tell of it: somebody
    /// looks at it, or it did not tell of any for a while. Under a flood it would be full of that.
    pub(super) fn to_tell(&self, is_looked_at: bool) -> Option<(u64, Timestamp)> {
        let state = self.state();
        let is_due = is_looked_at || state.told.is_none_or(|told| told.elapsed() >= TELL);
        state.last.filter(|_| is_due && state.lost > 0).map(|last| (state.lost, last))
    }

    /// That the log tells of `count` of them.
    pub(super) fn told(&self, count: u64) {
        let mut state = self.state();
        state.lost = state.lost.saturating_sub(count);
        state.told = Some(Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
