//! What sled does, with its panics made errors: sled 0.34 panics on some files that are damaged,
//! as when a page is not where its table says.
//!
//! What it says then can quote records, so only the place in its source is told.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::thread;

use super::StoreError;

thread_local! {
    /// Whether this thread is in [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// Where it panicked.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

static HOOK: Once = Once::new();

/// What `work` gives; a panic in it is damage.
pub(super) fn guarded<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    HOOK.call_once(hush);
    let before = GUARDED.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    let Ok(outcome) = outcome else {
        let place = PLACE.take();
        return Err(StoreError::Damaged(format!("sled can not make sense of its files (at {place})")));
    };
    outcome.map_err(|error| told(&error))
}

/// Keeps panics of sled out of standard error; all others are told as before.
fn hush() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |information| {
        let is_sled = thread::current().name().is_some_and(|name| name.starts_with("sled-"));
        if !is_sled && !GUARDED.get() {
            return before(information);
        }
        let place = information.location().map(|place| {
            let file = place.file().rsplit_once("/src/").map_or(place.file(), |(_, file)| file);
            format!("{file}:{}", place.line())
        });
        PLACE.set(place.unwrap_or_default());
    }));
}

/// What an error of sled is.
fn told(error: &sled::Error) -> StoreError {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    match error {
        sled::Error::Corruption { .. } => {
            StoreError::Damaged("a part of its files has not the checksum that it must have".to_owned())
        }
        sled::Error::Unsupported(_) => {
            StoreError::Damaged("its settings (conf) are not those that it was made with".to_owned())
        }
        sled::Error::ReportableBug(_) => {
            StoreError::Damaged("sled found its files in a state that can not be".to_owned())
        }
        sled::Error::Io(cause) if matches!(cause.kind(), UnexpectedEof | InvalidData) => {
            StoreError::Damaged("a file ends before it should".to_owned())
        }
        other => StoreError::Unavailable(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_damage_and_its_text_is_not_told() {
        let outcome: Result<(), _> = guarded(|| panic!("a record"));
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("sled_guard.rs:") && !error.contains("a record"), "{error}");
        assert_eq!(guarded(|| Ok(1)).unwrap(), 1);
    }
}
