//! The operations of one request: a JSON Patch (RFC 6902), or the flat form of it that Janssen servers
//! accept.

use json_patch::PatchOperation;
use serde_json::{Map, Value};

use super::PatchError;
use super::pointer::{Target, shown};
use crate::base::{JsonError, json};
use crate::config::patch;

/// Maximum number of operations in one request.
const MOST_OPERATIONS: usize = 100;

/// The operations of one request, each of which points into the live configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operations(Vec<PatchOperation>);

impl Operations {
    /// Parses the body of a request.
    ///
    /// # Errors
    /// Returns an error if the body is not a JSON Patch, if it has too many operations, or if an operation
    /// points to something that cannot be changed.
    pub fn parse(body: &[u8]) -> Result<Self, PatchError> {
        let value = json::parse_integral(body).map_err(|error| match error {
            JsonError::Empty => wanted("the body is empty"),
            other => PatchError::Form(other.to_string()),
        })?;
        let Value::Array(operations) = value else {
            return Err(wanted(&format!("the body is {}", json::type_name(&value))));
        };
        if operations.len() > MOST_OPERATIONS {
            return Err(wanted(&format!(
                "the body has more than {MOST_OPERATIONS} operations"
            )));
        }
        let mut parsed = Vec::with_capacity(operations.len());
        for (at, operation) in operations.into_iter().enumerate() {
            match operation_of(operation) {
                Ok(operation) => parsed.push(operation),
                Err(reason) => {
                    let number = at + 1;
                    return Err(PatchError::Operation { number, reason });
                }
            }
        }
        Ok(Self(parsed))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PatchOperation> {
        self.0.iter()
    }
}

fn wanted(fault: &str) -> PatchError {
    PatchError::Form(format!(
        "{fault}; send a JSON array of operations (RFC 6902)"
    ))
}

fn operation_of(value: Value) -> Result<PatchOperation, String> {
    let Value::Object(mut members) = value else {
        return Err("must be an object with op, path and value (RFC 6902 section 4)".to_owned());
    };
    let flat = point(&mut members, "path")?;
    point(&mut members, "from")?;
    if let (Some(key), Some(value)) = (flat, members.get_mut("value")) {
        loosen(&key, value);
    }
    serde_json::from_value(members.into()).map_err(|error| format!("{error} (RFC 6902 section 4)"))
}

/// Converts the member `name` to a JSON Pointer into the document. Returns the key of the option if it was
/// named by its property alone.
fn point(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    let Some(Value::String(text)) = members.get(name) else {
        return Ok(None);
    };
    let target = Target::parse(text).map_err(|reason| format!("{}: {reason}", shown(text)))?;
    members.insert(name.to_owned(), target.pointer.into());
    Ok(target.flat)
}

/// Converts a string to a Boolean or a number if the option `key` does not accept a string.
fn loosen(key: &str, value: &mut Value) {
    let Value::String(text) = &*value else { return };
    let meant = match text.as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        digits => match digits.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => return,
        },
    };
    if !patch::fits(key, value) && patch::fits(key, &meant) {
        *value = meant;
    }
}
