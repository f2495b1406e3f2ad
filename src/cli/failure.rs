//! How a command ends that did not do what it was asked to.

use std::io;
use std::process::ExitCode;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(super) enum Failure {
    /// Something failed: exit code 1.
    Failed(String),
    /// It was asked in a way that makes no sense: exit code 2, as clap has it.
    Usage(String),
    /// Whoever read the result wants no more of it: no failure, and nothing to say.
    ReaderGone,
}

impl Failure {
    /// Says on standard error what is wrong, and gives the exit code.
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
            Self::Failed(format!("the result can not be written: {error}"))
        }
    }
}
