//! The patch: live options that were changed while the server was running.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::{DEFAULTS, Live, Origin, Origins, tree};

/// Changed values of live options by key: `registration.` and a property, `scopes`, `webhooks` or `exports`. It
/// contains secrets in clear text, so it is for the store only.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Patch(pub Map<String, Value>);

impl Patch {
    /// Returns the keys of the changed options.
    pub(crate) fn keys(&self) -> Vec<&str> {
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

/// The sections of the live configuration that are lists. A patch has each of them as a whole.
pub(crate) const LISTS: [&str; 3] = ["scopes", "webhooks", "exports"];

/// Whether `name` is a section of the live configuration.
pub(crate) fn is_live_section(name: &str) -> bool {
    name == "registration" || LISTS.contains(&name)
}

/// Whether `key` names an option that can change while the server runs.
pub(crate) fn is_live(key: &str) -> bool {
    match key.split_once('.') {
        Some((section, property)) => section == "registration" && !property.contains('.'),
        None => LISTS.contains(&key),
    }
}

/// Whether `key` names a live option, or a part of one.
pub(crate) fn is_of_live(key: &str) -> bool {
    LISTS.contains(&key) || key.starts_with("registration.")
}

/// Returns the keys of all live options.
pub(crate) fn live_keys() -> Vec<String> {
    let mut keys = Vec::new();
    for name in properties() {
        keys.push(format!("registration.{name}"));
    }
    for name in LISTS {
        keys.push(name.to_owned());
    }
    keys
}

/// Returns the names of all properties of `[registration]`.
pub(crate) fn properties() -> impl Iterator<Item = &'static str> {
    let registration = tree::lookup(&DEFAULTS, "registration").and_then(Value::as_object);
    let names = registration.into_iter().flat_map(Map::keys);
    names.map(String::as_str)
}

/// Whether `name` is a section of options that need a restart.
pub(crate) fn is_section_of_settings(name: &str) -> bool {
    let is_section = DEFAULTS
        .as_object()
        .is_some_and(|sections| sections.contains_key(name));
    is_section && !is_live_section(name)
}

/// Whether `value` has the type of the live option `key`.
pub(crate) fn fits(key: &str, value: &Value) -> bool {
    let mut values = Map::new();
    tree::put(&mut values, key, value.clone());
    serde_json::from_value::<Live>(values.into()).is_ok()
}

/// Returns the message for an unknown live option `key`, with the option that was probably meant.
pub(crate) fn unknown_live(key: &str) -> String {
    tree::unknown(key)
}

/// Returns the origin that overrides the live option `key`, or a part of it, so that a patch would have no
/// effect.
pub(crate) fn fixed_by(origins: &Origins, key: &str) -> Option<Origin> {
    let inner = format!("{key}.");
    for (part, origin) in origins {
        let is_of_key = part == key || part.starts_with(&inner);
        if is_of_key && matches!(origin, Origin::Environment | Origin::Flag) {
            return Some(*origin);
        }
    }
    None
}
