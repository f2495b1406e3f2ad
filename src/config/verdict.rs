//! What the checks of a configuration found.

/// Errors and warnings, each with its key and reason.
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
