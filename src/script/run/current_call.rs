//! The call that the current thread is running.
//!
//! One engine serves all calls of a script, because creating an engine takes as long as an ordinary hook.
//! An engine gets the data of the call that it runs from here.

use std::cell::RefCell;

use crate::script::value::context::Context;

thread_local! {
    static PRESENT: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// Returns the call that this thread is running; `None` while scripts are being loaded.
pub(in crate::script) fn call() -> Option<Context> {
    PRESENT.with_borrow(Clone::clone)
}

/// Returns why the call must end now, if it must.
pub(in crate::script) fn over() -> Option<&'static str> {
    PRESENT.with_borrow(|present| present.as_ref().and_then(|context| context.permit().over()))
}

/// Does `work` as part of the call `context`, and resets the current call afterwards, even after a panic.
pub(in crate::script) fn during<T>(context: &Context, work: impl FnOnce() -> T) -> T {
    let _before = Before(PRESENT.replace(Some(context.clone())));
    work()
}

/// The call that the thread was running before.
struct Before(Option<Context>);

impl Drop for Before {
    fn drop(&mut self) {
        PRESENT.set(self.0.take());
    }
}
