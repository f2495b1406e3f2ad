//! Which call a thread is at work on.
//!
//! One engine serves all calls of a script: making one takes as long as an ordinary hook does.
//! What an engine wants to know of the call that it runs, it asks here.

use std::cell::RefCell;

use super::context::Context;

thread_local! {
    static PRESENT: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// The call that this thread is at work on; none while scripts are loaded.
pub(super) fn call() -> Option<Context> {
    PRESENT.with_borrow(Clone::clone)
}

/// Why the call must end now.
pub(super) fn over() -> Option<&'static str> {
    PRESENT.with_borrow(|present| present.as_ref().and_then(|context| context.turn().over()))
}

/// Does `work` as a part of `context`, and nothing longer, also when it panics.
pub(super) fn during<T>(context: &Context, work: impl FnOnce() -> T) -> T {
    let _before = Before(PRESENT.replace(Some(context.clone())));
    work()
}

/// What the thread was at work on before.
struct Before(Option<Context>);

impl Drop for Before {
    fn drop(&mut self) {
        PRESENT.set(self.0.take());
    }
}
