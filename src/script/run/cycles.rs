//! Reference cycles in scripts, which would never be freed.
//!
//! A closure shares the variables that it names. A closure that is stored in such a variable
//! (`let m = #{}; m.f = || m;`) refers to itself, and neither Rhai nor Rust frees it. Therefore the shared
//! variables of all closures of a call are recorded, and emptied when the call is over. Values that the top
//! level of a script has created are kept: they live as long as the script.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use rhai::{AST, Dynamic, Engine, EvalContext};

/// The address of each shared value, with a handle that keeps the address from being reused.
type SharedVariables = BTreeMap<usize, Dynamic>;

thread_local! {
    /// The variables shared by the closures of the current call.
    static OF_CALL: RefCell<SharedVariables> = const { RefCell::new(BTreeMap::new()) };
}

/// The variables shared by the closures of top levels. A clone is another handle on the same variables.
#[derive(Clone, Default)]
pub(in crate::script) struct TopLevels(Arc<RwLock<SharedVariables>>);

impl TopLevels {
    /// Records the shared variables of the closures of a top level, which `engine` runs.
    pub(in crate::script) fn keep(&self, engine: &mut Engine) {
        let kept = Arc::clone(&self.0);
        on_shared(engine, move |place, value| {
            kept.write()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(place)
                .or_insert(value);
        });
    }

    /// Records the shared variables of the closures of calls, which `engine` runs.
    pub(in crate::script) fn watch_calls(&self, engine: &mut Engine) {
        let kept = Arc::clone(&self.0);
        on_shared(engine, move |place, value| {
            if !kept
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .contains_key(&place)
            {
                OF_CALL.with_borrow_mut(|shared| {
                    shared.entry(place).or_insert(value);
                });
            }
        });
    }
}

/// Calls `note` for each shared variable that a script reads. A closure reads the variables that it
/// captures when it is created, so none is missed.
#[expect(
    deprecated,
    reason = "the function is not deprecated: Rhai marks volatile APIs this way"
)]
fn on_shared(engine: &mut Engine, note: impl Fn(usize, Dynamic) + Send + Sync + 'static) {
    engine.on_var(move |name, _, cx: EvalContext| {
        let variable = cx.scope().get(name).filter(|value| value.is_shared());
        if let Some(value) = variable
            && let Some(place) = place(value)
        {
            note(place, value.clone());
        }
        Ok(None)
    });
}

/// Returns the address of the value that `value` shares; `None` while a script changes it. A script can
/// only change a variable that was recorded before.
fn place(value: &Dynamic) -> Option<usize> {
    let inside = value.read_lock::<Dynamic>()?;
    Some(std::ptr::from_ref(&*inside).addr())
}

/// Does `work`, and frees the variables that its closures shared, even when it panics. The result of
/// `work` must not contain values of a script.
pub(in crate::script) fn freed<T>(work: impl FnOnce() -> T) -> T {
    let _shared = Empty;
    work()
}

/// Empties the recorded variables when it is dropped.
struct Empty;

impl Drop for Empty {
    fn drop(&mut self) {
        for (_, mut value) in OF_CALL.take() {
            let inside = value
                .write_lock::<Dynamic>()
                .map(|mut inside| std::mem::take(&mut *inside));
            drop(inside);
        }
    }
}

/// Returns whether `ast` has closures. Rhai turns them into functions with such names.
pub(in crate::script) fn has_closures(ast: &AST) -> bool {
    ast.iter_functions()
        .any(|function| function.name.starts_with("anon$"))
}
