//! Replacements for functions of Rhai's standard package that could exceed the limits by far in one call,
//! or never end. The replacements do the same, and check the limits while they work.
//!
//! Rhai checks the size of a result when the function has returned. That suffices for most functions,
//! whose results are at most a few times as large as their arguments. It is too late for these.

mod texts;

use std::mem;

use rhai::{
    Array, Dynamic, Engine, EvalAltResult, FuncRegistration, Module, NativeCallContext, Position,
    RhaiNativeFunc,
};

use crate::script::HostResult;

/// Registers the functions, which take precedence over those of Rhai.
pub(super) fn register(module: &mut Module) {
    register_arrays(module);
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

/// Rhai calculates the size of the result in advance, but does not check for overflow. An allocation that
/// is then too large ends the process.
fn register_arrays(module: &mut Module) {
    add_changing(
        module,
        "pad",
        |cx: NativeCallContext, array: &mut Array, length: i64, item: Dynamic| {
            pad(cx.engine(), array, length, &item.flatten())
        },
    );
}

/// Adds `item` until there are `length` items. Each step adds twice as many, so the array exceeds a limit
/// at most a few times over before the check stops it.
fn pad(engine: &Engine, array: &mut Array, length: i64, item: &Dynamic) -> HostResult<()> {
    let (before, mut more) = (array.len(), 1_usize);
    let length = usize::try_from(length).unwrap_or_default();
    while array.len() < length {
        let next = length.min(array.len().saturating_add(more));
        array.resize(next, item.clone());
        if let Err(error) = look_at(engine, array) {
            array.truncate(before);
            return Err(error);
        }
        more = more.saturating_mul(2);
    }
    Ok(())
}

/// Checks that `array` does not exceed a limit.
fn look_at(engine: &Engine, array: &mut Array) -> HostResult<()> {
    let whole = Dynamic::from_array(mem::take(array));
    let looked = engine.ensure_data_size_within_limits(&whole);
    *array = whole.into_array().unwrap_or_default();
    looked
}
