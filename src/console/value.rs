//! Reads the answers of the admin API.

use serde_json::{Map, Value};

use crate::console::view::Cell;

/// Returns the text of a member; empty if it is missing.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the number of a member.
pub(super) fn number(value: &Value, name: &str) -> Option<u64> {
    value.get(name).and_then(Value::as_u64)
}

/// Returns whether a member is true.
pub(super) fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// Returns the items of a member; none if it is missing.
pub(super) fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let items = value.get(name).and_then(Value::as_array);
    items.map_or(&[], Vec::as_slice)
}

/// Returns the members of a member.
pub(super) fn members<'a>(
    value: &'a Value,
    name: &str,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let members = value.get(name).and_then(Value::as_object);
    let members = members.into_iter().flat_map(Map::iter);
    members.map(|(name, value)| (name.as_str(), value))
}

/// Returns the moment of a member.
pub(super) fn time(value: &Value, name: &str) -> Cell {
    Cell::time(number(value, name))
}

/// Returns a value as people read it: a text without quotes, and everything else as JSON.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Returns a value as JSON in several lines.
pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Returns a value in a table: a list of texts has one in each line.
pub(super) fn cell(value: &Value) -> Cell {
    match value {
        Value::Array(items)
            if items
                .iter()
                .all(|item| !item.is_object() && !item.is_array()) =>
        {
            Cell::Many(items.iter().map(|item| Cell::Text(shown(item))).collect())
        }
        Value::Array(_) | Value::Object(_) => Cell::Code(value.to_string()),
        other => Cell::text(shown(other)),
    }
}

/// Returns a value in one line: a list of texts as its words.
pub(super) fn words(value: &Value) -> String {
    match value {
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let texts: Vec<String> = items.iter().map(shown).collect();
            texts.join(" ")
        }
        other => shown(other),
    }
}
