//! The checks, in their order.

use serde_json::{Map, Value};

use super::result::{self, AttestationResult, Submodule};
use super::{AppraisalExpectations, AppraisalFailure, Check, nonce, vector};
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
        vector::check(name, part.status, &part.vector, expected)?;
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
        Some(nonce) => nonce::check(claims, nonce),
        None if expected.timestamp_only => Ok(()),
        None => Err(AppraisalFailure::new(
            Check::Expectations,
            "pass the expected `nonce`, or `timestampOnly: true` if the age of the result is enough",
        )),
    }
}

fn check_submodules(
    found: &AttestationResult,
    expected: &AppraisalExpectations,
) -> Result<(), AppraisalFailure> {
    let missing = expected
        .required_submods
        .iter()
        .find(|name| !found.submods.contains_key(*name));
    match missing {
        None => Ok(()),
        Some(name) => Err(AppraisalFailure::new(
            Check::Submodules,
            format!("{name} was not appraised"),
        )),
    }
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
