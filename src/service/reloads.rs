//! Why the last reload of each part of the server failed, for everyone who says how the server does.

use std::sync::{Mutex, PoisonError};

/// A part of the server that is reloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reloadable {
    Scripts,
    Configuration,
    Tls,
    Candidate,
    Secrets,
    Key,
}

impl Reloadable {
    const ALL: [Self; 6] = [
        Self::Scripts,
        Self::Configuration,
        Self::Tls,
        Self::Candidate,
        Self::Secrets,
        Self::Key,
    ];

    /// The member of `/readyz` that reports it.
    const fn member(self) -> &'static str {
        match self {
            Self::Scripts => "scriptsError",
            Self::Configuration => "configurationError",
            Self::Tls => "tlsError",
            Self::Candidate => "candidateError",
            Self::Secrets => "secretsError",
            Self::Key => "keyError",
        }
    }
}

/// Why the last reload of each part failed.
#[derive(Debug, Default)]
pub(crate) struct Reloads([Mutex<Option<String>>; Reloadable::ALL.len()]);

impl Reloads {
    /// Notes why a part could not be reloaded, or that it was.
    pub(crate) fn note(&self, part: Reloadable, failure: Option<String>) {
        if let Some(slot) = self.0.get(part as usize) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        }
    }

    /// Returns why a part could not be reloaded.
    pub(crate) fn failure(&self, part: Reloadable) -> Option<String> {
        let slot = self.0.get(part as usize)?;
        slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what could not be reloaded, and why, under the names of members of `/readyz`.
    pub(crate) fn failures(&self) -> Vec<(&'static str, String)> {
        let failed = Reloadable::ALL.into_iter();
        let failed = failed.filter_map(|part| Some((part.member(), self.failure(part)?)));
        failed.collect()
    }
}
