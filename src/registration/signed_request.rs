//! Step 7: the signature of the request as a whole.

use super::RegisterError;
use super::parse::Parsed;
use crate::model::Violation;
use crate::service::Context;

/// Refuses every signed request, and every plain one where a signature is required: there is
/// nothing yet that verifies one.
pub(super) fn verify(cx: &Context<'_>, parsed: &Parsed) -> Result<(), RegisterError> {
    let required = cx.settings().dcr_signature_validation_enabled;
    let rule = match (parsed.is_signed, required) {
        (false, false) => return Ok(()),
        (true, _) => "this server has no keys for signed requests; send the metadata as application/json",
        (false, true) => "the request must be signed: send it as application/jwt",
    };
    Err(RegisterError::Unproven(Violation::metadata("", rule)))
}
