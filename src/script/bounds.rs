//! Functions of Rhai's standard package that could make far more than the limits allow in one call, or
//! never end. Ours stand before them: they do the same, and look while they work.
//!
//! Rhai looks at the size of what a function made when it has returned. That is enough for most, whose
//! results are at most a few times as large as what they are made of; it is too late for these.

mod arrays;
mod characters;
mod texts;

use rhai::{EvalAltResult, FuncRegistration, Module, Position, RhaiNativeFunc};

use super::value::Outcome;

/// Puts them before those of Rhai.
pub(super) fn register(module: &mut Module) {
    arrays::register(module);
    characters::register(module);
    texts::register(module);
}

/// Adds a function that changes what it is called on, and so can not be called on a constant.
fn add_changing<A: 'static, const N: usize, const X: bool>(
    module: &mut Module,
    name: &str,
    function: impl RhaiNativeFunc<A, N, X, (), true> + Send + Sync + 'static,
) {
    FuncRegistration::new(name).with_purity(false).set_into_module(module, function);
}

/// Fails like Rhai does when `what` exceeds its limit: no script can catch that.
fn too_large<T>(what: &str) -> Outcome<T> {
    Err(Box::new(EvalAltResult::ErrorDataTooLarge(what.to_owned(), Position::NONE)))
}

/// Whether `size` is over `limit`, where 0 is none.
const fn exceeds(size: usize, limit: usize) -> bool {
    limit > 0 && size > limit
}
