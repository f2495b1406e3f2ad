//! Values by dotted paths, such as `server.listen`: looking them up, comparing them, and suggesting the path
//! that was meant.

use std::sync::LazyLock;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::{Live, Settings};

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
    let mut value = values;
    for key in path.split('.') {
        value = value.as_object()?.get(key)?;
    }
    Some(value)
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
    for (dot, _) in path.match_indices('.') {
        let (parent, _) = path.split_at(dot);
        if let Some(Value::Object(table)) = lookup(&DEFAULTS, parent)
            && table.is_empty()
        {
            return true;
        }
    }
    false
}

/// Returns the message for an unknown `path`, with the key that was probably meant.
pub(super) fn unknown(path: &str) -> String {
    let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
    if let Some(Value::Object(known)) = lookup(&DEFAULTS, parent)
        && let Some(name) = nearest(key, known.keys().map(String::as_str))
    {
        return format!("unknown key; did you mean `{name}`?");
    }
    "unknown key; see config/registrar.toml for all keys".to_owned()
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

/// Returns the name in `known` that `name` is probably a misspelling of.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.replace(['_', '-'], "").to_lowercase();
    let wanted = plain(name);
    let distance = |candidate: &str| strsim::damerau_levenshtein(&wanted, &plain(candidate));
    let scored = known.into_iter().map(|name| (distance(name), name));
    let (distance, candidate) = scored.min_by_key(|(distance, _)| *distance)?;
    // Up to a third of the letters can be wrong. Beyond that it is a different word.
    (distance <= name.len() / 3).then_some(candidate)
}

/// Returns the keys whose values differ, such as `limits.bodyBytes`.
pub(crate) fn changed_keys<T: Serialize>(before: &T, after: &T) -> Vec<String> {
    let tree = |part: &T| serde_json::to_value(part).unwrap_or_default();
    let mut keys = Vec::new();
    compare("", &tree(before), &tree(after), &mut keys);
    keys
}

fn compare(path: &str, before: &Value, after: &Value, keys: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                let other = after.get(key).unwrap_or(&Value::Null);
                compare(&join(path, key), value, other, keys);
            }
            for (key, value) in after {
                if !before.contains_key(key) {
                    compare(&join(path, key), &Value::Null, value, keys);
                }
            }
        }
        _ if before != after => keys.push(path.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_changed_is_named() {
        let before = Settings::default();
        let mut after = before.clone();
        assert_eq!(changed_keys(&before, &after), [""; 0]);
        after.limits.body_bytes = 5;
        after.discovery.insert(
            "service_documentation".to_owned(),
            "https://a.example".into(),
        );
        assert_eq!(
            changed_keys(&before, &after),
            ["limits.bodyBytes", "discovery.service_documentation"]
        );
        assert_eq!(changed_keys(&after, &before).len(), 2);
    }

    #[test]
    fn a_misspelling_is_recognised_and_another_word_is_not() {
        let known = ["grantTypesSupported", "listen", "scope"];
        assert_eq!(
            nearest("grantTypeSupported", known),
            Some("grantTypesSupported")
        );
        assert_eq!(
            nearest("grant_types_supported", known),
            Some("grantTypesSupported")
        );
        assert_eq!(nearest("listen_on", known), Some("listen"));
        assert_eq!(nearest("colour", known), None);
    }
}
