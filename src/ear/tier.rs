//! How far something can be trusted, in four tiers (draft-ietf-rats-ar4si section 2.3.2).

use serde::Serialize;
use serde_json::Value;

/// A tier. The tiers are ordered from best to worst, except `None`, which carries no information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
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
    pub const fn of_claim(value: i8) -> Self {
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
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Affirming => "affirming",
            Self::Warning => "warning",
            Self::Contraindicated => "contraindicated",
        }
    }
}
