//! Applies operations to the configuration in force, with limits on its size and depth.

use std::slice;

use json_patch::{PatchErrorKind, PatchOperation};
use serde_json::{Map, Value};

use crate::base::json::MAXIMUM_DEPTH;
use crate::config::{
    Configuration, Patch, patch::fixed_by, patch::is_live_section, patch::live_keys,
    patch::unknown_live, shows_mask,
};
use crate::live::{Operations, PatchError, operations::shown};

/// Maximum size of the document as JSON, in bytes.
const MOST_BYTES: usize = 1 << 20;

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

/// Applies `operations` to `document` in order (RFC 6902 section 3).
///
/// A document that is copied into itself doubles each time, so its size and depth are checked after each
/// operation.
fn apply(document: &mut Value, operations: &Operations) -> Result<(), PatchError> {
    for (at, operation) in operations.iter().enumerate() {
        let number = at + 1;
        if let Err(error) = json_patch::patch(document, slice::from_ref(operation)) {
            return Err(refused(number, operation, &error.kind));
        }
        if is_deeper(document, MAXIMUM_DEPTH) {
            let reason = format!("the document would be nested deeper than {MAXIMUM_DEPTH} levels");
            return Err(PatchError::Operation { number, reason });
        }
        if document.to_string().len() > MOST_BYTES {
            return Err(PatchError::TooLong(MOST_BYTES));
        }
    }
    Ok(())
}

fn refused(number: usize, operation: &PatchOperation, kind: &PatchErrorKind) -> PatchError {
    let path = shown(operation.path().as_str());
    let reason = match kind {
        PatchErrorKind::TestFailed => return PatchError::TestFailed { number, path },
        PatchErrorKind::InvalidFromPointer => "from: not found in the document".to_owned(),
        PatchErrorKind::InvalidPointer => format!("{path}: not found in the document"),
        PatchErrorKind::CannotMoveInsideItself => format!("{path} is inside the value to move"),
        other => format!("{path}: {other}"),
    };
    PatchError::Operation { number, reason }
}

/// Whether arrays and objects are nested deeper than `levels`.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let Some(left) = levels.checked_sub(1) else {
        return value.is_array() || value.is_object();
    };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper(item, left)),
        Value::Object(members) => members.values().any(|member| is_deeper(member, left)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
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
        if !is_live_section(section) {
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
