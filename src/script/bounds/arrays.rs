//! `pad` of arrays.

use std::mem;

use rhai::{Array, Dynamic, Engine, Module, NativeCallContext};

use super::super::value::Outcome;
use super::add_changing;

/// Rhai calculates the size of the result before it makes it, but lets that overflow: what is then too
/// much to allocate ends the process.
pub(super) fn register(module: &mut Module) {
    add_changing(module, "pad", |cx: NativeCallContext, array: &mut Array, length: i64, item: Dynamic| {
        pad(cx.engine(), array, length, &item.flatten())
    });
}

/// Adds `item` until there are `length` items: twice as many each time, so that the sizes of all are
/// known when they are a few times too large at most.
fn pad(engine: &Engine, array: &mut Array, length: i64, item: &Dynamic) -> Outcome<()> {
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

/// Fails when `array` exceeds a limit.
fn look_at(engine: &Engine, array: &mut Array) -> Outcome<()> {
    let whole = Dynamic::from_array(mem::take(array));
    let looked = engine.ensure_data_size_within_limits(&whole);
    *array = whole.into_array().unwrap_or_default();
    looked
}
