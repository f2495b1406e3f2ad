//! Applies operations to a document, with limits on its size and depth.

use std::slice;

use json_patch::{PatchErrorKind, PatchOperation};
use serde_json::Value;

use super::pointer::shown;
use super::{Operations, PatchError};
use crate::base::json::MAXIMUM_DEPTH;

/// Maximum size of the document as JSON, in bytes.
pub(super) const MOST_BYTES: usize = 1 << 20;

/// Applies `operations` to `document` in order (RFC 6902 section 3).
///
/// A document that is copied into itself doubles each time, so its size and depth are checked after each
/// operation.
pub(super) fn apply(document: &mut Value, operations: &Operations) -> Result<(), PatchError> {
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
