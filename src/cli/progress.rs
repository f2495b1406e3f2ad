//! How far long work is: one line on standard error, when that is a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The pause between two updates of the line.
const PAUSE: Duration = Duration::from_millis(200);

/// Counts what was done, and shows it.
pub(super) struct Progress {
    what: &'static str,
    done: u64,
    /// When the line was written; none: standard error is no terminal.
    shown: Option<Instant>,
}

impl Progress {
    pub(super) fn new(what: &'static str) -> Self {
        let shown = io::stderr().is_terminal().then(Instant::now);
        Self { what, done: 0, shown }
    }

    /// `more` were done.
    pub(super) fn add(&mut self, more: u64) {
        self.done = self.done.saturating_add(more);
        if self.shown.is_some_and(|shown| shown.elapsed() >= PAUSE) {
            self.shown = Some(Instant::now());
            write(&format!("\r{} {}", self.done, self.what));
        }
    }
}

fn write(text: &str) {
    // Nobody is helped by a message that the progress can not be shown.
    let mut out = io::stderr().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

impl Drop for Progress {
    /// What is said afterwards stands at the beginning of a line.
    fn drop(&mut self) {
        if self.shown.is_some() {
            write("\r\u{1b}[K");
        }
    }
}
