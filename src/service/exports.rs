//! What the templates of `[[exports]]` add to a client, for each target.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::scope;
use crate::client::{Client, Metadata, TrustLevel};
use crate::config::{ExportTemplate, Live, MAPPER_NAME};

/// Returns what is wrong with `templates`, as option and reason.
pub(super) fn faults(templates: &[ExportTemplate]) -> Vec<(String, String)> {
    // The clients of the operator administer this server, and no other system has them.
    let known = TrustLevel::ALL.into_iter().map(TrustLevel::as_str);
    let known: Vec<&str> = known
        .filter(|level| *level != TrustLevel::Operator.as_str())
        .collect();
    let mut faults = Vec::new();
    for (at, template) in templates.iter().enumerate() {
        let Some(level) = &template.trust_level else {
            continue;
        };
        if !known.contains(&level.as_str()) {
            let known = known.join(", ");
            let reason = format!("'{level}' is not a trust level; use one of {known}");
            faults.push((format!("exports[{at}].trustLevel"), reason));
        }
    }
    faults
}

/// What one target adds to a client: the sum of all templates that select the client.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Addition {
    audiences: Vec<String>,
    roles: Vec<String>,
    mappers: Vec<Map<String, Value>>,
    default_scopes: Vec<String>,
    attributes: Map<String, Value>,
}

impl Addition {
    /// Adds what `template` adds. Of two mappers or attributes with one name, the later one counts.
    fn add(&mut self, template: &ExportTemplate) {
        add_texts(&mut self.audiences, &template.audiences);
        add_texts(&mut self.roles, &template.roles);
        add_texts(&mut self.default_scopes, &template.default_scopes);
        for mapper in &template.mappers {
            let name = mapper.get(MAPPER_NAME);
            self.mappers.retain(|other| other.get(MAPPER_NAME) != name);
            self.mappers.push(mapper.clone());
        }
        for (name, value) in &template.attributes {
            self.attributes.insert(name.clone(), value.clone());
        }
    }
}

/// Adds the texts of `more` that `texts` does not have.
fn add_texts(texts: &mut Vec<String>, more: &[String]) {
    for text in more {
        if !texts.contains(text) {
            texts.push(text.clone());
        }
    }
}

/// Returns what each target adds to a client with this metadata and trust level, by the name of the target. A target
/// whose templates do not select the client is absent.
pub(crate) fn resolved(
    live: &Live,
    metadata: &Metadata,
    trust_level: TrustLevel,
) -> Map<String, Value> {
    let mut additions: BTreeMap<&str, Addition> = BTreeMap::new();
    for template in &live.exports {
        if selects(template, metadata, trust_level) {
            additions.entry(&template.target).or_default().add(template);
        }
    }
    let mut shown = Map::new();
    for (target, addition) in additions {
        let addition = serde_json::to_value(addition).unwrap_or_default();
        shown.insert(target.to_owned(), addition);
    }
    shown
}

/// Returns what each target adds to `client`.
pub(crate) fn of(live: &Live, client: &Client) -> Map<String, Value> {
    let level = client.provenance.trust_level;
    resolved(live, client.metadata.metadata(), level)
}

/// Returns whether the client meets all conditions of `template`.
fn selects(template: &ExportTemplate, metadata: &Metadata, trust_level: TrustLevel) -> bool {
    let meets = |condition: &Option<String>, is_met: &dyn Fn(&str) -> bool| {
        condition.as_deref().is_none_or(is_met)
    };
    trust_level != TrustLevel::Operator
        && meets(&template.trust_level, &|level| {
            level == trust_level.as_str()
        })
        && meets(&template.scope, &|wanted| {
            let scope = metadata.text("scope");
            scope.is_some_and(|scope| scope::has(scope, wanted))
        })
        && meets(&template.software_id, &|id| {
            metadata.text("software_id") == Some(id)
        })
        && meets(&template.grant_type, &|grant| {
            metadata.has_item("grant_types", grant)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live(exports: &Value) -> Live {
        serde_json::from_value(json!({ "exports": exports })).expect("a configuration")
    }

    fn metadata(members: &Value) -> Metadata {
        Metadata::new(members.as_object().cloned().expect("an object"))
    }

    #[test]
    fn a_client_must_meet_all_conditions() {
        let template = json!({
            "target": "a", "trustLevel": "statement", "scope": "orders", "softwareId": "app",
            "grantType": "client_credentials", "audiences": ["x"],
        });
        let live = live(&json!([template]));
        let client = json!({
            "scope": "openid orders", "software_id": "app", "grant_types": ["authorization_code", "client_credentials"],
        });
        let selected =
            |client: &Value, level| !resolved(&live, &metadata(client), level).is_empty();
        assert!(selected(&client, TrustLevel::Statement));
        assert!(!selected(&client, TrustLevel::Attested));
        for (name, value) in [
            ("scope", json!("orders.read")),
            ("software_id", json!("other")),
            ("grant_types", json!(["authorization_code"])),
        ] {
            let mut other = client.clone();
            other[name] = value;
            assert!(!selected(&other, TrustLevel::Statement), "{name}");
            other[name] = Value::Null;
            assert!(!selected(&other, TrustLevel::Statement), "no {name}");
        }
    }

    #[test]
    fn templates_of_one_target_are_merged_in_their_order() {
        let live = live(&json!([
            {"target": "b", "roles": ["reader"]},
            {"target": "a", "audiences": ["x", "y"], "attributes": {"one": 1, "two": {"three": 3}},
             "mappers": [{"name": "m", "config": {"old": "1"}}, {"name": "n"}]},
            {"target": "a", "trustLevel": "token", "audiences": ["never"]},
            {"target": "a", "audiences": ["y", "z", "z"], "attributes": {"two": 2}, "defaultScopes": ["s"],
             "mappers": [{"name": "m", "config": {"new": "1"}}]},
        ]));
        let shown = resolved(&live, &metadata(&json!({})), TrustLevel::Open);
        let expected = json!({
            "a": {
                "audiences": ["x", "y", "z"], "roles": [],
                "mappers": [{"name": "n"}, {"name": "m", "config": {"new": "1"}}],
                "defaultScopes": ["s"], "attributes": {"one": 1, "two": 2},
            },
            "b": {"audiences": [], "roles": ["reader"], "mappers": [], "defaultScopes": [], "attributes": {}},
        });
        assert_eq!(Value::from(shown), expected);
    }

    #[test]
    fn clients_of_the_operator_are_not_exported() {
        let live = live(&json!([{"target": "a", "roles": ["reader"]}]));
        assert!(resolved(&live, &metadata(&json!({})), TrustLevel::Operator).is_empty());
        assert_eq!(
            resolved(&live, &metadata(&json!({})), TrustLevel::Open).len(),
            1
        );
    }

    #[test]
    fn an_unknown_trust_level_is_reported() {
        let live = live(&json!([
            {"target": "a", "roles": ["r"], "trustLevel": "attested"},
            {"target": "a", "roles": ["r"], "trustLevel": "trusted"},
            {"target": "a", "roles": ["r"], "trustLevel": "operator"},
        ]));
        let faults = faults(&live.exports);
        assert_eq!(faults.len(), 2);
        assert_eq!(faults[0].0, "exports[1].trustLevel");
        assert!(faults[0].1.contains("open, document"), "{faults:?}");
    }
}
