//! What becomes of a request when scripts were asked.

use serde_json::{Map, Value};

use crate::client::{Metadata, ScriptRef};

/// All scripts let the request pass.
#[derive(Debug)]
pub struct Decision {
    /// The metadata as they left it.
    pub client: Metadata,
    /// The scripts that were asked, in their order.
    pub decided_by: Vec<ScriptRef>,
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
#[derive(Debug, thiserror::Error)]
#[error("{script}:{line}:{column}: {hook}: {message}")]
pub struct Fault {
    /// Its file name, or that of the library in which it failed.
    pub script: String,
    /// The hook that was called.
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
