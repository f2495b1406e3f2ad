//! `[[exports]]`: what the authorization servers that follow this server add to clients that registered themselves.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::scope;
use crate::config::{Verdict, admin, webhooks};

/// Maximum number of templates.
const MOST: usize = 64;
/// Maximum number of items in a list of a template.
const ITEMS: usize = 64;
/// Maximum length of an item, in bytes.
const ITEM_BYTES: usize = 255;
/// Maximum size of `mappers` and of `attributes`, in bytes of JSON.
const OBJECT_BYTES: usize = 16 * 1024;

/// An entry of `[[exports]]`: conditions that a client must meet, all of them, and what is added to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportTemplate {
    /// The system that adds it, such as `keycloak`.
    pub target: String,
    /// The trust level of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_level: Option<String>,
    /// A scope that the client has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The `software_id` of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// A grant type that the client has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_type: Option<String>,
    /// Values of `aud` that tokens of the client have or can have.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Roles that the client has.
    #[serde(default)]
    pub roles: Vec<String>,
    /// What puts further claims into tokens of the client. Each has a `name`; the rest is defined by the target.
    #[serde(default)]
    pub mappers: Vec<Map<String, Value>>,
    /// Scopes that the client has there, whether or not it requests them.
    #[serde(default)]
    pub default_scopes: Vec<String>,
    /// Members of the client at the target, by their names there.
    #[serde(default)]
    pub attributes: Map<String, Value>,
}

/// The member that identifies a mapper.
pub(crate) const MAPPER_NAME: &str = "name";

impl ExportTemplate {
    /// Returns the lists of texts, with the names of their options.
    fn lists(&self) -> [(&'static str, &[String]); 3] {
        [
            ("audiences", &self.audiences),
            ("roles", &self.roles),
            ("defaultScopes", &self.default_scopes),
        ]
    }

    /// Returns the conditions that are set, with the names of their options.
    fn conditions(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let conditions = [
            ("trustLevel", &self.trust_level),
            ("scope", &self.scope),
            ("softwareId", &self.software_id),
            ("grantType", &self.grant_type),
        ];
        let set = conditions.into_iter();
        set.filter_map(|(name, text)| Some((name, text.as_deref()?)))
    }

    fn adds_nothing(&self) -> bool {
        let mut lists = self.lists().into_iter();
        lists.all(|(_, items)| items.is_empty())
            && self.mappers.is_empty()
            && self.attributes.is_empty()
    }
}

/// Checks what the types of the options do not reject.
pub(super) fn check(templates: &[ExportTemplate], verdict: &mut Verdict) {
    if templates.len() > MOST {
        verdict.refuse("exports", format!("must have at most {MOST} entries"));
    }
    for (at, template) in templates.iter().enumerate() {
        check_one(template, &format!("exports[{at}]"), verdict);
    }
}

fn check_one(template: &ExportTemplate, key: &str, verdict: &mut Verdict) {
    if !webhooks::is_name(&template.target) {
        verdict.refuse(&format!("{key}.target"), webhooks::not_a_name());
    }
    check_conditions(template, key, verdict);
    for (name, items) in template.lists() {
        check_list(items, &format!("{key}.{name}"), verdict);
    }
    let scopes = template.default_scopes.iter();
    if scopes.clone().any(|scope| !scope::is_word(scope)) {
        verdict.refuse(&format!("{key}.defaultScopes"), admin::NOT_A_SCOPE);
    }
    check_mappers(&template.mappers, &format!("{key}.mappers"), verdict);
    check_size(&template.attributes, &format!("{key}.attributes"), verdict);
    if template.adds_nothing() {
        let reason = "adds nothing; set audiences, roles, mappers, defaultScopes or attributes";
        verdict.refuse(key, reason);
    }
}

fn check_conditions(template: &ExportTemplate, key: &str, verdict: &mut Verdict) {
    for (name, text) in template.conditions() {
        if !is_item(text) {
            verdict.refuse(&format!("{key}.{name}"), not_an_item());
        }
    }
    if template.trust_level.is_none() && template.software_id.is_some() {
        let reason = "is what the client says, and any client can say it; set trustLevel too, so that the client \
                      has proved it";
        verdict.warn(&format!("{key}.softwareId"), reason);
    }
}

fn check_list(items: &[String], key: &str, verdict: &mut Verdict) {
    if items.len() > ITEMS {
        verdict.refuse(key, format!("must have at most {ITEMS} items"));
    }
    if items.iter().any(|item| !is_item(item)) {
        verdict.refuse(key, not_an_item());
    }
}

fn check_mappers(mappers: &[Map<String, Value>], key: &str, verdict: &mut Verdict) {
    if mappers.len() > ITEMS {
        verdict.refuse(key, format!("must have at most {ITEMS} items"));
    }
    let mut names = HashSet::new();
    for mapper in mappers {
        let name = mapper.get(MAPPER_NAME).and_then(Value::as_str);
        match name.filter(|name| is_item(name)) {
            None => verdict.refuse(key, "must have a name in each item"),
            Some(name) if !names.insert(name) => {
                let reason = format!("has two items with the name '{name}'");
                verdict.refuse(key, reason);
            }
            Some(_) => {}
        }
    }
    check_size(&mappers, key, verdict);
}

fn check_size(value: &impl Serialize, key: &str, verdict: &mut Verdict) {
    let size = serde_json::to_vec(value).map_or(usize::MAX, |text| text.len());
    if size > OBJECT_BYTES {
        verdict.refuse(key, format!("is larger than {OBJECT_BYTES} bytes of JSON"));
    }
}

fn is_item(text: &str) -> bool {
    (1..=ITEM_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn not_an_item() -> String {
    format!("must be a text of 1 to {ITEM_BYTES} bytes without control characters")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(more: &Value) -> Verdict {
        let mut entry = json!({"target": "keycloak", "audiences": ["orders"]});
        for (name, value) in more.as_object().cloned().unwrap_or_default() {
            entry[name] = value;
        }
        let template = serde_json::from_value(entry).expect("a template");
        let mut verdict = Verdict::default();
        check(&[template], &mut verdict);
        verdict
    }

    fn refused(more: &Value, key: &str, part: &str) {
        let errors = judged(more).errors;
        let is_due = |(at, reason): &(String, String)| at == key && reason.contains(part);
        assert!(errors.iter().any(is_due), "{errors:?}");
    }

    #[test]
    fn what_a_template_adds_has_bounds() {
        assert!(judged(&json!({})).errors.is_empty());
        let many = vec!["a"; 65];
        for name in ["audiences", "roles", "defaultScopes"] {
            let key = format!("exports[0].{name}");
            refused(&json!({ name: many }), &key, "at most 64 items");
            refused(&json!({ name: [""] }), &key, "1 to 255 bytes");
            refused(&json!({ name: ["a\nb"] }), &key, "without control");
            refused(&json!({ name: ["a".repeat(256)] }), &key, "1 to 255 bytes");
        }
        refused(
            &json!({"defaultScopes": ["a b"]}),
            "exports[0].defaultScopes",
            "visible ASCII",
        );
        let large = json!({"a": "b".repeat(16 * 1024)});
        refused(
            &json!({"attributes": large}),
            "exports[0].attributes",
            "larger than 16384",
        );
        let large = json!([{"name": "a", "config": large}]);
        refused(
            &json!({"mappers": large}),
            "exports[0].mappers",
            "larger than 16384",
        );
        refused(
            &json!({"mappers": [{}]}),
            "exports[0].mappers",
            "a name in each",
        );
        let twice = json!([{"name": "a"}, {"name": "a"}]);
        refused(
            &json!({"mappers": twice}),
            "exports[0].mappers",
            "two items with the name 'a'",
        );
        refused(
            &json!({"target": "Key Cloak"}),
            "exports[0].target",
            "a to z",
        );
        refused(&json!({"scope": ""}), "exports[0].scope", "1 to 255 bytes");
        refused(&json!({"audiences": []}), "exports[0]", "adds nothing");
        let template: ExportTemplate =
            serde_json::from_value(json!({"target": "a", "roles": ["r"]})).expect("a template");
        let mut verdict = Verdict::default();
        check(&vec![template; 65], &mut verdict);
        assert_eq!(verdict.errors.len(), 1);
    }

    #[test]
    fn a_software_id_that_nobody_vouches_for_is_reported() {
        let verdict = judged(&json!({"softwareId": "app"}));
        assert_eq!((verdict.errors.len(), verdict.warnings.len()), (0, 1));
        let verdict = judged(&json!({"softwareId": "app", "trustLevel": "statement"}));
        assert_eq!((verdict.errors.len(), verdict.warnings.len()), (0, 0));
    }
}
