//! Silence: what a request that is only judged would log concerns nothing that exists, and its input may hold tokens, so
//! it is not logged.
//!
//! A dispatcher that drops everything would not do. As long as a program has one dispatcher, `tracing` asks the current
//! one whether anybody is interested in an event, when the event happens for the first time, and keeps the answer. An
//! error that happens first in a judged request would then be silent for ever.

use std::cell::Cell;
use std::future::poll_fn;

thread_local! {
    static IS_SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Whether nothing is logged by this thread at the moment.
pub(crate) fn is_silent() -> bool {
    IS_SILENT.get()
}

/// Returns `work`, to be done on another thread, in silence if this one is silent.
pub(crate) fn as_silent_as_here<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let is_silent = is_silent();
    move || in_silence_if(is_silent, work)
}

/// Does `work` on this thread, in silence if `is_silent`.
fn in_silence_if<T>(is_silent: bool, work: impl FnOnce() -> T) -> T {
    let _before = SilenceBefore(IS_SILENT.replace(is_silent));
    work()
}

/// Does `work` in silence, on whatever thread it continues.
pub(crate) async fn silently<T>(work: impl Future<Output = T>) -> T {
    let mut work = Box::pin(work);
    poll_fn(move |task| in_silence_if(true, || work.as_mut().poll(task))).await
}

/// Restores what was before, even after a panic.
struct SilenceBefore(bool);

impl Drop for SilenceBefore {
    fn drop(&mut self) {
        IS_SILENT.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_work_is_silent() {
        assert!(!is_silent());
        let inside = silently(async {
            tokio::task::yield_now().await;
            is_silent()
        });
        assert!(inside.await && !is_silent());
        let _ = std::panic::catch_unwind(|| in_silence_if(true, || panic!("inside")));
        assert!(!is_silent());
        assert!(in_silence_if(true, || !in_silence_if(false, is_silent)));
    }
}
