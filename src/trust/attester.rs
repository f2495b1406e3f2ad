//! One of `trustedClientAttesters`.

use super::source::{self, Source};
use crate::config::trust::ClientAttester;
use crate::jose::Algorithm;

/// Somebody who attests clients, with its keys.
#[derive(Debug)]
pub struct Attester {
    /// The `iss` of its attestations.
    pub issuer: String,
    /// The algorithms that it may sign with.
    pub algorithms: Vec<Algorithm>,
    /// Its keys.
    pub source: Source,
}

impl Attester {
    /// Reads `entry`, which stands at `key`; what is wrong goes into `faults`.
    pub(super) fn new(entry: &ClientAttester, key: &str, faults: &mut Vec<(String, String)>) -> Self {
        let algorithms = match &entry.algorithms {
            Some(names) => super::algorithms(&format!("{key}.algorithms"), names, faults),
            None => Algorithm::STATEMENTS.to_vec(),
        };
        let source = source::of_attester(entry, key, faults);
        Self { issuer: entry.issuer.clone(), algorithms, source }
    }
}
