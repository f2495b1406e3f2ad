//! Errors in a configuration. All of them are reported, each with its location.

use std::fmt;

/// One error in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The location: `FILE:LINE:COLUMN`, an environment variable, or a flag.
    pub place: String,
    /// The key, as in `server.listen`; empty when the file as a whole is wrong.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.reason)
    }
}

/// All errors in a configuration: at least one. They are displayed one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

/// What the checks of a configuration found: errors and warnings, each with its key and reason.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) errors: Vec<(String, String)>,
    pub(super) warnings: Vec<(String, String)>,
}

impl Verdict {
    pub(super) fn refuse(&mut self, key: &str, reason: impl Into<String>) {
        self.errors.push((key.to_owned(), reason.into()));
    }

    pub(super) fn warn(&mut self, key: &str, reason: impl Into<String>) {
        self.warnings.push((key.to_owned(), reason.into()));
    }
}
