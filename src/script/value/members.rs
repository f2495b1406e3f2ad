//! Members that a script reads and writes by their JSON names: `context.client`,
//! `context.registerRequest`, and the response.
//!
//! A value that a script does not write is preserved exactly, to the last digit.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::{Array, Dynamic, EvalAltResult, ImmutableString, Map as ScriptMap, Module};
use serde_json::{Map, Value};

use crate::client::{MEMBERS, Metadata, SetBy, member, rules::retells};
use crate::config::nearest;
use crate::script::{ChangedMember, HostResult, failure, to_json, to_script};

/// How a script may use members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::script) enum MemberAccess {
    /// Read and write metadata; other names are errors.
    Metadata,
    /// Read metadata.
    ReadOnly,
    /// Read and write a response, except its credentials.
    Answer,
    /// Read all members of a request, whatever their names, and write members that a client may set and no
    /// statement has set.
    Request,
    /// Read and write values of any name, which no client has.
    Shared,
}

/// Members that are credentials of a client.
const CREDENTIALS: [&str; 2] = ["client_secret", "registration_access_token"];

/// The member that contains the software statement.
const STATEMENT: &str = "software_statement";

/// The settings that all members of one request share.
#[derive(Debug, Default)]
pub(in crate::script) struct Frame {
    /// Names of custom members.
    pub(in crate::script) custom: BTreeSet<String>,
    /// Members of a request that a statement has set.
    pub(in crate::script) settled: BTreeSet<String>,
    /// The maximum total size of members, in bytes of JSON.
    pub(in crate::script) bytes: usize,
}

/// Members as scripts use them. A clone is another handle on the same members.
#[derive(Debug, Clone)]
pub(in crate::script) struct Members {
    values: Arc<Mutex<MemberValues>>,
    access: MemberAccess,
    frame: Arc<Frame>,
}

#[derive(Debug, Default)]
struct MemberValues {
    members: Metadata,
    /// The approximate size of the members in bytes of JSON, once it was counted.
    weight: Option<usize>,
    /// The names of the members that were changed.
    changed: Vec<String>,
}

/// The values that the scripts of one request share. A clone is another handle on the same values.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedByScripts(Arc<Mutex<MemberValues>>);

impl SharedByScripts {
    /// Returns the shared values `members`.
    pub(in crate::script) fn of(members: Map<String, Value>) -> Self {
        let values = MemberValues {
            members: Metadata::new(members),
            ..MemberValues::default()
        };
        Self(Arc::new(Mutex::new(values)))
    }
}

impl MemberValues {
    /// Sets a member, or removes it if `value` is `null`. The members may not grow beyond `limit` bytes.
    fn set(&mut self, name: &str, value: Value, limit: usize) -> HostResult<()> {
        let present = self.members.get(name);
        let before = present.map_or(0, |value| json_size_of_member(name, value));
        let grown = if value.is_null() {
            0
        } else {
            json_size_of_member(name, &value)
        };
        let all = match self.weight {
            Some(counted) => counted,
            None => json_size(self.members.as_object()),
        };
        let weight = all.saturating_sub(before) + grown;
        if grown > before && weight > limit {
            return Err(result_too_large(weight));
        }
        self.weight = Some(weight);
        if !self.changed.iter().any(|changed| changed == name) {
            self.changed.push(name.to_owned());
        }
        if value.is_null() {
            self.members.remove(name);
        } else {
            self.members.set(name, value);
        }
        Ok(())
    }
}

impl Members {
    pub(in crate::script) fn new(
        members: Metadata,
        access: MemberAccess,
        frame: &Arc<Frame>,
    ) -> Self {
        let values = MemberValues {
            weight: None,
            members,
            changed: Vec::new(),
        };
        Self {
            values: Arc::new(Mutex::new(values)),
            access,
            frame: Arc::clone(frame),
        }
    }

    /// Returns the values that the scripts of a request share, as scripts read and write them.
    pub(in crate::script) fn shared(values: &SharedByScripts, frame: &Arc<Frame>) -> Self {
        Self {
            values: Arc::clone(&values.0),
            access: MemberAccess::Shared,
            frame: Arc::clone(frame),
        }
    }

    /// Returns whether a script may change the members.
    pub(in crate::script) fn is_writable(&self) -> bool {
        self.access == MemberAccess::Metadata
    }

    /// Returns whether a script may change the members in any way.
    pub(in crate::script) fn is_read_only(&self) -> bool {
        self.access == MemberAccess::ReadOnly
    }

    /// Returns the members as they are now.
    pub(in crate::script) fn values(&self) -> Metadata {
        self.lock().members.clone()
    }

    /// Adds to `changed` the members that `script` has changed since the last call, and takes out those that it has
    /// removed.
    pub(in crate::script) fn note_changed(&self, script: &str, changed: &mut Vec<ChangedMember>) {
        let mut values = self.lock();
        for member in std::mem::take(&mut values.changed) {
            if values.members.has(&member) {
                let script = script.to_owned();
                changed.push(ChangedMember { member, script });
            } else {
                changed.retain(|earlier| earlier.member != member);
            }
        }
    }

    /// Takes the members as they are now.
    pub(in crate::script) fn take(&self) -> Metadata {
        std::mem::take(&mut *self.lock()).members
    }

    /// Returns the credentials among the members, each with its name.
    pub(in crate::script) fn credentials(&self) -> Vec<(&'static str, String)> {
        let values = self.lock();
        let mut credentials = Vec::new();
        for name in CREDENTIALS {
            if let Some(Value::String(value)) = values.members.get(name)
                && !value.is_empty()
            {
                credentials.push((name, value.clone()));
            }
        }
        credentials
    }

    fn lock(&self) -> MutexGuard<'_, MemberValues> {
        // No code of a script runs while the lock is held, so even a poisoned map is consistent.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, name: &str) -> HostResult<Dynamic> {
        if let Some(value) = self.lock().members.get(name) {
            return to_script(value);
        }
        // A request may have members of any name.
        if self.access != MemberAccess::Request {
            self.known(name)?;
        }
        Ok(Dynamic::UNIT)
    }

    fn set(&self, name: &str, value: &Dynamic) -> HostResult<()> {
        let value = to_json(value)?;
        let is_same = match self.lock().members.get(name) {
            Some(present) => *present == value,
            None => value.is_null(),
        };
        // Rhai writes the value back unchanged after a method such as `contains`.
        if is_same {
            return Ok(());
        }
        // An unknown member of a request may always be removed.
        if !(self.access == MemberAccess::Request && value.is_null() && self.known(name).is_err()) {
            self.may_set(name)?;
        }
        self.lock().set(name, value, self.frame.bytes)
    }

    /// Rejects an unknown member name: it is a typing error, and the value would be lost silently.
    fn known(&self, name: &str) -> HostResult<()> {
        if matches!(self.access, MemberAccess::Answer | MemberAccess::Shared)
            || member::find(name).is_some()
            || self.frame.custom.contains(name)
        {
            return Ok(());
        }
        let standard = MEMBERS.iter().map(|member| member.name);
        let names = standard.chain(self.frame.custom.iter().map(String::as_str));
        Err(failure(match nearest(name, names) {
            Some(near) => format!("unknown metadata '{name}'; did you mean '{near}'?"),
            None => {
                format!(
                    "unknown metadata '{name}'; add a custom name to dynamicRegistrationCustomAttributes"
                )
            }
        }))
    }

    fn may_set(&self, name: &str) -> HostResult<()> {
        if self.access == MemberAccess::Shared {
            return Ok(());
        }
        self.known(name)?;
        let set_by = member::find(name).map(|member| member.set_by);
        let fault = match (self.access, set_by) {
            (MemberAccess::ReadOnly, _) => "is read-only here",
            (_, Some(SetBy::Server)) => "is set by the server and cannot be changed",
            (MemberAccess::Request, Some(SetBy::Operator)) => {
                "must not be sent by a client; set it in createClient and updateClient"
            }
            (MemberAccess::Request, _) if name == STATEMENT => {
                "is already verified and cannot be changed"
            }
            (MemberAccess::Request, _) if self.is_settled(name) => {
                "comes from the software statement and cannot be changed"
            }
            _ => return Ok(()),
        };
        Err(failure(format!("'{name}' {fault}")))
    }

    /// Returns whether a statement has set `name`, or a member that `name` would contradict or repeat.
    fn is_settled(&self, name: &str) -> bool {
        let settled = &self.frame.settled;
        settled.contains(name) || settled.iter().any(|own| retells(name, own))
    }

    fn contains(&self, name: &str) -> bool {
        self.lock().members.has(name)
    }

    fn keys(&self) -> Array {
        let mut keys = Array::new();
        for (name, _) in self.lock().members.iter() {
            keys.push(Dynamic::from(name.to_owned()));
        }
        keys
    }

    /// Returns a copy of all members as a map.
    fn to_map(&self) -> HostResult<ScriptMap> {
        let members = self.lock().members.clone();
        let mut map = ScriptMap::new();
        for (name, value) in members.iter() {
            map.insert(name.into(), to_script(value)?);
        }
        Ok(map)
    }
}

/// Error returned when a script's result would exceed `scripts.limits.resultBytes`.
#[expect(
    clippy::unnecessary_box_returns,
    reason = "every error of a script is boxed"
)]
pub(in crate::script) fn result_too_large(bytes: usize) -> Box<EvalAltResult> {
    failure(format!(
        "the result is too large: {bytes} bytes of JSON (scripts.limits.resultBytes)"
    ))
}

/// Returns the approximate size of `members` in bytes of JSON.
pub(in crate::script) fn json_size(members: &Map<String, Value>) -> usize {
    let mut bytes = 2;
    for (name, value) in members {
        bytes += json_size_of_member(name, value);
    }
    bytes
}

fn json_size_of_member(name: &str, value: &Value) -> usize {
    name.len() + json_size_of_value(value) + 4
}

fn json_size_of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 20,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => {
            let mut bytes = 2;
            for item in items {
                bytes += json_size_of_value(item) + 1;
            }
            bytes
        }
        Value::Object(members) => json_size(members),
    }
}

/// Registers the type of members.
pub(in crate::script) fn register_members(module: &mut Module) {
    module.set_custom_type::<Members>("Members");
    module.set_indexer_get_fn(|members: &mut Members, name: ImmutableString| members.get(&name));
    module.set_indexer_set_fn(
        |members: &mut Members, name: ImmutableString, value: Dynamic| members.set(&name, &value),
    );
    module.set_native_fn(
        "contains",
        |members: &mut Members, name: ImmutableString| Ok(members.contains(&name)),
    );
    module.set_native_fn("keys", |members: &mut Members| Ok(members.keys()));
    module.set_native_fn("to_map", |members: &mut Members| members.to_map());
    module.set_native_fn("remove", |members: &mut Members, name: ImmutableString| {
        members.set(&name, &Dynamic::UNIT)
    });
    // Janssen's spelling: `registerRequest.getRedirectUris()`.
    for member in MEMBERS {
        module.set_native_fn(getter(member.name), |members: &mut Members| {
            members.get(member.name)
        });
    }
}

/// Returns the getter of a member: `getRedirectUris` for `redirect_uris`.
fn getter(name: &str) -> String {
    let mut getter = "get".to_owned();
    for word in name.split('_') {
        let mut letters = word.chars();
        if let Some(first) = letters.next() {
            getter.push(first.to_ascii_uppercase());
            getter.push_str(letters.as_str());
        }
    }
    getter
}
