//! One entry of `dcrSsaValidationConfigs`.

use super::source::{self, Source};
use crate::config::trust::SsaValidationConfig;
use crate::jose::Algorithm;

/// An issuer that the operator named, with its keys and what it may say.
#[derive(Debug)]
pub struct Issuer {
    /// Names the entry in logs.
    pub id: String,
    names: Vec<String>,
    /// The only scopes that may come from it; none: any.
    pub scopes: Option<Vec<String>>,
    /// The only claims that are taken from it; none: any.
    pub allowed_claims: Option<Vec<String>>,
    /// The algorithms that it may sign with.
    pub algorithms: Vec<Algorithm>,
    /// Its keys.
    pub source: Source,
}

impl Issuer {
    /// Reads `entry`, which stands at `key`; what is wrong goes into `faults`.
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

    /// Whether it is for tokens whose `iss` is `name`. Where certificates say who an issuer is, none
    /// needs to be named.
    pub fn is_for(&self, name: &str) -> bool {
        let is_open = self.names.is_empty() && self.source.certified.is_some();
        is_open || self.names.iter().any(|own| own == name)
    }

    /// Whether metadata may be taken from the claim called `name`.
    pub fn may_claim(&self, name: &str) -> bool {
        self.allowed_claims.as_ref().is_none_or(|allowed| allowed.iter().any(|claim| claim == name))
    }
}
