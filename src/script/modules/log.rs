//! `log::debug(text)`, `info`, `warn`, `error`: a line in the server's log, without secrets and
//! without evidence.

use std::sync::Arc;

use rhai::ImmutableString;

use super::super::context::{Context, may};
use super::super::observer::Observer;
use super::super::runtime::Runtime;
use super::super::secrets::Secrets;
use super::call;
use super::functions::Functions;

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

/// Where the lines of scripts go.
#[derive(Clone)]
pub(in crate::script) struct Log {
    secrets: Arc<Secrets>,
    observer: Option<Arc<Observer>>,
}

impl Log {
    pub(in crate::script) fn new(runtime: &Runtime) -> Self {
        Self { secrets: Arc::clone(&runtime.secrets), observer: runtime.observer.clone() }
    }

    pub(in crate::script) fn debug(&self, call: Option<&Context>, text: &str) {
        self.write(call, "debug", text, |text| tracing::debug!(target: "registrar::script", "{text}"));
    }

    pub(in crate::script) fn info(&self, call: Option<&Context>, text: &str) {
        self.write(call, "info", text, |text| tracing::info!(target: "registrar::script", "{text}"));
    }

    fn warn(&self, call: Option<&Context>, text: &str) {
        self.write(call, "warn", text, |text| tracing::warn!(target: "registrar::script", "{text}"));
    }

    fn error(&self, call: Option<&Context>, text: &str) {
        self.write(call, "error", text, |text| tracing::error!(target: "registrar::script", "{text}"));
    }

    fn write(&self, call: Option<&Context>, level: &str, text: &str, line: impl FnOnce(&str)) {
        // While a script is loaded there is no call, and so no limit of its own.
        if call.is_some_and(|call| !may(&call.spent().lines, LINES)) {
            return;
        }
        let text = self.secrets.redact(text);
        let text = call.map_or_else(|| text.clone(), |call| call.conceal(&text));
        let end = (0..=text.len().min(LINE_BYTES)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        // What a script passes on must not look like a line of its own.
        let text = text.get(..end).unwrap_or("").replace(char::is_control, " ");
        if let Some(observer) = &self.observer {
            observer.line(level, &text);
        }
        line(&text);
    }
}

pub(super) fn module(log: &Log) -> Functions {
    let mut module = Functions::default();
    let to = log.clone();
    module.add1(DEBUG, move |cx, text: ImmutableString| {
        to.debug(call(cx).as_ref(), &text);
        Ok(())
    });
    let to = log.clone();
    module.add1("info", move |cx, text: ImmutableString| {
        to.info(call(cx).as_ref(), &text);
        Ok(())
    });
    let to = log.clone();
    module.add1("warn", move |cx, text: ImmutableString| {
        to.warn(call(cx).as_ref(), &text);
        Ok(())
    });
    let to = log.clone();
    module.add1("error", move |cx, text: ImmutableString| {
        to.error(call(cx).as_ref(), &text);
        Ok(())
    });
    module
}
