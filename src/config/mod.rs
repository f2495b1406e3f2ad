//! The configuration: one file, two types. [`Settings`] needs a restart, [`Live`] does not.
//!
//! Knows the form of every option and which can not stand together, not what they do.

mod check;
mod error;
mod file;
mod load;
mod names;
pub mod registration;
mod registration_defaults;
pub mod settings;
mod store;
mod store_url;
#[cfg(test)]
mod tests;
pub mod trust;

pub use error::{ConfigError, ConfigErrors};
pub use load::{Configuration, Origin, Sources, load};
pub use names::nearest;
pub use registration::{Registration, Scope};
pub use settings::{Limits, ScriptLimits, ScriptSettings, Settings};
pub use store::StoreSettings;
pub use store_url::StoreUrl;

use serde::{Deserialize, Serialize};

/// What can change while the server runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// `[registration]`
    pub registration: Registration,
    /// `[[scopes]]`
    pub scopes: Vec<Scope>,
}

impl Live {
    /// Names this configuration: 12 hex digits of a hash. Two configurations that differ only in
    /// a secret have one name.
    pub fn revision(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        crate::secret::sha256_hex(&text).chars().take(12).collect()
    }
}
