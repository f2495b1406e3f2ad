//! The outcome of calling the scripts for a request.

use std::fmt;

use rhai::EvalAltResult;
use serde_json::{Map, Value};

use crate::client::{Metadata, ScriptRef};
use crate::script::{Hook, error_message};

/// The decision when all scripts have accepted the request.
#[derive(Debug)]
pub(crate) struct Decision {
    /// The metadata as the scripts left it.
    pub(crate) client: Metadata,
    /// The scripts that were called, in order.
    pub(crate) decided_by: Vec<ScriptRef>,
    /// The result with which a script has accepted the evidence of the request, if any.
    pub(crate) attestation: Option<Value>,
    /// The members that scripts changed, in order.
    pub(crate) changed: Vec<ChangedMember>,
    /// What scripts have reserved for the client.
    pub(crate) reserved: Vec<Reservation>,
    /// Why a script lets the request wait for an administrator; none if no script does.
    pub(crate) held: Option<String>,
}

/// One use of a counter of a script, which counts only when the client is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reservation {
    /// The file name of the script, to which the counter belongs.
    pub(crate) script: String,
    /// The key of the counter.
    pub(crate) key: String,
    /// The maximum of the counter.
    pub(crate) most: u64,
}

/// A request that scripts have adapted.
#[derive(Debug)]
pub(crate) struct Adaptation {
    /// The request as the scripts left it.
    pub(crate) request: Metadata,
    /// The scripts that were called, in order.
    pub(crate) by: Vec<ScriptRef>,
    /// The members that scripts changed, in order.
    pub(crate) changed: Vec<ChangedMember>,
}

/// A member that a script changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangedMember {
    /// Its name.
    pub(crate) member: String,
    /// The file name of the script.
    pub(crate) script: String,
}

/// The value that a script has returned.
pub(crate) struct Answered {
    /// The value, in the type that the hook requires.
    pub(crate) value: Value,
    /// The script that returned it.
    pub(crate) by: ScriptRef,
}

impl fmt::Debug for Answered {
    /// The value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered")
            .field("by", &self.by)
            .finish_non_exhaustive()
    }
}

/// The reason why a script did not accept the request, or could not be called.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookError {
    /// The script set the response.
    #[error("the script {script} responded with {status}")]
    Answered {
        /// Its file name.
        script: String,
        /// An HTTP status from 400 to 599.
        status: u16,
        /// The JSON body.
        entity: Map<String, Value>,
    },
    /// The script returned `false`.
    #[error("the script {script} rejected the request")]
    Refused {
        /// Its file name.
        script: String,
    },
    /// The script failed.
    #[error(transparent)]
    Fault(#[from] ScriptFault),
    /// Too many scripts are running.
    #[error("too many scripts are running")]
    Busy,
}

/// The failure of a script, for the log and never for the client.
#[derive(Debug)]
pub(crate) struct ScriptFault {
    /// The file name of the script, or of the library in which it failed.
    pub(crate) script: String,
    /// The hook, or the test, that was called.
    pub(crate) hook: String,
    /// What went wrong.
    pub(crate) message: String,
    /// The line, from 1; 0 when there is none.
    pub(crate) line: usize,
    /// The column, from 1; 0 when there is none.
    pub(crate) column: usize,
    /// The call stack, with the outermost function first.
    pub(crate) calls: String,
}

impl fmt::Display for ScriptFault {
    /// Writes `10-a.rhai:2:5: createClient: the script threw 5`, without the position when it is unknown.
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

impl std::error::Error for ScriptFault {}

impl ScriptFault {
    /// Creates a fault without a position.
    pub(crate) fn new(script: &str, hook: Hook, message: String) -> Self {
        Self::nowhere(script, hook.name(), message)
    }

    /// Creates the same for a function that is not a hook.
    pub(super) fn nowhere(script: &str, function: &str, message: String) -> Self {
        let (script, hook) = (script.to_owned(), function.to_owned());
        Self {
            script,
            hook,
            message,
            line: 0,
            column: 0,
            calls: String::new(),
        }
    }

    /// Creates the fault of an error in `script`, with its position and the call stack. The engine does not know
    /// where some limits were exceeded. Then the position is that of the innermost call that led there.
    pub(super) fn of(script: &str, function: &str, error: &EvalAltResult) -> Self {
        let mut calls = Vec::new();
        let (mut inner, mut file, mut called_at) = (error, script, None);
        while let EvalAltResult::ErrorInFunctionCall(name, source, cause, position) = inner {
            // The dispatch function, which has no source, is hidden from operators.
            if !source.is_empty() {
                // The called function is in `source`, but the call is in the previous file.
                let place = format!("{name} (called in {file}, {position})");
                if calls.is_empty() {
                    calls.push(name.clone());
                } else {
                    calls.push(place);
                    called_at = Some((file, *position));
                }
                file = source;
            }
            inner = cause;
        }
        let (file, position) = match called_at {
            Some((caller, call)) if inner.position().is_none() => (caller, call),
            _ => (file, inner.position()),
        };
        Self {
            line: position.line().unwrap_or(0),
            column: position.position().unwrap_or(0),
            calls: calls.join(" > "),
            ..Self::nowhere(file, function, error_message(inner))
        }
    }
}
