//! Step 9: attestation evidence. It comes before the metadata rules, so that a first, minimal
//! request learns what evidence is wanted.

use serde_json::{Map, Value};

use super::RegisterError;
use crate::model::Violation;
use crate::service::Context;

/// Refuses all evidence, and every request where evidence is required: there is nothing yet
/// that appraises it, and evidence that is not appraised proves nothing.
pub(super) fn appraise(cx: &Context<'_>, members: &Map<String, Value>) -> Result<(), RegisterError> {
    let required = cx.settings().dcr_attestation_evidence_required;
    let rule = match members.get("evidence") {
        Some(_) => "this server has no verifier of attestation evidence; register without it",
        None if required => "attestation evidence is required, and this server has no verifier for it",
        None => return Ok(()),
    };
    Err(RegisterError::Unproven(Violation::metadata("evidence", rule)))
}
