//! The checks, in their order.

use serde_json::{Map, Value};

use crate::ear::{
    AppraisalExpectations, AppraisalFailure, Check, Tier, result, result::AttestationResult,
    result::Submodule, result::octets, result::plain,
};
use crate::jose;

/// Checks the claims of a result whose signature and times are verified.
///
/// # Errors
/// The first check that fails.
pub(crate) fn judge(
    claims: &Map<String, Value>,
    expected: &AppraisalExpectations,
) -> Result<AttestationResult, AppraisalFailure> {
    let found = result::read(claims)?;
    check_nonce(claims, expected)?;
    check_submodules(&found, expected)?;
    check_verifier(&found, expected)?;
    for (name, part) in &found.submods {
        check_status(name, part, expected)?;
        check_vector(name, part, expected)?;
        check_policies(name, part, expected)?;
    }
    check_key(&found, expected)?;
    Ok(found)
}

/// Requires a nonce or `timestampOnly`, so that a script that omits the nonce does not accept a
/// result forever.
fn check_nonce(
    claims: &Map<String, Value>,
    expected: &AppraisalExpectations,
) -> Result<(), AppraisalFailure> {
    match &expected.nonce {
        Some(nonce) => check_eat_nonce(claims, nonce),
        None if expected.timestamp_only => Ok(()),
        None => Err(AppraisalFailure::new(
            Check::Expectations,
            "pass the expected `nonce`, or `timestampOnly: true` if the age of the result is enough",
        )),
    }
}

/// The maximum number of nonces that are read from one result.
const MOST_NONCES: usize = 8;

/// Fails unless `eat_nonce` (RFC 9711 section 4.1) contains `expected`. Verifiers encode one nonce in several
/// ways, so the bytes are compared.
fn check_eat_nonce(claims: &Map<String, Value>, expected: &str) -> Result<(), AppraisalFailure> {
    let wrong = |message: &str| Err(AppraisalFailure::new(Check::Nonce, message));
    let nonces = match claims.get("eat_nonce") {
        None => return wrong("the result has no `eat_nonce`"),
        Some(Value::Array(several)) => several.as_slice(),
        Some(one @ Value::String(_)) => std::slice::from_ref(one),
        Some(_) => return wrong("`eat_nonce` of the result is not a string"),
    };
    let expected = nonce_bytes(expected);
    for nonce in nonces.iter().take(MOST_NONCES) {
        if let Value::String(nonce) = nonce
            && nonce_bytes(nonce) == expected
        {
            return Ok(());
        }
    }
    wrong("the result is for another nonce")
}

/// Returns the bytes that `text` encodes, or the bytes of the text itself if it is not base64.
fn nonce_bytes(text: &str) -> Vec<u8> {
    octets(text).unwrap_or_else(|| text.as_bytes().to_vec())
}

fn check_submodules(
    found: &AttestationResult,
    expected: &AppraisalExpectations,
) -> Result<(), AppraisalFailure> {
    for name in &expected.required_submods {
        if !found.submods.contains_key(name) {
            return Err(AppraisalFailure::new(
                Check::Submodules,
                format!("{name} was not appraised"),
            ));
        }
    }
    Ok(())
}

fn check_verifier(
    found: &AttestationResult,
    expected: &AppraisalExpectations,
) -> Result<(), AppraisalFailure> {
    let developer = &found.verifier.developer;
    if expected.verifiers.is_empty() || expected.verifiers.contains(developer) {
        return Ok(());
    }
    Err(AppraisalFailure::new(
        Check::Verifier,
        format!("the verifier '{developer}' is not one of the expected verifiers"),
    ))
}

fn check_status(
    name: &str,
    part: &Submodule,
    expected: &AppraisalExpectations,
) -> Result<(), AppraisalFailure> {
    if expected.status.is_met_by(part.status) {
        return Ok(());
    }
    if part.is_stale {
        return Err(AppraisalFailure::new(
            Check::Nonce,
            format!("the evidence of {name} has another nonce"),
        ));
    }
    let (status, floor) = (part.status.as_str(), expected.status.as_str());
    Err(AppraisalFailure::new(
        Check::Status,
        format!("{name} is {status}; {floor} is expected"),
    ))
}

/// Fails if a claim is worse than the status, or worse than the expectations allow.
fn check_vector(
    name: &str,
    part: &Submodule,
    expected: &AppraisalExpectations,
) -> Result<(), AppraisalFailure> {
    let wrong = |message: String| Err(AppraisalFailure::new(Check::Trust, message));
    let tiers = part
        .vector
        .iter()
        .map(|(claim, value)| (claim, Tier::of_claim(*value)));
    if let Some((claim, tier)) = tiers.max_by_key(|(_, tier)| *tier)
        && tier > part.status
    {
        let (status, tier) = (part.status.as_str(), tier.as_str());
        return wrong(format!(
            "{name} has the status {status}, but its claim {claim} is {tier}"
        ));
    }
    for (claim, floor) in &expected.claims {
        let tier = match part.vector.get(&plain(claim)) {
            Some(value) => Tier::of_claim(*value),
            None => Tier::None,
        };
        if !floor.is_met_by(tier) {
            let (tier, floor) = (tier.as_str(), floor.as_str());
            return wrong(format!(
                "the claim {claim} of {name} is {tier}; {floor} is expected"
            ));
        }
    }
    Ok(())
}

fn check_policies(
    name: &str,
    part: &Submodule,
    expected: &AppraisalExpectations,
) -> Result<(), AppraisalFailure> {
    let mut applied = part.policies.iter();
    let all_are_known = applied.all(|policy| expected.policies.contains(policy));
    if expected.policies.is_empty() || !part.policies.is_empty() && all_are_known {
        return Ok(());
    }
    Err(AppraisalFailure::new(
        Check::Policy,
        format!("{name} was not appraised against an expected policy"),
    ))
}

/// Without this check, evidence describes a device but not the bearer of the client's keys.
fn check_key(
    found: &AttestationResult,
    expected: &AppraisalExpectations,
) -> Result<(), AppraisalFailure> {
    let Some(jwks) = &expected.bound_to else {
        return Ok(());
    };
    let wrong = |message| Err(AppraisalFailure::new(Check::Key, message));
    if found.keys.is_empty() {
        return wrong("no key is attested");
    }
    let all_are_in = found.keys.iter().all(|key| jose::key_is_in(key, jwks));
    if all_are_in {
        Ok(())
    } else {
        wrong("the attested key is not in the client's jwks")
    }
}
