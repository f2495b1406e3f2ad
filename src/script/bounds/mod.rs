//! Replacements for functions of Rhai's standard package that could exceed the limits by far in one call,
//! or never end. The replacements do the same, and check the limits while they work.
//!
//! Rhai checks the size of a result when the function has returned. That suffices for most functions,
//! whose results are at most a few times as large as their arguments. It is too late for these.

mod arrays;
mod characters;
mod texts;

use rhai::{EvalAltResult, FuncRegistration, Module, Position, RhaiNativeFunc};

use super::value::HostResult;

/// Registers the functions, which take precedence over those of Rhai.
pub(super) fn register(module: &mut Module) {
    arrays::register(module);
    characters::register(module);
    texts::register(module);
}

/// Adds a function that changes the value on which it is called, and therefore cannot be called on a
/// constant.
fn add_changing<A: 'static, const N: usize, const X: bool>(
    module: &mut Module,
    name: &str,
    function: impl RhaiNativeFunc<A, N, X, (), true> + Send + Sync + 'static,
) {
    FuncRegistration::new(name)
        .with_purity(false)
        .set_into_module(module, function);
}

/// Fails as Rhai does when `what` exceeds its limit. A script cannot catch this error.
fn too_large<T>(what: &str) -> HostResult<T> {
    Err(Box::new(EvalAltResult::ErrorDataTooLarge(
        what.to_owned(),
        Position::NONE,
    )))
}

/// Returns whether `size` exceeds `limit`; a limit of 0 means no limit.
const fn exceeds(size: usize, limit: usize) -> bool {
    limit > 0 && size > limit
}
