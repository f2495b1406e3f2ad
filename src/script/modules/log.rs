//! `log::debug(text)`, `info`, `warn`, `error`: a line in the server's log.

use rhai::{ImmutableString, Module, NativeCallContext};

use super::super::context::Context;

/// Bytes of one line; the rest is cut off.
const LINE_BYTES: usize = 4_096;
/// Lines that one call of a hook may write; more are dropped.
const LINES: u32 = 50;

/// Rhai reserves the word `debug`, so a script that says `log::debug(` is read as if it said
/// this, which has the same length: lines and columns stay true.
const DEBUG: &str = "dbug_";

/// `text` of a script with the one word replaced that Rhai does not let it say.
pub(in crate::script) fn readable(text: &str) -> String {
    text.replace("log::debug(", "log::dbug_(")
}

pub(super) fn module() -> Module {
    let mut module = Module::new();
    module.set_native_fn(DEBUG, |cx: NativeCallContext, text: ImmutableString| {
        write(&cx, &text, |text| tracing::debug!(target: "registrar::script", "{text}"));
        Ok(())
    });
    module.set_native_fn("info", |cx: NativeCallContext, text: ImmutableString| {
        write(&cx, &text, |text| tracing::info!(target: "registrar::script", "{text}"));
        Ok(())
    });
    module.set_native_fn("warn", |cx: NativeCallContext, text: ImmutableString| {
        write(&cx, &text, |text| tracing::warn!(target: "registrar::script", "{text}"));
        Ok(())
    });
    module.set_native_fn("error", |cx: NativeCallContext, text: ImmutableString| {
        write(&cx, &text, |text| tracing::error!(target: "registrar::script", "{text}"));
        Ok(())
    });
    module
}

fn write(cx: &NativeCallContext, text: &str, line: impl FnOnce(&str)) {
    // While a script is loaded there is no call, and so no limit of its own.
    let call = cx.tag().and_then(|tag| tag.clone().try_cast::<Context>());
    if call.is_some_and(|call| !call.may_log(LINES)) {
        return;
    }
    let end = (0..=text.len().min(LINE_BYTES)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    line(text.get(..end).unwrap_or(""));
}
