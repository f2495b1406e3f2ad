//! What differs between a client of this server and the same client of another system.

use serde_json::{Map, Value};

use super::list::ListedClient;
use crate::base::scope;

/// What the other system can hold, by the first line of its list.
#[derive(Debug, Default)]
pub(super) struct Abilities {
    /// The values that a member can have. A list is compared without its other values. A client with another value of
    /// a single-valued member is not expected there.
    supports: Map<String, Value>,
    /// The number of characters that an item of a list can have. Longer ones are not expected there.
    longest: Map<String, Value>,
}

const SUPPORTS: &str = "supports";
const LONGEST: &str = "longest";

impl Abilities {
    /// Returns whether a line describes abilities.
    pub(super) fn are_described(members: &Map<String, Value>) -> bool {
        members.contains_key(SUPPORTS) || members.contains_key(LONGEST)
    }

    /// Reads the abilities in a line.
    ///
    /// # Errors
    /// Which member has the wrong type.
    pub(super) fn read(members: &Map<String, Value>) -> Result<Self, String> {
        let object = |name: &str| match members.get(name) {
            None => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object.clone()),
            Some(_) => Err(format!("{name} must be an object")),
        };
        let (supports, longest) = (object(SUPPORTS)?, object(LONGEST)?);
        if let Some((name, _)) = supports.iter().find(|(_, values)| !values.is_array()) {
            return Err(format!("{SUPPORTS}.{name} must be an array"));
        }
        if let Some((name, _)) = longest.iter().find(|(_, most)| !most.is_u64()) {
            return Err(format!("{LONGEST}.{name} must be a number"));
        }
        Ok(Self { supports, longest })
    }

    fn supported(&self, name: &str) -> Option<&Vec<Value>> {
        self.supports.get(name)?.as_array()
    }

    /// Returns whether the other system can hold a client with this metadata at all.
    pub(super) fn can_hold(&self, metadata: &Value) -> bool {
        let mut names = self.supports.keys();
        names.all(|name| match (metadata.get(name), self.supported(name)) {
            (None | Some(Value::Null | Value::Array(_)), _) | (_, None) => true,
            (Some(value), Some(supported)) => supported.contains(value),
        })
    }

    /// Returns whether the other system can hold `item` in the list `name`.
    fn can_hold_item(&self, name: &str, item: &Value) -> bool {
        let is_supported = self
            .supported(name)
            .is_none_or(|supported| supported.contains(item));
        let most = self.longest.get(name).and_then(Value::as_u64);
        let length = item.as_str().map_or(0, |text| text.chars().count());
        let is_short =
            most.is_none_or(|most| u64::try_from(length).is_ok_and(|length| length <= most));
        is_supported && is_short
    }
}

/// A member that differs.
#[derive(Debug, PartialEq)]
pub(super) struct DifferingMember {
    pub(super) member: String,
    /// The value that the other system should have.
    pub(super) here: Value,
    /// The value that it has.
    pub(super) there: Value,
}

/// Members whose values are secrets. They are neither compared nor shown.
const SECRETS: [&str; 2] = ["client_secret", "registration_access_token"];

/// Returns what differs between `shown`, an entry of our list, and `listed`. The members of `listed` are compared. Its
/// `exports` are compared with what the templates of `target` add.
pub(super) fn differences(
    shown: &Value,
    target: &str,
    listed: &ListedClient,
    abilities: &Abilities,
) -> Vec<DifferingMember> {
    let mut found = Vec::new();
    for (name, there) in &listed.members {
        if name == "exports" {
            let ours = shown.get("exports").and_then(|added| added.get(target));
            add_exports(ours, there, &mut found);
        } else if !SECRETS.contains(&name.as_str()) {
            let here = shown
                .get("metadata")
                .and_then(|metadata| metadata.get(name));
            let here = here.map(|value| held(name, value, abilities));
            add(name, here.as_ref(), there, &mut found);
        }
    }
    found
}

/// Returns the part of `value` that the other system can hold.
fn held(name: &str, value: &Value, abilities: &Abilities) -> Value {
    match value {
        Value::Array(items) => {
            let items = items.iter();
            let held = items.filter(|item| abilities.can_hold_item(name, item));
            held.cloned().collect()
        }
        other => other.clone(),
    }
}

fn add_exports(ours: Option<&Value>, theirs: &Value, found: &mut Vec<DifferingMember>) {
    let Some(theirs) = theirs.as_object() else {
        return add("exports", ours, theirs, found);
    };
    for (name, there) in theirs {
        let here = ours.and_then(|added| added.get(name));
        add(&format!("exports.{name}"), here, there, found);
    }
}

fn add(member: &str, here: Option<&Value>, there: &Value, found: &mut Vec<DifferingMember>) {
    let here = normal(member, here.unwrap_or(&Value::Null));
    let there = normal(member, there);
    if here != there {
        let member = member.to_owned();
        found.push(DifferingMember {
            member,
            here,
            there,
        });
    }
}

/// Returns `value` in a form in which the order of lists and absent values make no difference.
fn normal(member: &str, value: &Value) -> Value {
    match value {
        Value::Bool(false) => Value::Null,
        Value::String(text) if member == "scope" => {
            let words = scope::words(text).map(Value::from).collect();
            sorted(words)
        }
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Object(members) if members.is_empty() => Value::Null,
        Value::Array(items) => sorted(items.clone()),
        other => other.clone(),
    }
}

/// Returns the items without repetitions in a fixed order; null if there are none.
fn sorted(mut items: Vec<Value>) -> Value {
    items.sort_by_cached_key(canonical);
    items.dedup();
    if items.is_empty() {
        Value::Null
    } else {
        items.into()
    }
}

/// Returns a text that is the same for equal values.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut texts: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{name:?}:{}", canonical(value)))
                .collect();
            texts.sort_unstable();
            texts.concat()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listed(members: &Value) -> ListedClient {
        let id = "a".to_owned();
        let members = members.as_object().cloned().expect("an object");
        ListedClient { id, members }
    }

    fn abilities(described: &Value) -> Abilities {
        Abilities::read(described.as_object().expect("an object")).expect("abilities")
    }

    fn found(metadata: &Value, there: &Value, described: &Value) -> Vec<String> {
        let shown = json!({"metadata": metadata});
        let found = differences(&shown, "keycloak", &listed(there), &abilities(described));
        found.into_iter().map(|found| found.member).collect()
    }

    #[test]
    fn the_order_of_lists_and_absent_values_make_no_difference() {
        let metadata = json!({
            "redirect_uris": ["b", "a"], "scope": "openid orders", "client_name": "A", "jwks": {"keys": [{"a": 1, "b": 2}]},
        });
        let same = json!({
            "redirect_uris": ["a", "b", "a"], "scope": "orders  openid", "client_name": "A", "disabled": false,
            "contacts": [], "logo_uri": "", "tos_uri": null, "jwks": {"keys": [{"b": 2, "a": 1}]},
        });
        assert_eq!(found(&metadata, &same, &json!({})), [""; 0]);
        let other = json!({
            "redirect_uris": ["a"], "scope": "openid", "client_name": "B", "disabled": true, "contacts": ["c"],
        });
        let expected = [
            "redirect_uris",
            "scope",
            "client_name",
            "disabled",
            "contacts",
        ];
        assert_eq!(found(&metadata, &other, &json!({})), expected);
    }

    #[test]
    fn what_the_other_system_cannot_hold_is_not_expected_there() {
        let described = json!({
            "supports": {
                "grant_types": ["authorization_code"], "token_endpoint_auth_method": ["none"], "disabled": [false],
            },
            "longest": {"redirect_uris": 2},
        });
        let metadata = json!({"grant_types": ["implicit", "authorization_code"], "redirect_uris": ["éé", "aaa"]});
        let there = json!({"grant_types": ["authorization_code"], "redirect_uris": ["éé"]});
        assert_eq!(found(&metadata, &there, &described), [""; 0]);
        // What it has in spite of that is surplus.
        let there = json!({"grant_types": ["authorization_code", "implicit"], "redirect_uris": ["éé", "aaa"]});
        let expected = ["grant_types", "redirect_uris"];
        assert_eq!(found(&metadata, &there, &described), expected);
        let abilities = abilities(&described);
        for (metadata, can_hold) in [
            (json!({}), true),
            (json!({"token_endpoint_auth_method": "none"}), true),
            (
                json!({"token_endpoint_auth_method": "private_key_jwt"}),
                false,
            ),
            (json!({"disabled": false}), true),
            (json!({"disabled": true}), false),
            (json!({"grant_types": ["implicit"]}), true),
        ] {
            assert_eq!(abilities.can_hold(&metadata), can_hold, "{metadata}");
        }
    }

    #[test]
    fn exports_are_those_of_the_target() {
        let shown = json!({"metadata": {}, "exports": {
            "keycloak": {"audiences": ["b", "a"], "roles": ["r"], "attributes": {"c": "d"}, "mappers": [{"name": "m", "e": 1}]},
            "hydra": {"audiences": ["c"]},
        }});
        let compared = |target: &str, there: Value| {
            let there = listed(&json!({ "exports": there }));
            differences(&shown, target, &there, &Abilities::default())
        };
        let same = json!({"audiences": ["a", "b"], "attributes": {"c": "d"}, "mappers": [{"e": 1, "name": "m"}]});
        assert_eq!(compared("keycloak", same), []);
        let due = DifferingMember {
            member: "exports.roles".to_owned(),
            here: json!(["r"]),
            there: json!(["admin", "r"]),
        };
        assert_eq!(
            compared("keycloak", json!({"roles": ["r", "admin"]})),
            [due]
        );
        assert_eq!(
            compared("hydra", json!({"audiences": ["c"], "roles": []})),
            []
        );
        assert_eq!(compared("other", json!({"audiences": ["c"]})).len(), 1);
        assert_eq!(compared("other", json!(["c"])).len(), 1);
    }

    #[test]
    fn secrets_are_neither_compared_nor_shown() {
        let there = json!({"client_secret": "s", "registration_access_token": "t"});
        assert_eq!(found(&json!({}), &there, &json!({})), [""; 0]);
    }
}
