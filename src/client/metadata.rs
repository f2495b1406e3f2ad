//! Client metadata: JSON members by name, in the order in which they were given.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The members of a client's metadata.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// The metadata with these members.
    pub const fn new(members: Map<String, Value>) -> Self {
        Self(members)
    }

    /// The value of `name`, whatever its type.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Whether `name` is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value of `name` when it is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// The strings in `name`; none when it is absent or not an array.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// Whether `name` is there and `true`.
    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The value of `name` when it is an integer of 0 or more.
    pub fn count(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }

    /// Sets `name` to `value`.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Sets `name` to `value` when it is absent.
    pub fn set_default(&mut self, name: &str, value: impl Into<Value>) {
        self.0.entry(name).or_insert_with(|| value.into());
    }

    /// Takes `name` away, and keeps the order of the others.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name)
    }

    /// Every member with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The names of the members that `other` has with another value, or has not, or alone has.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let changed = self.0.iter().filter(|(name, value)| other.0.get(*name) != Some(*value));
        let added = other.0.keys().filter(|name| !self.0.contains_key(*name));
        changed.map(|(name, _)| name).chain(added).cloned().collect()
    }

    /// The members as a JSON object.
    pub const fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The members as a JSON object.
    pub fn into_object(self) -> Map<String, Value> {
        self.0
    }
}
