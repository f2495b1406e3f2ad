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
    let mut kept = Patch::default();
    for (key, value) in &patch.0 {
        if fixed_by(&next.origins, key).is_some() {
            kept.0.insert(key.clone(), value.clone());
        } else if let Some(value) = option(&live, key)
            && option(&base, key) != Some(value)
        {
            kept.0.insert(key.clone(), value.clone());
        }
    }
    kept
}

/// Returns the members of a patched document. Unknown members are an error.
fn members_of(document: Value) -> Result<Map<String, Value>, PatchError> {
    let Value::Object(members) = document else {
        return Err(PatchError::Invalid(
            "the document must be an object".to_owned(),
        ));
    };
    if let Some(registration) = members.get("registration")
        && !registration.is_object()
    {
        let reason = "registration: must be an object".to_owned();
        return Err(PatchError::Invalid(reason));
    }
    for section in members.keys() {
        if section != "registration" && section != "scopes" {
            let reason = "cannot be patched; remove it from the document";
            return Err(PatchError::Invalid(format!("{}: {reason}", shown(section))));
        }
    }
    check_names(&members)?;
    Ok(members)
}

/// Checks that the names in `registration` are names of options.
fn check_names(members: &Map<String, Value>) -> Result<(), PatchError> {
    let Some(Value::Object(registration)) = members.get("registration") else {
        return Ok(());
    };
    let known = live_keys();
    for name in registration.keys() {
        let key = format!("registration.{name}");
        if !known.contains(&key) {
            let reason = unknown_live(&key);
            return Err(PatchError::Invalid(format!("{}: {reason}", shown(&key))));
        }
    }
    Ok(())
}

/// Returns the value of the live option `key`.
fn option<'a>(live: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        Some((section, name)) => live.get(section)?.as_object()?.get(name),
        None => live.get(key),
    }
}
