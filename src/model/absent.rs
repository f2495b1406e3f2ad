//! What it means that a member is `null` or the empty string: it is absent.
//!
//! Many programs write every member that they know, with `null` or `""` for what they have nothing to
//! say about. RFC 7592 section 2.2 treats such a member like one that was left out, and so does this
//! server wherever it reads an object of others: requests, claims that become metadata, keys, and the
//! metadata of other servers. What is inside a custom attribute is the operator's own, and stays.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Whether a member with this value is absent.
pub fn is_absent(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// `members` without those that are absent.
pub fn present(mut members: Map<String, Value>) -> Map<String, Value> {
    if members.values().any(is_absent) {
        members.retain(|_, value| !is_absent(value));
    }
    members
}

/// The same of members that somebody else keeps.
pub fn present_of(members: &Map<String, Value>) -> Cow<'_, Map<String, Value>> {
    if members.values().any(is_absent) {
        Cow::Owned(present(members.clone()))
    } else {
        Cow::Borrowed(members)
    }
}

/// Takes what is absent out of every object in `value`, at any depth. Items of arrays stay.
pub fn prune(value: &mut Value) {
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
        for value in [json!(" "), json!(0), json!(false), json!([]), json!({}), json!([null]), json!("null")]
        {
            assert!(!is_absent(&value), "{value}");
        }
    }

    #[test]
    fn members_go_and_items_stay() {
        let sent = json!({"a": null, "b": {"c": "", "d": [null, "", {"e": null, "f": 1}]}, "g": ""});
        let members = sent.as_object().unwrap();
        let shallow = json!({"b": sent["b"]});
        assert_eq!(Value::Object(present(members.clone())), shallow);
        assert_eq!(&*present_of(members), shallow.as_object().unwrap());
        let mut deep = sent.clone();
        prune(&mut deep);
        assert_eq!(deep, json!({"b": {"d": [null, "", {"f": 1}]}}));
    }
}
