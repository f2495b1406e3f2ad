//! The candidate: a set of scripts that is loaded beside the scripts in force, to be compared with them (shadow) or to
//! decide a share of the requests (canary).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::Value;

use crate::config::Registration;
use crate::script::ScriptSet;
use crate::telemetry::{ShadowOutcome, meter};

/// The number of differences that are kept.
const MOST_DIFFERENCES: usize = 200;

/// The candidate, and how it did so far. A changed candidate starts anew.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) scripts: Arc<ScriptSet>,
    shadow: EvenShare,
    canary: EvenShare,
    /// Requests that the candidate has decided.
    decided: AtomicU64,
    /// The faults of the candidate before the canary began.
    faults_before: AtomicU64,
    stopped: AtomicBool,
    shadowed: Mutex<Shadowed>,
}

/// How the candidate did as a shadow.
#[derive(Debug, Default)]
struct Shadowed {
    same: u64,
    different: u64,
    skipped: u64,
    differences: VecDeque<Difference>,
}

/// A request that the candidate answers differently.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Difference {
    /// When the request was answered, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) at: u64,
    /// The identifier of the request in its response and in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) correlation_id: Option<String>,
    /// The client that the request updates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// The answer by the scripts in force.
    pub(crate) before: AnswerStatus,
    /// The answer by the other scripts.
    pub(crate) after: AnswerStatus,
    /// The members that differ, if both accept the request.
    pub(crate) members: Vec<MemberDifference>,
}

/// Whether scripts accept a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AnswerStatus {
    /// The status of the answer.
    pub(crate) status: u16,
    /// The error code, if the request is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_description: Option<String>,
}

/// A member of the answer that differs. A missing value is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct MemberDifference {
    pub(crate) member: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Value>,
    /// Whether the values are not shown, because the member can hold a secret.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_hidden: bool,
}

/// How the candidate did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CandidateCounts {
    pub(crate) same: u64,
    pub(crate) different: u64,
    pub(crate) skipped: u64,
    pub(crate) decided: u64,
    pub(crate) faults: u64,
    pub(crate) has_stopped: bool,
}

impl Candidate {
    pub(crate) fn new(scripts: Arc<ScriptSet>) -> Self {
        let candidate = Self {
            scripts,
            shadow: EvenShare::default(),
            canary: EvenShare::default(),
            decided: AtomicU64::new(0),
            faults_before: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            shadowed: Mutex::default(),
        };
        candidate.begin_canary();
        candidate
    }

    /// Forgets earlier faults: from now on, the candidate decides a share of the requests.
    pub(super) fn begin_canary(&self) {
        self.faults_before.store(self.faults(), Ordering::Relaxed);
        self.stopped.store(false, Ordering::Relaxed);
    }

    /// Returns whether the next request is judged by the candidate too.
    pub(crate) fn shadows_next(&self, settings: &Registration) -> bool {
        self.shadow.is_next(settings.scripts_shadow)
    }

    /// Returns whether the next request is decided by the candidate. It decides no more once it had more faults than
    /// allowed.
    pub(crate) fn decides_next(&self, settings: &Registration) -> CanaryTurn {
        if self.stopped.load(Ordering::Relaxed) {
            return CanaryTurn::No;
        }
        if self.canary_faults() > settings.scripts_canary_faults {
            let was_stopped = self.stopped.swap(true, Ordering::Relaxed);
            return if was_stopped {
                CanaryTurn::No
            } else {
                CanaryTurn::Stopped
            };
        }
        if !self.canary.is_next(settings.scripts_canary) {
            return CanaryTurn::No;
        }
        self.decided.fetch_add(1, Ordering::Relaxed);
        meter::canary_decided();
        CanaryTurn::Yes
    }

    fn canary_faults(&self) -> u64 {
        let before = self.faults_before.load(Ordering::Relaxed);
        self.faults().saturating_sub(before)
    }

    /// Returns the faults of its scripts.
    fn faults(&self) -> u64 {
        let statistics = self.scripts.statistics();
        statistics.iter().map(|of_hook| of_hook.faults).sum()
    }

    /// Records that the candidate answers a request differently, or alike.
    pub(crate) fn note(&self, difference: Option<Difference>) {
        let mut shadowed = self.shadowed();
        let Some(difference) = difference else {
            shadowed.same += 1;
            meter::shadowed(ShadowOutcome::Same);
            return;
        };
        shadowed.different += 1;
        meter::shadowed(ShadowOutcome::Different);
        if shadowed.differences.len() >= MOST_DIFFERENCES {
            shadowed.differences.pop_front();
        }
        shadowed.differences.push_back(difference);
    }

    /// Records that a request was not judged, because too many others are.
    pub(crate) fn note_skipped(&self) {
        self.shadowed().skipped += 1;
        meter::shadowed(ShadowOutcome::Skipped);
    }

    /// Returns the last differences, newest first.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        self.shadowed().differences.iter().rev().cloned().collect()
    }

    pub(crate) fn counts(&self) -> CandidateCounts {
        let shadowed = self.shadowed();
        CandidateCounts {
            same: shadowed.same,
            different: shadowed.different,
            skipped: shadowed.skipped,
            decided: self.decided.load(Ordering::Relaxed),
            faults: self.faults(),
            has_stopped: self.stopped.load(Ordering::Relaxed),
        }
    }

    fn shadowed(&self) -> MutexGuard<'_, Shadowed> {
        self.shadowed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the candidate decides a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CanaryTurn {
    No,
    Yes,
    /// It does not, and from now on it decides none: it had too many faults. Returned once.
    Stopped,
}

/// Picks a share of requests, evenly and without randomness.
#[derive(Debug, Default)]
struct EvenShare(AtomicU64);

impl EvenShare {
    /// Returns whether the next request belongs to `share`, from 0 to 1.
    fn is_next(&self, share: f64) -> bool {
        if share <= 0.0 {
            return false;
        }
        let turn = self.0.fetch_add(1, Ordering::Relaxed);
        passed(turn.wrapping_add(1), share) > passed(turn, share)
    }
}

/// Returns how many of the first `turns` requests belong to `share`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a count of requests is far below 2^52, and a share is from 0 to 1"
)]
fn passed(turns: u64, share: f64) -> u64 {
    (turns as f64 * share.min(1.0)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_picked_evenly() {
        for (share, expected) in [
            (0.0, 0),
            (0.01, 10),
            (0.25, 250),
            (0.999, 999),
            (1.0, 1_000),
        ] {
            let turns = EvenShare::default();
            let picked = (0..1_000).filter(|_| turns.is_next(share)).count();
            assert_eq!(picked, expected, "{share}");
        }
        let turns = EvenShare::default();
        let picked: Vec<bool> = (0..8).map(|_| turns.is_next(0.25)).collect();
        assert_eq!(
            picked,
            [false, false, false, true, false, false, false, true]
        );
    }
}
