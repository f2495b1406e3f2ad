//! Values by dotted paths, such as `server.listen`.

use std::sync::LazyLock;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Live, Settings, nearest};

/// The defaults of all options. Their keys are the known keys.
pub(super) static DEFAULTS: LazyLock<Value> = LazyLock::new(|| {
    let mut defaults = members(&Settings::default());
    defaults.extend(members(&Live::default()));
    defaults.into()
});

/// Returns the members of `value`, which must serialise to an object.
pub(super) fn members(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// Returns the path of `key` in the table at `path`.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Returns the value at `path`.
pub(super) fn lookup<'a>(values: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(values);
    }
    path.split('.')
        .try_fold(values, |value, key| value.as_object()?.get(key))
}

/// Stores `value` at `path`, and creates the tables on the way.
pub(super) fn put(values: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(values.insert(path.to_owned(), value)),
        Some((key, rest)) => {
            let inner = values.entry(key).or_insert_with(|| Map::new().into());
            if !inner.is_object() {
                *inner = Map::new().into();
            }
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Whether `path` leads into a table that can have any keys, which is a table that is empty by default.
pub(super) fn is_free(path: &str) -> bool {
    let parents = path.match_indices('.').filter_map(|(at, _)| path.get(..at));
    let mut tables = parents.filter_map(|parent| lookup(&DEFAULTS, parent)?.as_object());
    tables.any(Map::is_empty)
}

/// Returns the message for an unknown `path`, with the key that was probably meant.
pub(super) fn unknown(path: &str) -> String {
    let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
    let known = lookup(&DEFAULTS, parent).and_then(Value::as_object);
    match known.and_then(|known| nearest(key, known.keys().map(String::as_str))) {
        Some(name) => format!("unknown key; did you mean `{name}`?"),
        None => "unknown key; see config/registrar.toml for all keys".to_owned(),
    }
}

/// Returns the path of every value in `values` that is not a table with known keys.
pub(super) fn leaves(values: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    add_leaves(values, "", &mut paths);
    paths
}

fn add_leaves(value: &Value, path: &str, paths: &mut Vec<String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                add_leaves(value, &join(path, key), paths);
            }
        }
        _ => paths.push(path.to_owned()),
    }
}
