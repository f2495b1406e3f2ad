//! Differences between two configurations.

use serde::Serialize;
use serde_json::Value;

use super::tree::join;

/// Returns the keys whose values differ, such as `limits.bodyBytes`.
pub fn changed_keys<T: Serialize>(before: &T, after: &T) -> Vec<String> {
    let tree = |part: &T| serde_json::to_value(part).unwrap_or_default();
    let mut keys = Vec::new();
    compare("", &tree(before), &tree(after), &mut keys);
    keys
}

fn compare(path: &str, before: &Value, after: &Value, keys: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let added = after.keys().filter(|key| !before.contains_key(*key));
            for key in before.keys().chain(added) {
                let value = |members: &serde_json::Map<String, Value>| {
                    members.get(key).cloned().unwrap_or_default()
                };
                compare(&join(path, key), &value(before), &value(after), keys);
            }
        }
        _ if before != after => keys.push(path.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

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
}
