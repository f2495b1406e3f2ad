//! Values that hold themselves: they would never be freed.
//!
//! A closure shares the variables that it names. One that is stored in such a variable
//! (`let m = #{}; m.f = || m;`) holds itself, and neither Rhai nor Rust takes it apart. So whatever
//! the closures of a call share is noted, and emptied when the call is over. What the top level of a
//! script made is kept: it lives as long as the script.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use rhai::{AST, Dynamic, Engine, EvalContext};

/// Where a shared value lies, and a handle on it, so that nothing else comes to lie there.
type Shared = BTreeMap<usize, Dynamic>;

thread_local! {
    /// What the closures of the present call share.
    static OF_CALL: RefCell<Shared> = const { RefCell::new(BTreeMap::new()) };
}

/// What the closures of top levels share. A clone is another handle on the same.
#[derive(Clone, Default)]
pub(super) struct TopLevels(Arc<RwLock<Shared>>);

impl TopLevels {
    /// Notes what the closures of a top level share, which `engine` runs.
    pub(super) fn keep(&self, engine: &mut Engine) {
        let kept = Arc::clone(&self.0);
        on_shared(engine, move |place, value| {
            kept.write().unwrap_or_else(PoisonError::into_inner).entry(place).or_insert(value);
        });
    }

    /// Notes what the closures of calls share, which `engine` runs.
    pub(super) fn watch_calls(&self, engine: &mut Engine) {
        let kept = Arc::clone(&self.0);
        on_shared(engine, move |place, value| {
            if !kept.read().unwrap_or_else(PoisonError::into_inner).contains_key(&place) {
                OF_CALL.with_borrow_mut(|shared| {
                    shared.entry(place).or_insert(value);
                });
            }
        });
    }
}

/// Tells `note` of each shared variable that a script looks at. A closure looks at those that it
/// takes along when it is made, so none is missed.
#[expect(deprecated, reason = "it is not: the library marks what may change that way")]
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

/// The address of what `value` shares; none while a script changes it, which it can only do to
/// what was noted before.
fn place(value: &Dynamic) -> Option<usize> {
    let inside = value.read_lock::<Dynamic>()?;
    Some(std::ptr::from_ref(&*inside).addr())
}

/// Does `work`, and frees what its closures shared, also when it panics. What `work` returns must
/// hold no value of a script.
pub(super) fn freed<T>(work: impl FnOnce() -> T) -> T {
    let _shared = Empty;
    work()
}

/// Empties what was noted when it goes.
struct Empty;

impl Drop for Empty {
    fn drop(&mut self) {
        for (_, mut value) in OF_CALL.take() {
            let inside = value.write_lock::<Dynamic>().map(|mut inside| std::mem::take(&mut *inside));
            drop(inside);
        }
    }
}

/// Whether `ast` has closures. Rhai makes functions of them, with such names.
pub(super) fn has_closures(ast: &AST) -> bool {
    ast.iter_functions().any(|function| function.name.starts_with("anon$"))
}
