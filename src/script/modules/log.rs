//! `log::debug(text)`, `info`, `warn`, `error`: write a line to the server's log, without secrets and
//! without evidence.

use std::sync::Arc;

use rhai::{ImmutableString, NativeCallContext};

use crate::script::{
    HookContext, HostResult, Runtime, ScriptObserver, Secrets, count_use, modules::Functions,
    modules::HostFunction, modules::call, modules::function,
};

/// The size limit of one line, in bytes; longer lines are cut off.
const LINE_BYTES: usize = 4_096;
/// The maximum number of lines per call of a hook; further lines are dropped.
const LINES: u32 = 50;

/// Replaces `debug`, which Rhai reserves, when a script calls `log::debug(`. It has the same length, so
/// lines and columns stay correct.
const DEBUG: &str = "dbug_";

/// Returns the `text` of a script with the reserved word in `log::debug(` replaced.
pub(in crate::script) fn readable(text: &str) -> String {
    text.replace("log::debug(", "log::dbug_(")
}

/// Returns what a script has written, from a text that the engine has read.
pub(in crate::script) fn written(text: &str) -> String {
    text.replace("log::dbug_", "log::debug")
}

/// The destination of the lines that scripts write.
#[derive(Clone)]
pub(in crate::script) struct Log {
    secrets: Arc<Secrets>,
    observer: Option<Arc<ScriptObserver>>,
}

impl Log {
    pub(in crate::script) fn new(runtime: &Runtime) -> Self {
        Self {
            secrets: Arc::clone(&runtime.secrets),
            observer: runtime.observer.clone(),
        }
    }

    /// Writes a line of the script of `call`, or of the file `source` while scripts are being loaded.
    pub(in crate::script) fn write(
        &self,
        level: LogLevel,
        call: Option<&HookContext>,
        source: Option<&str>,
        text: &str,
    ) {
        // While a script is being loaded there is no call, and therefore no limit per call.
        if call.is_some_and(|call| !count_use(&call.spent().lines, LINES)) {
            return;
        }
        let text = self.secrets.redact(text);
        let text = call.map_or_else(|| text.clone(), |call| call.conceal(&text));
        let end = (0..=text.len().min(LINE_BYTES))
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        // Text that a script passes on must not look like a separate log line.
        let text = text.get(..end).unwrap_or("").replace(char::is_control, " ");
        if let Some(observer) = &self.observer {
            observer.line(level.name(), &text);
        }
        // What scripts say about a request that is only judged is no part of the log.
        match call.and_then(HookContext::recorder) {
            Some(recorder) => recorder.line(level.name(), &text),
            None => level.write(call.map(HookContext::script).or(source), &text),
        }
    }
}

/// The level of a line.
#[derive(Debug, Clone, Copy)]
pub(in crate::script) enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

impl LogLevel {
    const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// Writes a line of `script` to the log.
    fn write(self, script: Option<&str>, text: &str) {
        match self {
            Self::Debug => tracing::debug!(target: "registrar::script", script, "{text}"),
            Self::Info => tracing::info!(target: "registrar::script", script, "{text}"),
            Self::Warn => tracing::warn!(target: "registrar::script", script, "{text}"),
            Self::Error => tracing::error!(target: "registrar::script", script, "{text}"),
        }
    }
}

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[
    function(
        "log",
        "debug(text: string)",
        "Writes a line to the server's log, with the name of the script, with the correlation id of the \
         request, and with `[name]` in place of a secret. One call of a hook writes at most 50 lines of 4096 bytes each. `print(text)` is \
         the same as `info`.",
        r#"log::debug("looked at") == ()"#,
    ),
    function(
        "log",
        "info(text: string)",
        "The same, at the level that is enabled by default.",
        r#"log::info("seen") == ()"#,
    ),
    function(
        "log",
        "warn(text: string)",
        "The same, as a warning.",
        r#"log::warn("odd") == ()"#,
    ),
    function(
        "log",
        "error(text: string)",
        "The same, as an error.",
        r#"log::error("broken") == ()"#,
    ),
];

pub(super) fn module(log: &Log) -> Functions {
    let mut module = Functions::default();
    let to = log.clone();
    module.add1(DEBUG, move |cx, text: ImmutableString| {
        to.line(LogLevel::Debug, cx, &text)
    });
    let to = log.clone();
    module.add1("info", move |cx, text: ImmutableString| {
        to.line(LogLevel::Info, cx, &text)
    });
    let to = log.clone();
    module.add1("warn", move |cx, text: ImmutableString| {
        to.line(LogLevel::Warn, cx, &text)
    });
    let to = log.clone();
    module.add1("error", move |cx, text: ImmutableString| {
        to.line(LogLevel::Error, cx, &text)
    });
    module
}

impl Log {
    /// Writes a line for a host function.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "every host function returns a result"
    )]
    fn line(&self, level: LogLevel, cx: &NativeCallContext<'_>, text: &str) -> HostResult<()> {
        self.write(level, call(cx).as_ref(), cx.call_source(), text);
        Ok(())
    }
}
