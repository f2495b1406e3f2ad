//! The functions that each thread is running.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use super::{LineAndColumn, SharedCounts, locked};

/// The depth of a function in the calls of one evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) evaluation: i64,
    pub(super) depth: usize,
}

/// A function that is running.
struct RunningFunction {
    level: Level,
    counts: SharedCounts,
    /// The number of operations of the thread when the function began.
    began: u64,
}

/// The functions that a thread is running, the innermost last. A hook that runs on the thread of its test
/// is above the functions of the test.
#[derive(Default)]
struct RunningFunctions {
    frames: Vec<RunningFunction>,
    /// The number of operations of the thread.
    operations: u64,
    /// The operations and the time up to which everything is attributed to a function.
    settled: (u64, Option<Instant>),
}

thread_local! {
    static RUNNING: RefCell<RunningFunctions> = RefCell::default();
}

/// Counts one operation of the function that the thread is running.
pub(in crate::script::testing) fn count_operation() {
    RUNNING.with_borrow_mut(|running| running.operations += 1);
}

/// Returns whether the innermost function of the thread is the one at `level`.
pub(super) fn is_at(level: Level) -> bool {
    RUNNING.with_borrow(|running| {
        let innermost = running.frames.last();
        innermost.is_some_and(|frame| frame.level == level)
    })
}

/// Notes the beginning of a function.
pub(super) fn enter(level: Level, counts: SharedCounts) {
    RUNNING.with_borrow_mut(|running| {
        running.settle();
        locked(&counts).calls += 1;
        running.frames.push(RunningFunction {
            level,
            counts,
            began: running.operations,
        });
    });
}

/// Notes that the innermost function has reached a place, and the function of a module that it calls there.
pub(super) fn reach(place: LineAndColumn, module_call: Option<String>) {
    RUNNING.with_borrow(|running| {
        let Some(innermost) = running.frames.last() else {
            return;
        };
        let mut counts = locked(&innermost.counts);
        *counts.reached.entry(place).or_default() += 1;
        if let Some(name) = module_call {
            *counts.module_calls.entry(name).or_default() += 1;
        }
    });
}

/// Notes the end of the function at `level`. Rhai reports the end of its own functions too, which have no
/// frame here.
pub(super) fn leave(level: Level) {
    RUNNING.with_borrow_mut(|running| {
        let frame = running
            .frames
            .iter()
            .rposition(|frame| frame.level == level);
        if let Some(frame) = frame {
            running.unwind(frame);
        }
    });
}

/// Notes the end of an evaluation.
pub(super) fn end(level: Level) {
    RUNNING.with_borrow_mut(|running| {
        let of_evaluation = |frame: &RunningFunction| frame.level.evaluation == level.evaluation;
        if let Some(first) = running.frames.iter().position(of_evaluation) {
            running.unwind(first);
        }
    });
}

impl RunningFunctions {
    /// Attributes everything since the last call to the innermost function.
    fn settle(&mut self) {
        let now = Instant::now();
        let (operations, since) = self.settled;
        if let Some(innermost) = self.frames.last() {
            let mut counts = locked(&innermost.counts);
            counts.own += self.operations.saturating_sub(operations);
            counts.time += since.map_or_else(Default::default, |since| now - since);
        }
        self.settled = (self.operations, Some(now));
    }

    /// Ends all functions from the frame at the index `first` on.
    fn unwind(&mut self, first: usize) {
        self.settle();
        while self.frames.len() > first {
            let Some(frame) = self.frames.pop() else {
                return;
            };
            // The operations of a function that calls itself count once.
            let is_same = |outer: &RunningFunction| Arc::ptr_eq(&outer.counts, &frame.counts);
            if !self.frames.iter().any(is_same) {
                locked(&frame.counts).total += self.operations.saturating_sub(frame.began);
            }
        }
    }
}
