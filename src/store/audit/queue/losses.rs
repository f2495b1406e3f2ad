//! Events that are not recorded: the budget of strangers, and the number of lost events.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::Timestamp;
use crate::telemetry::meter;

/// Events of strangers that may be written at once after a quiet time.
pub(super) const BURST: u32 = 200;
/// The budget grows by one event in this time: 20 per second.
pub(super) const GAP: Duration = Duration::from_millis(50);
/// Minimum time between two records of lost events, unless the log is about to be read.
pub(super) const TELL: Duration = Duration::from_secs(10);

/// Events that are not recorded.
#[derive(Debug)]
pub(super) struct Losses(Mutex<LossState>);

#[derive(Debug)]
struct LossState {
    /// When the budget of strangers is full again.
    whole: Instant,
    /// Lost events that the log does not report yet.
    lost: u64,
    /// When the last of them happened.
    last: Option<Timestamp>,
    /// When the log last reported lost events.
    told: Option<Instant>,
}

impl Losses {
    /// No lost events and a full budget.
    pub(super) fn none() -> Self {
        Self(Mutex::new(LossState {
            whole: Instant::now(),
            lost: 0,
            last: None,
            told: None,
        }))
    }

    /// Takes one event from the budget of strangers and returns whether there was one left. Each event
    /// postpones the moment when the budget is full again. That moment must not be too far in the future.
    pub(super) fn admits_stranger(&self) -> bool {
        let (now, mut state) = (Instant::now(), self.state());
        let whole = state.whole.max(now) + GAP;
        let is_admitted = whole.duration_since(now) <= GAP * BURST;
        if is_admitted {
            state.whole = whole;
        }
        is_admitted
    }

    /// Counts lost events, the last of which happened at `last`.
    pub(super) fn add(&self, count: u64, last: Timestamp) {
        meter::audit_lost(count);
        let mut state = self.state();
        state.lost = state.lost.saturating_add(count);
        state.last = Some(last).max(state.last);
    }

    /// Returns the number of lost events and when the last one happened, if the log is to report them now:
    /// it is about to be read, or its last report is old enough. In a flood, the log would otherwise be
    /// full of reports.
    pub(super) fn to_tell(&self, is_looked_at: bool) -> Option<(u64, Timestamp)> {
        let state = self.state();
        let is_due = is_looked_at || state.told.is_none_or(|told| told.elapsed() >= TELL);
        state
            .last
            .filter(|_| is_due && state.lost > 0)
            .map(|last| (state.lost, last))
    }

    /// Records that the log has reported `count` of them.
    pub(super) fn told(&self, count: u64) {
        let mut state = self.state();
        state.lost = state.lost.saturating_sub(count);
        state.told = Some(Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, LossState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
