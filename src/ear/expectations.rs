//! What an attestation result must say to be taken.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Tier;

/// What an attestation result must say to be taken, as scripts write it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Expectations {
    /// The algorithms that it may be signed with.
    pub algorithms: Vec<String>,
    /// The nonce that the evidence was made with, in any spelling of base64.
    pub nonce: Option<String>,
    /// Whether its age alone shows that it is fresh; then it needs no nonce.
    pub timestamp_only: bool,
    /// Seconds since its `iat`.
    pub max_age: u64,
    /// The status that each part must have.
    pub status: Floor,
    /// The parts that must have been appraised, by their names in `submods`.
    pub required_submods: Vec<String>,
    /// What claims of the trustworthiness vector must be, wherever there is a vector.
    pub claims: BTreeMap<String, Floor>,
    /// Who may have appraised: the `developer` of a verifier; empty: whoever has the key.
    pub verifiers: Vec<String>,
    /// The policies by which it may have been appraised; empty: any.
    pub policies: Vec<String>,
    /// The JWK Set that the attested key must be in.
    pub bound_to: Option<Value>,
}

impl Default for Expectations {
    fn default() -> Self {
        let algorithms = ["ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512"];
        Self {
            algorithms: algorithms.map(str::to_owned).to_vec(),
            nonce: None,
            timestamp_only: false,
            max_age: 300,
            status: Floor::Affirming,
            required_submods: Vec::new(),
            claims: BTreeMap::new(),
            verifiers: Vec::new(),
            policies: Vec::new(),
            bound_to: None,
        }
    }
}

/// The least that is good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Floor {
    /// All is as it should be.
    Affirming,
    /// Something may not be.
    Warning,
}

impl Floor {
    /// Whether `tier` is good enough. What says nothing never is.
    pub const fn is_met_by(self, tier: Tier) -> bool {
        match tier {
            Tier::Affirming => true,
            Tier::Warning => matches!(self, Self::Warning),
            Tier::None | Tier::Contraindicated => false,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Affirming => "affirming",
            Self::Warning => "warning",
        }
    }
}
