//! The patch: live options that were changed while the server was running.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::reader::Reader;
use super::{Live, Origin, Origins, tree};

/// Changed values of live options by key: `registration.` and a property, or `scopes`. It contains
/// secrets in clear text, so it is for the store only.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Patch(pub Map<String, Value>);

impl Patch {
    /// Returns the keys of the changed options.
    pub fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

impl From<Value> for Patch {
    fn from(document: Value) -> Self {
        match document {
            Value::Object(values) => Self(values),
            _ => Self::default(),
        }
    }
}

impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Patch").field(&self.keys()).finish()
    }
}

/// Whether `key` names an option that can change while the server runs.
pub fn is_live(key: &str) -> bool {
    match key.split_once('.') {
        Some((section, property)) => section == "registration" && !property.contains('.'),
        None => key == "scopes",
    }
}

/// Whether `key` names a live option, or a part of one.
pub fn is_of_live(key: &str) -> bool {
    key == "scopes" || key.starts_with("registration.")
}

/// Returns the keys of all live options.
pub fn live_keys() -> Vec<String> {
    let Value::Object(live) = serde_json::to_value(Live::default()).unwrap_or_default() else {
        return Vec::new();
    };
    let properties = live
        .get("registration")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    properties
        .map(|(name, _)| format!("registration.{name}"))
        .chain(["scopes".to_owned()])
        .collect()
}

/// Checks that `value` is valid for the live option `key`.
///
/// # Errors
/// Returns what is wrong, and the default.
pub fn fits(key: &str, value: &Value) -> Result<(), String> {
    Reader::new().fits(key, value.clone())
}

/// Returns the message for an unknown live option `key`, with the option that was probably meant.
pub fn unknown_live(key: &str) -> String {
    tree::unknown(
        &serde_json::to_value(Live::default()).unwrap_or_default(),
        key,
    )
}

/// Returns the origin that overrides the live option `key`, or a part of it, so that a patch would have no
/// effect.
pub fn fixed_by(origins: &Origins, key: &str) -> Option<Origin> {
    let inner = format!("{key}.");
    let parts = origins
        .iter()
        .filter(|(part, _)| *part == key || part.starts_with(&inner));
    parts
        .map(|(_, origin)| *origin)
        .find(|origin| matches!(origin, Origin::Environment | Origin::Flag))
}
