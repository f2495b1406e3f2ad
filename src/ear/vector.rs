//! The trustworthiness vector of one submodule (draft-ietf-rats-ar4si section 2.3.4).

use std::collections::BTreeMap;

use serde_json::Value;

use super::result::plain;
use super::{AppraisalExpectations, AppraisalFailure, Check, Tier};

/// Reads the claims of a vector by their uniform names.
pub(super) fn read(
    place: &str,
    value: Option<&Value>,
) -> Result<BTreeMap<String, i8>, AppraisalFailure> {
    let malformed = || {
        AppraisalFailure::new(
            Check::Form,
            format!("the trustworthiness vector of {place} is malformed"),
        )
    };
    let mut vector = BTreeMap::new();
    let Some(value) = value else {
        return Ok(vector);
    };
    for (name, value) in value.as_object().ok_or_else(malformed)? {
        let value = value.as_i64().and_then(|value| i8::try_from(value).ok());
        vector.insert(plain(name), value.ok_or_else(malformed)?);
    }
    Ok(vector)
}

/// Fails if a claim is worse than the status, or worse than the expectations allow.
pub(super) fn check(
    place: &str,
    status: Tier,
    vector: &BTreeMap<String, i8>,
    expected: &AppraisalExpectations,
) -> Result<(), AppraisalFailure> {
    let wrong = |message: String| Err(AppraisalFailure::new(Check::Trust, message));
    let worst = vector
        .iter()
        .max_by_key(|(_, value)| Tier::of_claim(**value));
    if let Some((name, value)) = worst
        && Tier::of_claim(*value) > status
    {
        return wrong(format!(
            "{place} has the status {}, but its claim {name} is {}",
            status.as_str(),
            Tier::of_claim(*value).as_str()
        ));
    }
    for (name, floor) in &expected.claims {
        let tier = vector
            .get(&plain(name))
            .copied()
            .map_or(Tier::None, Tier::of_claim);
        if !floor.is_met_by(tier) {
            let (tier, floor) = (tier.as_str(), floor.as_str());
            return wrong(format!(
                "the claim {name} of {place} is {tier}; {floor} is expected"
            ));
        }
    }
    Ok(())
}
