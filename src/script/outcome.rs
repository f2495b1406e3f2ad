//! What becomes of a request when scripts were asked.

use std::fmt;

use rhai::EvalAltResult;
use serde_json::{Map, Value};

use super::hook::Hook;
use super::value::message;

use crate::client::{Metadata, ScriptRef};

/// All scripts let the request pass.
#[derive(Debug)]
pub struct Decision {
    /// The metadata as they left it.
    pub client: Metadata,
    /// The scripts that were asked, in their order.
    pub decided_by: Vec<ScriptRef>,
    /// What one of them found the evidence of the request to say, if any looked at it and said so.
    pub attestation: Option<Value>,
}

/// Scripts adapted a request.
#[derive(Debug)]
pub struct Adapted {
    /// The request as they left it.
    pub request: Metadata,
    /// The scripts that were asked, in their order.
    pub by: Vec<ScriptRef>,
}

/// A script said what was asked for.
pub struct Answered {
    /// What it said, of the type that the hook asks for.
    pub value: Value,
    /// Who said it.
    pub by: ScriptRef,
}

impl fmt::Debug for Answered {
    /// The value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered").field("by", &self.by).finish_non_exhaustive()
    }
}

/// A script did not let the request pass, or could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It said what to answer.
    #[error("the script {script} answered with {status}")]
    Answered {
        /// Its file name.
        script: String,
        /// An HTTP status from 400 to 599.
        status: u16,
        /// The JSON body.
        entity: Map<String, Value>,
    },
    /// It returned `false`.
    #[error("the script {script} refused")]
    Refused {
        /// Its file name.
        script: String,
    },
    /// It failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Too many scripts are running.
    #[error("too many scripts are running")]
    Busy,
}

/// A script failed: for the log, never for the client.
#[derive(Debug)]
pub struct Fault {
    /// Its file name, or that of the library in which it failed.
    pub script: String,
    /// The hook, or the test, that was called.
    pub hook: String,
    /// What went wrong.
    pub message: String,
    /// The line, from 1; 0 when there is none.
    pub line: usize,
    /// The column, from 1; 0 when there is none.
    pub column: usize,
    /// The functions that were being called, the outermost first.
    pub calls: String,
}

impl fmt::Display for Fault {
    /// As in `10-a.rhai:2:5: createClient: it threw 5`; without the line when there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.script.is_empty() {
            f.write_str(&self.script)?;
            if self.line > 0 {
                write!(f, ":{}:{}", self.line, self.column)?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}: {}", self.hook, self.message)
    }
}

impl std::error::Error for Fault {}

impl Fault {
    /// A fault at no place in particular.
    pub fn new(script: &str, hook: Hook, message: String) -> Self {
        Self::nowhere(script, hook.name(), message)
    }

    /// The same of a function that is no hook.
    pub(super) fn nowhere(script: &str, function: &str, message: String) -> Self {
        let (script, hook) = (script.to_owned(), function.to_owned());
        Self { script, hook, message, line: 0, column: 0, calls: String::new() }
    }

    /// What went wrong in `script`, where, and who had called whom.
    pub(super) fn of(script: &str, function: &str, error: &EvalAltResult) -> Self {
        let mut calls = Vec::new();
        let (mut inner, mut file) = (error, script);
        while let EvalAltResult::ErrorInFunctionCall(name, source, cause, position) = inner {
            // The dispatch function, which has no source, is not the operator's business.
            if !source.is_empty() {
                // Who was called is in `source`, but the call is in the file before.
                let place = format!("{name} (called in {file}, {position})");
                calls.push(if calls.is_empty() { name.clone() } else { place });
                file = source;
            }
            inner = cause;
        }
        let position = inner.position();
        Self {
            line: position.line().unwrap_or(0),
            column: position.position().unwrap_or(0),
            calls: calls.join(" > "),
            ..Self::nowhere(file, function, message(inner))
        }
    }
}
