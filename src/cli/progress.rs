//! The progress of long-running work: one line on standard error, if that is a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The minimum interval between two updates of the line.
const PAUSE: Duration = Duration::from_millis(200);

/// Counts the finished items and shows their number.
pub(super) struct Progress {
    what: &'static str,
    done: u64,
    /// When the line was last written; `None` if standard error is not a terminal.
    shown: Option<Instant>,
}

impl Progress {
    pub(super) fn new(what: &'static str) -> Self {
        let shown = io::stderr().is_terminal().then(Instant::now);
        Self {
            what,
            done: 0,
            shown,
        }
    }

    /// Adds `more` finished items.
    pub(super) fn add(&mut self, more: u64) {
        self.done = self.done.saturating_add(more);
        if self.shown.is_some_and(|shown| shown.elapsed() >= PAUSE) {
            self.shown = Some(Instant::now());
            write(&format!("\r{} {}", self.done, self.what));
        }
    }
}

fn write(text: &str) {
    // A failure to show the progress is not worth a message.
    let mut out = io::stderr().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

impl Drop for Progress {
    /// Clears the line, so that the next message starts at its beginning.
    fn drop(&mut self) {
        if self.shown.is_some() {
            write("\r\u{1b}[K");
        }
    }
}
