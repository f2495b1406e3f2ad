//! How far something can be trusted, in four tiers (draft-ietf-rats-ar4si section 2.3.2), and the conditions that
//! an attestation result must meet to be accepted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The conditions that an attestation result must meet to be accepted, in the form that scripts
/// use.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct AppraisalExpectations {
    /// The signature algorithms that are accepted.
    pub(crate) algorithms: Vec<String>,
    /// The nonce for which the evidence was created, in any base64 variant.
    pub(crate) nonce: Option<String>,
    /// Whether its age alone proves that it is fresh. If so, no nonce is needed.
    pub(crate) timestamp_only: bool,
    /// The maximum age in seconds, measured from its `iat`.
    pub(crate) max_age: u64,
    /// The status that each submodule must have.
    pub(crate) status: Floor,
    /// The submodules that must have been appraised, by their names in `submods`.
    pub(crate) required_submods: Vec<String>,
    /// The tier that claims of the trustworthiness vector must have, in every submodule with a
    /// vector.
    pub(crate) claims: BTreeMap<String, Floor>,
    /// The accepted verifiers, by their `developer`. If empty, any verifier whose key verifies the
    /// result is accepted.
    pub(crate) verifiers: Vec<String>,
    /// The accepted appraisal policies. If empty, any policy is accepted.
    pub(crate) policies: Vec<String>,
    /// The JWK Set that must contain the attested key.
    pub(crate) bound_to: Option<Value>,
}

impl Default for AppraisalExpectations {
    fn default() -> Self {
        let algorithms = [
            "ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512",
        ];
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

/// The lowest acceptable tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Floor {
    /// Everything is as expected.
    Affirming,
    /// Some aspects may not be as expected.
    Warning,
}

impl Floor {
    /// Whether `tier` is acceptable. A tier without information never is.
    pub(crate) const fn is_met_by(self, tier: Tier) -> bool {
        match tier {
            Tier::Affirming => true,
            Tier::Warning => matches!(self, Self::Warning),
            Tier::None | Tier::Contraindicated => false,
        }
    }

    /// Returns its name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Affirming => "affirming",
            Self::Warning => "warning",
        }
    }
}

/// A tier. The tiers are ordered from best to worst, except `None`, which carries no information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tier {
    /// No information.
    None,
    /// It is as expected.
    Affirming,
    /// It is not as expected.
    Warning,
    /// It must not be trusted.
    Contraindicated,
}

impl Tier {
    /// Returns the tier of a claim of the trustworthiness vector.
    pub(crate) const fn of_claim(value: i8) -> Self {
        match value {
            -1..=1 => Self::None,
            -32..=-2 | 2..=31 => Self::Affirming,
            -96..=-33 | 32..=95 => Self::Warning,
            _ => Self::Contraindicated,
        }
    }

    /// Returns the tier of a status, which is a name in JSON and a number elsewhere.
    pub(super) fn of_status(value: &Value) -> Option<Self> {
        match (value.as_str(), value.as_i64()) {
            (Some("none"), _) | (_, Some(0)) => Some(Self::None),
            (Some("affirming"), _) | (_, Some(2)) => Some(Self::Affirming),
            (Some("warning"), _) | (_, Some(32)) => Some(Self::Warning),
            (Some("contraindicated"), _) | (_, Some(96)) => Some(Self::Contraindicated),
            _ => None,
        }
    }

    /// Returns the name of the tier.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Affirming => "affirming",
            Self::Warning => "warning",
            Self::Contraindicated => "contraindicated",
        }
    }
}
