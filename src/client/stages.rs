//! The three stages of metadata. Each can only be made from the one before it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Metadata;
use super::member::{self, Kind, SetBy};
use super::rules::Rules;
use crate::model::{Violation, json};

/// What somebody asks for: the members that a client may set, whatever their values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Requested(Metadata);

impl Requested {
    /// Takes from `object` what a client may set: members that are known, and the custom ones
    /// that `custom` names.
    ///
    /// Unknown members are not heard (RFC 7591 section 2), nor are those that only this server
    /// or its operator sets.
    pub fn read(object: Map<String, Value>, custom: &[String]) -> Self {
        Self::set_by(&[SetBy::Client, SetBy::Privileged, SetBy::Request], object, custom)
    }

    /// Takes from `object` what an administrator may set: what the client may, and what only
    /// the operator sets.
    pub fn read_as_operator(object: Map<String, Value>, custom: &[String]) -> Self {
        Self::set_by(&[SetBy::Client, SetBy::Privileged, SetBy::Request, SetBy::Operator], object, custom)
    }

    fn set_by(who: &[SetBy], object: Map<String, Value>, custom: &[String]) -> Self {
        let may_set = |name: &str| match member::find(name) {
            Some(member) => who.contains(&member.set_by),
            None => custom.iter().any(|attribute| attribute == name),
        };
        let mut kept: Map<String, Value> = object.into_iter().filter(|(name, _)| may_set(name)).collect();
        let is_count = |name: &str| member::find(name).is_some_and(|member| member.kind == Kind::Count);
        for (_, value) in kept.iter_mut().filter(|(name, value)| value.is_f64() && is_count(name)) {
            json::integral(value);
        }
        Self(Metadata::new(kept))
    }

    /// The members.
    pub const fn metadata(&self) -> &Metadata {
        &self.0
    }

    /// The members, to be changed by the rules.
    pub fn into_metadata(self) -> Metadata {
        self.0
    }
}

/// Metadata that keeps every rule, with its defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Valid(Metadata);

impl Valid {
    /// Only the rules make valid metadata.
    pub(in crate::client) const fn new(metadata: Metadata) -> Self {
        Self(metadata)
    }

    /// The members.
    pub const fn metadata(&self) -> &Metadata {
        &self.0
    }

    /// The same metadata, approved by scripts that did not change it.
    pub fn approve(self) -> Approved {
        Approved(self.0)
    }

    /// What scripts made of it, approved when it still keeps every rule.
    ///
    /// # Errors
    /// Every rule that the changed metadata breaks.
    pub fn approve_changed(self, changed: Metadata, rules: &Rules<'_>) -> Result<Approved, Vec<Violation>> {
        if changed == self.0 {
            return Ok(self.approve());
        }
        rules.validate_changed(changed).map(Self::approve)
    }
}

/// Metadata that keeps every rule and that every script let pass. Only this can be stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Approved(Metadata);

impl Approved {
    /// Only the rules take over what was approved elsewhere.
    pub(in crate::client) const fn new(metadata: Metadata) -> Self {
        Self(metadata)
    }

    /// The members.
    pub const fn metadata(&self) -> &Metadata {
        &self.0
    }
}
