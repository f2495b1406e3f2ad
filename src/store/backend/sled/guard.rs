//! Calls sled and turns its panics into errors. sled 0.34 panics on some damaged files, for example when a
//! page is not where its table says.
//!
//! The panic message can quote records, so only its position in sled's source is reported.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::thread;

use crate::store::StoreError;

thread_local! {
    /// Whether this thread is in [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// Where the thread panicked.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

static HOOK: Once = Once::new();

/// Returns the result of `work`. A panic in it is reported as damage.
pub(in crate::store) fn guarded<T>(
    work: impl FnOnce() -> sled::Result<T>,
) -> Result<T, StoreError> {
    HOOK.call_once(hush);
    let before = GUARDED.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    let Ok(outcome) = outcome else {
        let place = PLACE.take();
        return Err(StoreError::Damaged(format!(
            "sled cannot read its files (panic at {place})"
        )));
    };
    outcome.map_err(|error| told(&error))
}

/// Keeps sled's panics out of standard error; all others are reported as before.
fn hush() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |information| {
        let is_sled = thread::current()
            .name()
            .is_some_and(|name| name.starts_with("sled-"));
        if !is_sled && !GUARDED.get() {
            return before(information);
        }
        let place = information.location().map(|place| {
            let file = place
                .file()
                .rsplit_once("/src/")
                .map_or(place.file(), |(_, file)| file);
            format!("{file}:{}", place.line())
        });
        PLACE.set(place.unwrap_or_default());
    }));
}

/// Converts an error of sled.
fn told(error: &sled::Error) -> StoreError {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    match error {
        sled::Error::Corruption { .. } => {
            StoreError::Damaged("checksum mismatch in its files".to_owned())
        }
        sled::Error::Unsupported(_) => {
            StoreError::Damaged("its settings file (conf) does not match the database".to_owned())
        }
        sled::Error::ReportableBug(_) => {
            StoreError::Damaged("sled found its files in an impossible state".to_owned())
        }
        sled::Error::Io(cause) if matches!(cause.kind(), UnexpectedEof | InvalidData) => {
            StoreError::Damaged("a file is truncated".to_owned())
        }
        other => StoreError::Unavailable(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_counts_as_damage_and_its_text_is_not_shown() {
        let outcome: Result<(), _> = guarded(|| panic!("a record"));
        let error = outcome.unwrap_err().to_string();
        assert!(
            error.contains("guard.rs:") && !error.contains("a record"),
            "{error}"
        );
        assert_eq!(guarded(|| Ok(1)).unwrap(), 1);
    }
}
