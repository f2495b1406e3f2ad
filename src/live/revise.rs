//! Applies operations to the configuration in force.

use serde_json::{Map, Value};

use super::apply::apply;
use super::pointer::shown;
use super::{Operations, PatchError};
use crate::config::patch::{fixed_by, live_keys, unknown_live};
use crate::config::{Configuration, Patch, shows_mask};

/// Returns the patch that results from applying `operations` to `current`, which was loaded with `patch`.
/// Its values are not checked yet.
///
/// The operations are applied to a document with a mask in place of each secret. So a secret cannot be copied
/// to a visible option, or guessed with `test`.
///
/// # Errors
/// Returns an error if an operation cannot be applied, or changes something that cannot be patched.
pub(crate) fn revise(
    current: &Configuration,
    patch: &Patch,
    operations: &Operations,
) -> Result<Patch, PatchError> {
    let mut after = Value::Object(current.live.masked());
    apply(&mut after, operations)?;
    let mut after = members_of(after)?;
    current.live.unmask(&mut after);
    let before = current.live.exposed();
    let mut next = patch.clone();
    for key in live_keys() {
        let value = option(&after, &key);
        if value == option(&before, &key) {
            continue;
        }
        if let Some(origin) = fixed_by(&current.origins, &key) {
            return Err(PatchError::Fixed { key, origin });
        }
        match value {
            Some(value) if shows_mask(value) => {
                let reason = "********: this mask does not stand for a stored secret; send the secret itself";
                return Err(PatchError::Invalid(format!("{key}: {reason}")));
            }
            Some(value) => drop(next.0.insert(key, value.clone())),
            // A removed option has the value of the file or the default again.
            None => drop(next.0.shift_remove(&key)),
        }
    }
    Ok(next)
}

/// Returns the part of `patch` to store, given the configuration `next` that it results in. Values are
/// normalised, and values that would be the same without the patch are omitted.
pub(crate) fn settle(patch: &Patch, next: &Configuration) -> Patch {
    let (base, live) = (next.base.exposed(), next.live.exposed());
    let kept = patch.0.iter().filter_map(|(key, value)| {
        if fixed_by(&next.origins, key).is_some() {
            return Some((key.clone(), value.clone()));
        }
        let value = option(&live, key)?;
        (option(&base, key) != Some(value)).then(|| (key.clone(), value.clone()))
    });
    Patch(kept.collect())
}

/// Returns the members of a patched document. Unknown members are an error.
fn members_of(document: Value) -> Result<Map<String, Value>, PatchError> {
    let Value::Object(members) = document else {
        return Err(PatchError::Invalid(
            "the document must be an object".to_owned(),
        ));
    };
    let registration = match members.get("registration") {
        Some(Value::Object(registration)) => Some(registration),
        Some(_) => {
            return Err(PatchError::Invalid(
                "registration: must be an object".to_owned(),
            ));
        }
        None => None,
    };
    if let Some(section) = members
        .keys()
        .find(|key| !["registration", "scopes"].contains(&key.as_str()))
    {
        let reason = "cannot be patched; remove it from the document";
        return Err(PatchError::Invalid(format!("{}: {reason}", shown(section))));
    }
    let known = live_keys();
    let mut keys = registration
        .into_iter()
        .flat_map(Map::keys)
        .map(|key| format!("registration.{key}"));
    match keys.find(|key| !known.contains(key)) {
        Some(key) => Err(PatchError::Invalid(format!(
            "{}: {}",
            shown(&key),
            unknown_live(&key)
        ))),
        None => Ok(members),
    }
}

/// Returns the value of the live option `key`.
fn option<'a>(live: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        Some((section, name)) => live.get(section)?.as_object()?.get(name),
        None => live.get(key),
    }
}
