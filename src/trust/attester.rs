//! An entry of `trustedClientAttesters`.

use super::source::{self, Source};
use crate::config::trust::ClientAttester;
use crate::jose::Algorithm;

/// A trusted client attester with its keys.
#[derive(Debug)]
pub struct Attester {
    /// The `iss` of its attestations.
    pub issuer: String,
    /// The accepted signature algorithms.
    pub algorithms: Vec<Algorithm>,
    /// Its keys.
    pub source: Source,
}

impl Attester {
    /// Parses `entry` with the option key `key`. Errors are added to `faults`.
    pub(super) fn new(
        entry: &ClientAttester,
        key: &str,
        faults: &mut Vec<(String, String)>,
    ) -> Self {
        let algorithms = match &entry.algorithms {
            Some(names) => super::algorithms(&format!("{key}.algorithms"), names, faults),
            None => Algorithm::STATEMENTS.to_vec(),
        };
        let source = source::of_attester(entry, key, faults);
        Self {
            issuer: entry.issuer.clone(),
            algorithms,
            source,
        }
    }
}
