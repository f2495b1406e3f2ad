//! What was changed while the server ran: live options with their values.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::reader::Reader;
use super::{Live, Origin, Origins, tree};

/// Live options with the values that they were given, by their keys: `registration.` and a
/// property, or `scopes`. It holds secrets as they are: it is for the store alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Patch(pub Map<String, Value>);

impl Patch {
    /// The keys of the options.
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

/// The key of every live option.
pub fn live_keys() -> Vec<String> {
    let Value::Object(live) = serde_json::to_value(Live::default()).unwrap_or_default() else {
        return Vec::new();
    };
    let properties = live.get("registration").and_then(Value::as_object).into_iter().flatten();
    properties.map(|(name, _)| format!("registration.{name}")).chain(["scopes".to_owned()]).collect()
}

/// Whether the live option `key` may hold `value`.
///
/// # Errors
/// What would be right.
pub fn fits(key: &str, value: &Value) -> Result<(), String> {
    Reader::new().fits(key, value.clone())
}

/// Why there is no live option `key`, and which one was probably meant.
pub fn unknown_live(key: &str) -> String {
    tree::unknown(&serde_json::to_value(Live::default()).unwrap_or_default(), key)
}

/// What has the last word on the live option `key`, or on a part of it: a patch would be without
/// effect.
pub fn fixed_by(origins: &Origins, key: &str) -> Option<Origin> {
    let inner = format!("{key}.");
    let parts = origins.iter().filter(|(part, _)| *part == key || part.starts_with(&inner));
    parts.map(|(_, origin)| *origin).find(|origin| matches!(origin, Origin::Environment | Origin::Flag))
}
