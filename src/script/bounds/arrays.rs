//! `pad` of arrays.

use std::mem;

use rhai::{Array, Dynamic, Engine, Module, NativeCallContext};

use super::super::value::HostResult;
use super::add_changing;

/// Rhai calculates the size of the result in advance, but does not check for overflow. An allocation that
/// is then too large ends the process.
pub(super) fn register(module: &mut Module) {
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
