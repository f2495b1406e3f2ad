//! Client metadata: JSON members by name, in the order in which they were sent.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::absent;
use crate::client::{MemberKind, member};

/// Up to this number of members, a linear search is faster than hashing the name.
const FEW: usize = 48;

/// The members of a client's metadata. None of them is absent. In a JWK Set or another object
/// that a standard defines, no member is absent either.
///
/// A clone is cheap: the members are copied only when one of two owners changes them. A request is
/// passed to its scripts, checked, approved and answered, and most of these steps change nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Metadata(Arc<Map<String, Value>>);

impl Metadata {
    /// Returns the metadata with those of `members` that are not absent.
    pub(crate) fn new(members: Map<String, Value>) -> Self {
        let mut members = absent::present(members);
        for (name, value) in &mut members {
            if is_structured(name) {
                absent::prune(value);
            }
        }
        Self(Arc::new(members))
    }

    /// Returns the value of `name`, whatever its type.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        if self.0.len() > FEW {
            return self.0.get(name);
        }
        let (_, value) = self.0.iter().find(|(member, _)| *member == name)?;
        Some(value)
    }

    /// Whether `name` is present.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns the value of `name` if it is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// Returns the strings in `name`, or none if it is absent or not an array.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let items = match self.get(name) {
            Some(Value::Array(items)) => items.as_slice(),
            _ => &[],
        };
        items.iter().filter_map(Value::as_str)
    }

    /// Whether `name` is an array that contains `text`.
    pub(crate) fn has_item(&self, name: &str, text: &str) -> bool {
        self.texts(name).any(|item| item == text)
    }

    /// Whether `name` is present and `true`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Bool(true)))
    }

    /// Returns the value of `name` if it is a non-negative integer.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_u64()
    }

    /// Sets `name` to `value`. An absent value removes the member.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        let mut value = value.into();
        if absent::is_absent(&value) {
            self.remove(name);
            return;
        }
        if is_structured(name) {
            absent::prune(&mut value);
        }
        Arc::make_mut(&mut self.0).insert(name.to_owned(), value);
    }

    /// Sets `name` to `value` if it is absent.
    pub(crate) fn set_default(&mut self, name: &str, value: impl Into<Value>) {
        if !self.has(name) {
            self.set(name, value);
        }
    }

    /// Removes `name` and keeps the order of the other members.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Value> {
        if self.has(name) {
            Arc::make_mut(&mut self.0).shift_remove(name)
        } else {
            None
        }
    }

    /// Returns every member with its value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the names of the members whose values differ, including members that only one side
    /// has.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut names = Vec::new();
        for (name, value) in &*self.0 {
            if other.0.get(name) != Some(value) {
                names.push(name.clone());
            }
        }
        for name in other.0.keys() {
            if !self.0.contains_key(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Returns the members as a JSON object.
    pub(crate) fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Returns the members as a JSON object.
    pub(crate) fn into_object(self) -> Map<String, Value> {
        Arc::unwrap_or_clone(self.0)
    }
}

/// Whether `name` is an object whose members a standard defines.
fn is_structured(name: &str) -> bool {
    match member::find(name) {
        Some(member) => matches!(member.kind, MemberKind::Jwks | MemberKind::Object),
        None => false,
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}
