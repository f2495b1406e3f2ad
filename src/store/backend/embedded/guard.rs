//! Calls a database and turns its panics into errors. sled 0.34 and fjall 3.1 panic on some damaged files, for
//! example when a page is not where its table says.
//!
//! The panic message can quote records, so only its position in the source of the database is reported.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process;
use std::sync::Once;
use std::thread;

use super::Engine;
use crate::store::StoreError;

thread_local! {
    /// Whether this thread is in [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// Where the thread panicked.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

static HOOK: Once = Once::new();

/// Returns the result of `work` on the database in `folder`. A panic in it is reported as damage.
pub(in crate::store) fn guarded<E: Engine, T>(
    folder: &Path,
    work: impl FnOnce() -> Result<T, E::Error>,
) -> Result<T, StoreError> {
    HOOK.call_once(hush);
    let before = GUARDED.replace(true);
    PLACE.take();
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    let Ok(outcome) = outcome else {
        let place = PLACE.take();
        return Err(StoreError::Damaged(format!(
            "{} cannot read its files (panic at {place})",
            E::NAME
        )));
    };
    outcome.map_err(|error| E::told(&error, folder))
}

/// The beginnings of the names of the threads of databases.
const THREADS: [&str; 2] = ["sled-", "fjall:"];

/// Keeps the panics of databases out of standard error; all others are reported as before.
fn hush() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |information| {
        let is_database = thread::current()
            .name()
            .is_some_and(|name| THREADS.iter().any(|beginning| name.starts_with(beginning)));
        if !is_database && !GUARDED.get() {
            return before(information);
        }
        let place = information.location().map(|place| {
            let file = place
                .file()
                .rsplit_once("/src/")
                .map_or(place.file(), |(_, file)| file);
            format!("{file}:{}", place.line())
        });
        let first = PLACE.replace(place.unwrap_or_default());
        // Neither database catches a panic, so the first one is still being unwound.
        if GUARDED.get() && !first.is_empty() {
            end(&first);
        }
    }));
}

/// Ends the process, which a panic during a panic does in any case: with an explanation and a status of its own.
#[expect(clippy::exit, reason = "the process would be aborted")]
fn end(place: &str) -> ! {
    let damage = StoreError::Damaged(format!(
        "its files cannot be read, and its database cannot be closed (panic at {place})"
    ));
    tracing::error!(error = %damage, "store damaged; the process ends");
    // Standard error may be closed.
    let _ = writeln!(io::stderr(), "registrar: {damage}");
    process::exit(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::backend::sled::Db;

    #[test]
    fn a_panic_counts_as_damage_and_its_text_is_not_shown() {
        let folder = Path::new("data");
        let outcome: Result<(), _> = guarded::<Db, _>(folder, || panic!("a record"));
        let error = outcome.unwrap_err().to_string();
        assert!(
            error.contains("guard.rs:") && !error.contains("a record"),
            "{error}"
        );
        assert_eq!(guarded::<Db, _>(folder, || Ok(1)).unwrap(), 1);
    }
}
