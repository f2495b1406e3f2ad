//! The schemas of the document (JSON Schema 2020-12).

use schemars::Schema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::RecursiveTransform;
use serde_json::{Map, Value, json};

use super::{operation::named, trial};
use crate::admin::{
    administrators, bulk::ChangedClients, bulk::MatchingClients, endpoint::audit::AuditPage,
    endpoint::candidate::CandidateReport, endpoint::clients::ClientPage,
    endpoint::clients::ClientRecord, endpoint::clients::ClientWithCredentials,
    endpoint::document_check, endpoint::document_orders, endpoint::documents,
    endpoint::events::EventPage, endpoint::events::consumers, endpoint::events::replay,
    endpoint::pending, endpoint::script_replay, endpoint::script_versions,
    endpoint::scripts::LoadedScripts, endpoint::upstream_calls, endpoint::used::Noted,
    import::ImportTally, initial_access::InitialAccessTokenRequest, initial_access::NewToken,
    initial_access::TokenPage, schema,
};
use crate::client::TrustLevel;

/// Returns all schemas by name.
pub(crate) fn schemas() -> Map<String, Value> {
    let mut all = Map::from_iter([("Client".to_owned(), schema::client().into())]);
    for part in [
        registration(),
        clients(),
        exports(),
        policies(),
        configuration(),
        patches(),
        tokens(),
        rest(),
        trial::schemas(),
    ] {
        all.extend(part.as_object().cloned().unwrap_or_default());
    }
    all.extend(answers());
    all.extend(requests());
    all
}

/// Returns the schemas of the answers of the admin API, from their types.
fn answers() -> Map<String, Value> {
    let settings = settings().for_serialize();
    let settings = settings.with_transform(RecursiveTransform(without_null));
    let mut generator = settings.into_generator();
    generator.subschema_for::<AuditPage<'_>>();
    generator.subschema_for::<ClientPage<'_>>();
    generator.subschema_for::<ClientRecord<'_>>();
    generator.subschema_for::<consumers::CarriedOut<'_>>();
    generator.subschema_for::<consumers::ConsumerList<'_>>();
    generator.subschema_for::<ChangedClients>();
    generator.subschema_for::<MatchingClients>();
    generator.subschema_for::<EventPage<'_>>();
    generator.subschema_for::<ImportTally>();
    generator.subschema_for::<Noted>();
    generator.subschema_for::<LoadedScripts<'_>>();
    generator.subschema_for::<consumers::ParkedPage<'_>>();
    generator.subschema_for::<replay::ReplayedPage>();
    add_answers_with_credentials(&mut generator);
    add_answers_about_unfinished(&mut generator);
    add_script_answers(&mut generator);
    generator.take_definitions(true)
}

fn add_answers_with_credentials(generator: &mut SchemaGenerator) {
    generator.subschema_for::<administrators::AdministratorList<'_>>();
    generator.subschema_for::<administrators::NewAdministrator<'_>>();
    generator.subschema_for::<ClientWithCredentials<'_>>();
    generator.subschema_for::<NewToken<'_>>();
}

fn add_answers_about_unfinished(generator: &mut SchemaGenerator) {
    generator.subschema_for::<upstream_calls::UpstreamCallPage<'_>>();
    generator.subschema_for::<documents::CandidateRecord<'_>>();
    generator.subschema_for::<documents::DocumentPage<'_>>();
    generator.subschema_for::<document_check::DocumentCheck>();
    generator.subschema_for::<TokenPage<'_>>();
    generator.subschema_for::<pending::PendingPage<'_>>();
    generator.subschema_for::<pending::PendingRecord<'_>>();
}

fn add_script_answers(generator: &mut SchemaGenerator) {
    generator.subschema_for::<CandidateReport<'_>>();
    generator.subschema_for::<script_versions::InForce>();
    generator.subschema_for::<script_replay::ReplayedRequests>();
    generator.subschema_for::<script_versions::VersionList<'_>>();
    generator.subschema_for::<script_versions::VersionWithFiles<'_>>();
}

/// Returns the schemas of the requests to the admin API, from their types.
fn requests() -> Map<String, Value> {
    let mut generator = settings().for_deserialize().into_generator();
    generator.subschema_for::<administrators::AdministratorPatch>();
    generator.subschema_for::<administrators::AdministratorRequest>();
    generator.subschema_for::<administrators::RotationRequest>();
    generator.subschema_for::<consumers::ConsumerReference>();
    generator.subschema_for::<document_orders::DocumentApprovalRequest>();
    generator.subschema_for::<document_orders::DocumentDenialRequest>();
    generator.subschema_for::<document_orders::DocumentPinRequest>();
    generator.subschema_for::<document_orders::DocumentReference>();
    generator.subschema_for::<consumers::EventReference>();
    generator.subschema_for::<document_check::DocumentCheckRequest>();
    generator.subschema_for::<InitialAccessTokenRequest>();
    generator.subschema_for::<pending::DecisionRequest>();
    generator.subschema_for::<replay::ReplayRequest>();
    generator.subschema_for::<script_replay::ScriptReplayRequest>();
    generator.subschema_for::<script_versions::PushedFiles>();
    generator.subschema_for::<script_versions::WantedPin>();
    generator.take_definitions(true)
}

fn settings() -> SchemaSettings {
    let settings = SchemaSettings::draft2020_12();
    let settings = settings.with(|settings| settings.definitions_path = schema::COMPONENTS.into());
    settings.with_transform(RecursiveTransform(standard))
}

/// Removes the formats of numbers, which JSON Schema does not define, and defaults, which restate that a
/// member is optional.
fn standard(schema: &mut Schema) {
    schema.remove("format");
    schema.remove("default");
}

/// Removes the type `null`: an answer leaves out a member that is absent.
fn without_null(schema: &mut Schema) {
    let Some(Value::Array(types)) = schema.get_mut("type") else {
        return;
    };
    types.retain(|name| name != "null");
    if let [only] = types.as_slice() {
        let only = only.clone();
        schema.insert("type".to_owned(), only);
    }
}

fn text() -> Value {
    json!({"type": "string"})
}

/// Returns the schema of a count, or of a time in seconds since 1970-01-01T00:00:00Z.
fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn texts() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

fn registration() -> Value {
    json!({
        "ClientInformation": {
            "description": "The client information response (RFC 7591 section 3.2.1).",
            "allOf": [named("Client")],
            "required": ["client_id", "client_id_issued_at", "registration_client_uri"],
        },
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {"type": "string", "minLength": 1},
                "error_description": text(),
                "nonce": {"type": "string", "description": "With stale_evidence: the nonce for fresh evidence."},
            },
        },
        "Challenge": {
            "type": "object", "required": ["attestation_challenge"],
            "properties": {"attestation_challenge": {"type": "string", "minLength": 1}},
        },
    })
}

fn exports() -> Value {
    json!({
        "Exports": {
            "description": "What the templates of exports add to a client, by the name of the target.",
            "type": "object", "additionalProperties": named("ExportAddition"),
        },
        "ExportAddition": {
            "type": "object",
            "required": ["audiences", "roles", "mappers", "defaultScopes", "attributes"],
            "properties": {
                "audiences": texts(), "roles": texts(), "defaultScopes": texts(),
                "mappers": {"type": "array", "items": {"type": "object", "required": ["name"]}},
                "attributes": {"type": "object"},
            },
        },
    })
}

fn clients() -> Value {
    json!({
        "TrustLevel": {"enum": TrustLevel::ALL.map(TrustLevel::as_str)},
        "Origins": {
            "description": "Where each member comes from: request, signed_request, software_statement, attestation, \
                default, initial_access_token, script:NAME, server, or administrator.",
            "type": "object", "additionalProperties": {"type": "string", "minLength": 1},
        },
        "Provenance": {
            "type": "object",
            "required": ["trust_level", "configuration"],
            "properties": {
                "trust_level": named("TrustLevel"), "address": text(), "initial_access_token": text(),
                "initial_access_note": text(), "initial_access_policy": named("InitialAccessPolicy"),
                "statement": {"type": "object", "required": ["iss"]},
                "certificate": {"type": "object", "required": ["subject", "sha256"]},
                "attestation_digest": text(), "attestation_verifier": text(), "attestation_policy": text(),
                "approval": {"type": "object", "required": ["by", "at"]}, "administrator": text(),
                "scripts": {"type": "array", "items": {"type": "object", "required": ["name", "hash"]}},
                "script_version": text(), "configuration": text(),
            },
        },
    })
}

/// Returns `schema` extended by `null`, which counts as an absent member.
fn or_null(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn policies() -> Value {
    json!({
        "InitialAccessPolicy": {
            "description": "The limits for clients. An absent list allows everything that the server allows.",
            "type": "object", "additionalProperties": false,
            "properties": {
                "redirect_hosts": or_null(&texts()), "scopes": or_null(&texts()), "grant_types": or_null(&texts()),
                "token_endpoint_auth_methods": or_null(&texts()), "privileged_members": or_null(&texts()),
                "client_documents": or_null(&json!({"type": "boolean"})),
                "maximum_lifetime": or_null(&json!({"type": "integer", "minimum": 0, "maximum": u64::MAX})),
                "attributes": or_null(&json!({"type": "object", "description": "Attributes for scripts."})),
            },
        },
    })
}

fn configuration() -> Value {
    json!({
        "Configuration": {
            "type": "object",
            "required": ["registration", "scopes", "webhooks", "exports", "settings", "origins", "revision"],
            "properties": {
                "registration": {"type": "object"},
                "scopes": {"type": "array", "items": {"type": "object", "required": ["id"]}},
                "webhooks": {"type": "array", "items": {"type": "object", "required": ["name", "url", "secretFile"]}},
                "exports": {"type": "array", "items": {"type": "object", "required": ["target"]}},
                "settings": {"type": "object", "description": "The settings that need a restart."},
                "origins": {
                    "type": "object",
                    "additionalProperties": {"enum": ["default", "file", "patch", "environment", "flag"]},
                },
                "revision": text(),
            },
        },
    })
}

fn patches() -> Value {
    let operation = |op: &[&str], required: &[&str]| {
        json!({
            "type": "object", "required": required,
            "properties": {"op": {"enum": op}, "path": text(), "from": text(), "value": true},
        })
    };
    json!({
        "JsonPatch": {
            "description": "RFC 6902. A path can also be just the name of a property of registration.",
            "type": "array",
            "items": {"oneOf": [
                operation(&["add", "replace", "test"], &["op", "path", "value"]),
                operation(&["remove"], &["op", "path"]),
                operation(&["move", "copy"], &["op", "path", "from"]),
            ]},
        },
    })
}

fn tokens() -> Value {
    json!({
        "AccessToken": {
            "type": "object", "required": ["access_token", "token_type", "expires_in"],
            "properties": {
                "access_token": text(), "token_type": {"const": "Bearer"}, "expires_in": count(), "scope": text(),
            },
        },
        "Introspection": {
            "type": "object", "required": ["active"],
            "properties": {
                "active": {"type": "boolean"}, "iss": text(), "client_id": text(), "sub": text(),
                "token_type": text(), "iat": count(), "exp": count(), "scope": text(), "cnf": {"type": "object"},
            },
        },
        "KeySet": {
            "type": "object", "required": ["keys"],
            "properties": {"keys": {"type": "array", "items": {"type": "object", "required": ["kty"]}}},
        },
    })
}

fn rest() -> Value {
    json!({
        "ClientDocument": {
            "type": "object", "required": ["client_id"], "properties": {"client_id": {"type": "string", "format": "uri"}},
        },
        "Metadata": {"type": "object", "required": ["issuer"], "properties": {"issuer": text()}},
        "Status": {"type": "object", "required": ["status"], "properties": {"status": text()}},
        "JsonSchema": {"type": "object", "required": ["$schema", "properties"]},
        "OpenApi": {"type": "object", "required": ["openapi", "info", "paths", "components"]},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_from_types_have_their_names_and_bounds() {
        let all = schemas();
        let properties = |name: &str| all[name]["properties"].clone();
        let request = properties("InitialAccessTokenRequest");
        assert_eq!(
            all["InitialAccessTokenRequest"]["additionalProperties"],
            false
        );
        assert!(all["InitialAccessTokenRequest"].get("required").is_none());
        assert_eq!(request["uses"]["type"], json!(["integer", "null"]));
        assert_eq!(request["note"]["maxLength"], 256);
        for bounded in [
            &request["uses"],
            &request["expires_in"],
            &properties("InitialAccessToken")["uses"],
        ] {
            assert_eq!(bounded["minimum"], 1, "{bounded}");
            assert_eq!(bounded["maximum"], u64::MAX, "{bounded}");
        }
        let created = all["NewInitialAccessToken"]["required"].clone();
        assert_eq!(
            created,
            json!(["id", "used", "created_at", "policy", "token"])
        );
        assert_eq!(properties("AuditEvent")["position"]["minimum"], 1);
        assert_eq!(
            properties("AuditEvent")["outcome"]["enum"],
            json!(["done", "refused"])
        );
        assert_eq!(properties("ClientRecord")["revision"]["minimum"], 1);
        assert_eq!(
            properties("ClientPage")["clients"]["items"],
            named("ClientSummary")
        );
        let matching = all["MatchingClients"]["required"].clone();
        assert_eq!(matching, json!(["count", "first"]));
        assert_eq!(
            all["Imported"]["required"],
            json!(["imported", "skipped", "replaced"])
        );
        assert_eq!(all["Noted"]["required"], json!(["noted"]));
        assert!(all["Scripts"]["properties"]["calls"]["items"]["properties"].is_object());
    }

    #[test]
    fn no_answer_has_null() {
        let text = Value::from(answers()).to_string();
        assert!(
            !text.contains("\"null\"") && !text.contains("anyOf"),
            "{text}"
        );
    }
}
