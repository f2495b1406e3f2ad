//! Step 6: the software statement (RFC 7591 section 2.3).

use super::RegisterError;
use super::parse::Parsed;
use crate::model::{ErrorCode, Violation};
use crate::service::Context;

/// Refuses every statement: there is nothing yet that verifies one, and a statement that is
/// not verified must not look as if it had been.
pub(super) fn verify(cx: &Context<'_>, parsed: &Parsed) -> Result<(), RegisterError> {
    let rule = match parsed.members.get("software_statement") {
        Some(_) => "this server has no verified source of keys for software statements; register without one",
        None if cx.settings().software_statement_required => "a software statement is required here",
        None => return Ok(()),
    };
    let code = ErrorCode::InvalidSoftwareStatement;
    Err(RegisterError::Unproven(Violation { code, member: "software_statement".into(), rule: rule.into() }))
}
