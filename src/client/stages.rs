//! The three stages of metadata. Each can only be made from the previous one.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::base::{Violation, absent, json};
use crate::client::{MemberKind, Metadata, SetBy, member, rules::Rules};

/// The requested metadata: the members that a client may set, whatever their values.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Requested {
    metadata: Metadata,
    /// The unknown members, as many as an error may name.
    ignored: Vec<IgnoredMember>,
}

/// A member of a request that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IgnoredMember {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is an object with members that a client may set.
    pub(crate) has_metadata: bool,
}

impl IgnoredMember {
    /// The maximum number of them that is kept.
    const MOST: usize = 8;
    /// The maximum number of bytes of their names. No known member is much longer than half of it.
    const MOST_BYTES: usize = 128;

    fn of(name: String, value: &Value) -> Self {
        let is_member = |name: &String| member::find(name).is_some();
        let has_metadata = match value {
            Value::Object(members) => members.keys().any(is_member),
            _ => false,
        };
        Self { name, has_metadata }
    }
}

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
        let mut ignored = Vec::new();
        object.retain(|name, value| {
            let member = member::find(name);
            let may_set = match member {
                Some(member) => who.contains(&member.set_by),
                None => custom.contains(name),
            };
            if !may_set {
                let is_known = member.is_some() || name.len() > IgnoredMember::MOST_BYTES;
                if !is_known && ignored.len() < IgnoredMember::MOST {
                    ignored.push(IgnoredMember::of(name.clone(), value));
                }
                return false;
            }
            if value.is_f64() && member.is_some_and(|one| one.kind == MemberKind::Count) {
                json::integral(value);
            }
            !member.is_some_and(|member| leave_out_empty(member.kind, value))
        });
        Self {
            metadata: Metadata::new(object),
            ignored,
        }
    }

    /// Returns the members.
    pub(crate) const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the members for the rules to change, and the unknown ones.
    pub(crate) fn into_parts(self) -> (Metadata, Vec<IgnoredMember>) {
        (self.metadata, self.ignored)
    }
}

/// Removes from the value of a member what typed programs write where they have nothing: `""` and `null` as items of a
/// list. Returns whether the value as a whole stands for nothing: a JWK Set without keys, which RFC 7517 section 5
/// allows.
fn leave_out_empty(kind: MemberKind, value: &mut Value) -> bool {
    match (kind, value) {
        (MemberKind::Texts | MemberKind::Uris, Value::Array(items)) => {
            items.retain(|item| !absent::is_absent(item));
            false
        }
        (MemberKind::Jwks, Value::Object(set)) => match set.get("keys") {
            Some(Value::Array(keys)) => keys.is_empty(),
            _ => set.values().all(absent::is_absent),
        },
        _ => false,
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
