//! The operations of one request: a JSON Patch (RFC 6902), or the flat form of it that Janssen servers
//! accept.

use json_patch::PatchOperation;
use serde_json::{Map, Value};

use crate::base::{JsonError, json, typed};
use crate::config::{nearest, patch};
use crate::live::PatchError;

/// Maximum number of operations in one request.
const MOST_OPERATIONS: usize = 100;

/// The operations of one request, each of which points into the live configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operations(Vec<PatchOperation>);

impl Operations {
    /// Parses the body of a request.
    ///
    /// # Errors
    /// Returns an error if the body is not a JSON Patch, if it has too many operations, or if an operation
    /// points to something that cannot be changed.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, PatchError> {
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
    typed::read(members.into()).map_err(|reason| format!("{reason} (RFC 6902 section 4)"))
}

/// Converts the member `name` to a JSON Pointer into the document. Returns the key of the option if it was
/// named by its property alone.
fn point(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    let text = match members.get(name) {
        None => return Ok(None),
        Some(Value::String(text)) => text,
        Some(_) => return Err(format!("{name}: must be a text (RFC 6902 section 4)")),
    };
    let target = PatchTarget::parse(text).map_err(|reason| format!("{}: {reason}", shown(text)))?;
    if !has_escapes(&target.pointer) {
        let path = shown(text);
        return Err(format!(
            "{path}: a ~ must be followed by 0 or 1 (RFC 6901 section 3)"
        ));
    }
    members.insert(name.to_owned(), target.pointer.into());
    Ok(target.flat)
}

/// Whether each `~` in a JSON Pointer begins an escape (RFC 6901 section 3).
fn has_escapes(pointer: &str) -> bool {
    let mut behind = pointer.split('~').skip(1);
    behind.all(|rest| rest.starts_with(['0', '1']))
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

/// The position in the live configuration that an operation names: a JSON Pointer (RFC 6901), or the name of a
/// property alone, which Janssen servers accept too.
#[derive(Debug, PartialEq, Eq)]
struct PatchTarget {
    /// The JSON Pointer to the position.
    pointer: String,
    /// The key of the option, if it was named by its property alone.
    flat: Option<String>,
}

impl PatchTarget {
    /// Parses the position that `text` names.
    ///
    /// # Errors
    /// Returns an error if the option does not exist, or cannot change while the server runs.
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::pointing(String::new()));
        }
        Self::resolve(text.strip_prefix('/').unwrap_or(text))
    }

    /// Finds the position of `path`, whose first segment is a section or a property.
    fn resolve(path: &str) -> Result<Self, String> {
        let mut segments = path.split('/').map(unescape);
        let first = segments.next().unwrap_or_default();
        let second = segments.next();
        match first.as_str() {
            "registration" => match second {
                Some(name) if !is_property(&name) => Err(unknown_property(&name)),
                _ => Ok(Self::pointing(format!("/{path}"))),
            },
            list if patch::LISTS.contains(&list) => Ok(Self::pointing(format!("/{path}"))),
            "origins" | "revision" => {
                Err("is generated by the server and cannot be set".to_owned())
            }
            "settings" => Err(start_only(second.as_deref())),
            section if patch::is_section_of_settings(section) => Err(start_only(Some(section))),
            name if is_property(name) => Ok(Self {
                pointer: format!("/registration/{path}"),
                flat: second.is_none().then(|| format!("registration.{name}")),
            }),
            name => Err(unknown(name)),
        }
    }

    const fn pointing(pointer: String) -> Self {
        Self {
            pointer,
            flat: None,
        }
    }
}

/// Whether `[registration]` has a property with this name.
fn is_property(name: &str) -> bool {
    patch::properties().any(|property| property == name)
}

fn start_only(section: Option<&str>) -> String {
    let section = match section {
        Some(section) => format!("[{}] ", shown(section)),
        None => String::new(),
    };
    format!("{section}cannot be patched: it needs a restart; change it in the file")
}

fn unknown_property(name: &str) -> String {
    let key = format!("registration.{name}");
    patch::unknown_live(&shown(&key))
}

fn unknown(name: &str) -> String {
    let name = shown(name);
    match nearest(&name, patch::properties()) {
        Some(known) => format!("unknown key; did you mean /registration/{known}?"),
        None => "unknown key; send GET to list all keys".to_owned(),
    }
}

/// Decodes a segment of a pointer (RFC 6901 section 4).
fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// Shortens `text` for a message.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 120;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
