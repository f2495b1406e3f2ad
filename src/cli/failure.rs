//! How a failed command ends.

use std::io;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Something failed: exit code 1.
    Failed(String),
    /// Wrong usage: exit code 2, as in clap.
    Usage(String),
    /// The reader of the result has closed it: exit code 0, and no message.
    ReaderGone,
}

impl Failure {
    /// Writes the message to standard error and returns the exit code.
    pub(super) fn report(self) -> ExitCode {
        let (message, code) = match self {
            Self::Failed(message) => (message, ExitCode::FAILURE),
            Self::Usage(message) => (message, ExitCode::from(2)),
            Self::ReaderGone => return ExitCode::SUCCESS,
        };
        note!("registrar: {message}");
        code
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

/// A failure to write the result.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ReaderGone
        } else {
            Self::Failed(format!("the result cannot be written: {error}"))
        }
    }
}
