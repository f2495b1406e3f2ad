//! A member that is `null` or the empty string is absent.
//!
//! Many programs write every member that they know, with `null` or `""` if there is no value. RFC
//! 7592 section 2.2 treats such a member as omitted. This server does so for every object from
//! another party: requests, claims that become metadata, keys, and the metadata of other servers.
//! The contents of a custom attribute are not changed.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Whether a member with this value is absent.
pub(crate) fn is_absent(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// Returns `members` without the absent ones.
pub(crate) fn present(mut members: Map<String, Value>) -> Map<String, Value> {
    if members.values().any(is_absent) {
        members.retain(|_, value| !is_absent(value));
    }
    members
}

/// Returns `members` without the absent ones, and clones them only if necessary.
pub(crate) fn present_of(members: &Map<String, Value>) -> Cow<'_, Map<String, Value>> {
    if members.values().any(is_absent) {
        Cow::Owned(present(members.clone()))
    } else {
        Cow::Borrowed(members)
    }
}

/// Removes the members that are `null`. The empty string stays: it must be an error where an absent member
/// allows everything.
pub(crate) fn without_null(members: &mut Map<String, Value>) {
    members.retain(|_, value| !value.is_null());
}

/// Removes the absent members of every object in `value`, at any depth. Array items stay.
pub(crate) fn prune(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !is_absent(member));
            members.values_mut().for_each(prune);
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_and_the_empty_string_are_absent_and_nothing_else_is() {
        for value in [json!(null), json!("")] {
            assert!(is_absent(&value), "{value}");
        }
        for value in [
            json!(" "),
            json!(0),
            json!(false),
            json!([]),
            json!({}),
            json!([null]),
            json!("null"),
        ] {
            assert!(!is_absent(&value), "{value}");
        }
    }

    #[test]
    fn absent_members_are_removed_and_items_are_kept() {
        let sent =
            json!({"a": null, "b": {"c": "", "d": [null, "", {"e": null, "f": 1}]}, "g": ""});
        let members = sent.as_object().unwrap();
        let shallow = json!({"b": sent["b"]});
        assert_eq!(Value::Object(present(members.clone())), shallow);
        assert_eq!(&*present_of(members), shallow.as_object().unwrap());
        let mut deep = sent.clone();
        prune(&mut deep);
        assert_eq!(deep, json!({"b": {"d": [null, "", {"f": 1}]}}));
    }
}
