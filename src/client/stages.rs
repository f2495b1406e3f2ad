//! The three stages of metadata. Each can only be made from the previous one.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::base::{Violation, json};
use crate::client::{MemberKind, Metadata, SetBy, member, rules::Rules};

/// The requested metadata: the members that a client may set, whatever their values.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Requested(Metadata);

impl Requested {
    /// Reads from `object` the members that a client may set: known members, and the custom members
    /// named in `custom`.
    ///
    /// Unknown members are ignored (RFC 7591 section 2), and so are members that only this server
    /// or its operator may set.
    pub(crate) fn read(object: Map<String, Value>, custom: &[String]) -> Self {
        Self::set_by(
            &[SetBy::Client, SetBy::Privileged, SetBy::Request],
            object,
            custom,
        )
    }

    /// Reads from `object` the members that an administrator may set: the client's members, and
    /// those that only the operator may set.
    pub(crate) fn read_as_operator(object: Map<String, Value>, custom: &[String]) -> Self {
        Self::set_by(
            &[
                SetBy::Client,
                SetBy::Privileged,
                SetBy::Request,
                SetBy::Operator,
            ],
            object,
            custom,
        )
    }

    fn set_by(who: &[SetBy], mut object: Map<String, Value>, custom: &[String]) -> Self {
        object.retain(|name, value| {
            let member = member::find(name);
            if value.is_f64() && member.is_some_and(|one| one.kind == MemberKind::Count) {
                json::integral(value);
            }
            match member {
                Some(member) => who.contains(&member.set_by),
                None => custom.contains(name),
            }
        });
        Self(Metadata::new(object))
    }

    /// Returns the members.
    pub(crate) const fn metadata(&self) -> &Metadata {
        &self.0
    }

    /// Returns the members for the rules to change.
    pub(crate) fn into_metadata(self) -> Metadata {
        self.0
    }
}

/// Metadata that satisfies every rule, with its defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Valid(Metadata);

impl Valid {
    /// Wraps valid metadata. Only the rules call this.
    pub(in crate::client) const fn new(metadata: Metadata) -> Self {
        Self(metadata)
    }

    /// Returns the members.
    pub(crate) const fn metadata(&self) -> &Metadata {
        &self.0
    }

    /// Returns the same metadata, approved by scripts that did not change it.
    pub(crate) fn approve(self) -> Approved {
        Approved(self.0)
    }

    /// Returns the metadata that scripts returned, approved if it still satisfies every rule.
    ///
    /// # Errors
    /// Every rule that the changed metadata breaks.
    pub(crate) fn approve_changed(
        self,
        changed: Metadata,
        rules: &Rules<'_>,
    ) -> Result<Approved, Vec<Violation>> {
        if changed == self.0 {
            return Ok(self.approve());
        }
        rules.validate_changes(&self, changed).map(Self::approve)
    }
}

/// Metadata that satisfies every rule and that every script has approved. Only this can be stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Approved(Metadata);

impl Approved {
    /// Writes the metadata into the record of a client.
    ///
    /// # Errors
    /// Those of `to`.
    pub(in crate::client) fn write_stored<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.write_stored(to)
    }

    /// Takes the metadata from the record of a client. It is read when somebody looks at it.
    ///
    /// # Errors
    /// When it is not a JSON object.
    pub(in crate::client) fn take_stored<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Self, D::Error> {
        Metadata::take_stored(from).map(Self)
    }

    /// Wraps metadata that was approved elsewhere. Only the rules call this.
    pub(in crate::client) const fn new(metadata: Metadata) -> Self {
        Self(metadata)
    }

    /// Returns the members.
    pub(crate) const fn metadata(&self) -> &Metadata {
        &self.0
    }
}
