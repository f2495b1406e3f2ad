//! The entries of `dcrSsaValidationConfigs` and `trustedClientAttesters`.

use crate::config::{ClientAttester, SsaValidationConfig};
use crate::jose::Algorithm;
use crate::trust::{source, source::Source};

/// A configured issuer, with its keys and what it can assert.
#[derive(Debug)]
pub(crate) struct Issuer {
    /// Identifies the entry in logs.
    pub(crate) id: String,
    names: Vec<String>,
    /// The only scopes that it can grant. `None`: any scope.
    pub(crate) scopes: Option<Vec<String>>,
    /// The only claims that are used as metadata. `None`: any claim.
    pub(crate) allowed_claims: Option<Vec<String>>,
    /// The accepted signature algorithms.
    pub(crate) algorithms: Vec<Algorithm>,
    /// Its keys.
    pub(crate) source: Source,
}

impl Issuer {
    /// Parses `entry` with the option key `key`. Errors are added to `faults`.
    pub(super) fn new(
        entry: &SsaValidationConfig,
        supported: &[Algorithm],
        key: &str,
        faults: &mut Vec<(String, String)>,
    ) -> Self {
        let algorithms = match &entry.algorithms {
            Some(names) => super::algorithms(&format!("{key}.algorithms"), names, faults),
            None => supported.to_vec(),
        };
        Self {
            id: entry.id.clone(),
            names: entry.issuers.clone(),
            scopes: entry.scopes.clone(),
            allowed_claims: entry.allowed_claims.clone(),
            algorithms,
            source: source::of_entry(entry, key, faults),
        }
    }

    /// Whether the entry applies to tokens with the `iss` `name`. An entry that identifies issuers by their
    /// certificates does not need to list them.
    pub(crate) fn is_for(&self, name: &str) -> bool {
        let is_open = self.names.is_empty() && self.source.certified.is_some();
        is_open || self.names.iter().any(|own| own == name)
    }

    /// Whether the claim `name` can be used as metadata.
    pub(crate) fn may_claim(&self, name: &str) -> bool {
        match &self.allowed_claims {
            Some(allowed) => allowed.iter().any(|claim| claim == name),
            None => true,
        }
    }
}

/// A trusted client attester with its keys.
#[derive(Debug)]
pub(crate) struct Attester {
    /// The `iss` of its attestations.
    pub(crate) issuer: String,
    /// The accepted signature algorithms.
    pub(crate) algorithms: Vec<Algorithm>,
    /// Its keys.
    pub(crate) source: Source,
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
