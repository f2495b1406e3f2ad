//! The configuration: one file, two types. [`Settings`] needs a restart, [`Live`] does not.

pub mod registration;
mod registration_defaults;
pub mod settings;

pub use registration::{Registration, Scope};
pub use settings::{Limits, ScriptLimits, ScriptSettings, Settings, StoreSettings};

/// What can change while the server runs.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// `[registration]`
    pub registration: Registration,
    /// `[[scopes]]`
    pub scopes: Vec<Scope>,
}
