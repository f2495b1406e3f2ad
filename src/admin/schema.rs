//! The JSON Schema of a client, derived from the table of all metadata, and references to schemas of types whose
//! modules do not use `schemars`.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::client::{MEMBERS, Member, MemberKind, SetBy};

/// Returns the schema of a client (JSON Schema 2020-12).
pub(crate) fn client() -> Map<String, Value> {
    let named: Map<String, Value> = MEMBERS
        .iter()
        .map(|member| (member.name.to_owned(), property(member)))
        .collect();
    let localised: Map<String, Value> = MEMBERS
        .iter()
        .filter(|member| member.kind.is_localised())
        .map(|member| (format!("^{}#[A-Za-z0-9-]+$", member.name), property(member)))
        .collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Client",
        "type": "object",
        "properties": named,
        "patternProperties": localised,
        "additionalProperties": true,
    });
    schema.as_object().cloned().unwrap_or_default()
}

/// The path of the schemas in the OpenAPI document.
pub(super) const COMPONENTS: &str = "/components/schemas";

fn reference(name: &str) -> Schema {
    Schema::new_ref(format!("#{COMPONENTS}/{name}"))
}

/// Returns a reference to the schema of a client.
pub(super) fn client_reference(_: &mut SchemaGenerator) -> Schema {
    reference("Client")
}

/// Returns a reference to the schema of a trust level.
pub(super) fn trust_level(_: &mut SchemaGenerator) -> Schema {
    reference("TrustLevel")
}

/// Returns a reference to the schema of a provenance.
pub(super) fn provenance(_: &mut SchemaGenerator) -> Schema {
    reference("Provenance")
}

/// Returns a reference to the schema of the origins of members.
pub(super) fn origins(_: &mut SchemaGenerator) -> Schema {
    reference("Origins")
}

/// Returns a reference to the schema of what templates add to a client.
pub(super) fn exports(_: &mut SchemaGenerator) -> Schema {
    reference("Exports")
}

/// Returns a reference to the schema of a policy.
pub(super) fn initial_access_policy(_: &mut SchemaGenerator) -> Schema {
    reference("InitialAccessPolicy")
}

/// Returns the schema of a policy in a request, where `null` counts as absent.
pub(super) fn initial_access_policy_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [reference("InitialAccessPolicy"), {"type": "null"}]})
}

fn property(member: &Member) -> Value {
    let mut schema = value(member.kind);
    let mark = match member.set_by {
        SetBy::Client | SetBy::Privileged => None,
        // A member that is used for one request only is never returned.
        SetBy::Request => Some("writeOnly"),
        SetBy::Operator | SetBy::Server => Some("readOnly"),
    };
    if let (Some(mark), Some(members)) = (mark, schema.as_object_mut()) {
        members.insert(mark.to_owned(), true.into());
    }
    schema
}

/// Returns the schema of the values of a member.
fn value(kind: MemberKind) -> Value {
    match kind {
        MemberKind::Text | MemberKind::Label => json!({"type": "string", "minLength": 1}),
        MemberKind::Page
        | MemberKind::Picture
        | MemberKind::Link
        | MemberKind::Url
        | MemberKind::Uri => {
            json!({"type": "string", "format": "uri"})
        }
        MemberKind::Texts => json!({"type": "array", "items": {"type": "string", "minLength": 1}}),
        MemberKind::Uris => {
            json!({"type": "array", "items": {"type": "string", "format": "uri", "minLength": 1}})
        }
        MemberKind::Flag => json!({"type": "boolean"}),
        MemberKind::Count => json!({"type": "integer", "minimum": 0}),
        MemberKind::Object => json!({"type": "object"}),
        MemberKind::Jwks => json!({
            "type": "object", "required": ["keys"],
            "properties": {"keys": {"type": "array", "items": {"type": "object"}, "minItems": 1}},
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_is_in_the_schema_with_its_type() {
        let schema = client();
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(properties.len(), MEMBERS.len());
        assert_eq!(properties["redirect_uris"]["items"]["type"], "string");
        assert_eq!(properties["client_id"]["readOnly"], true);
        assert_eq!(properties["evidence"]["writeOnly"], true);
        assert_eq!(
            properties["lifetime"],
            json!({"type": "integer", "minimum": 0})
        );
        assert!(
            schema["patternProperties"]
                .get("^client_name#[A-Za-z0-9-]+$")
                .is_some()
        );
    }
}
