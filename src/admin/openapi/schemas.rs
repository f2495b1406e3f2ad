//! The schemas of the document (JSON Schema 2020-12).

use serde_json::{Map, Value, json};

use super::super::schema;
use super::operation::named;

/// Returns all schemas by name.
pub fn schemas() -> Map<String, Value> {
    let mut all = Map::from_iter([("Client".to_owned(), schema::client().into())]);
    for part in [
        registration(),
        clients(),
        initial_access(),
        configuration(),
        tokens(),
        rest(),
    ] {
        all.extend(part.as_object().cloned().unwrap_or_default());
    }
    all
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

fn list(of: &str) -> Value {
    json!({"type": "array", "items": named(of)})
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

fn clients() -> Value {
    json!({
        "TrustLevel": {"enum": ["open", "token", "mtls", "statement", "attested", "operator"]},
        "ClientSummary": {
            "type": "object",
            "required": ["client_id", "client_id_issued_at", "trust_level"],
            "properties": {
                "client_id": text(), "client_name": text(), "software_id": text(),
                "client_id_issued_at": count(), "expires_at": count(), "last_used_at": count(),
                "trust_level": named("TrustLevel"),
            },
        },
        "Deleted": {
            "type": "object", "required": ["deleted"], "properties": {"deleted": count(), "refused": count()},
        },
        "Noted": {"type": "object", "required": ["noted"], "properties": {"noted": count()}},
        "Imported": {
            "type": "object", "required": ["imported", "skipped", "replaced"],
            "properties": {
                "imported": count(), "skipped": count(), "replaced": count(),
                "warnings": {"type": "integer", "description": "Clients that violate rules of this server."},
            },
        },
        "ClientPage": {
            "type": "object", "required": ["clients"],
            "properties": {
                "clients": list("ClientSummary"),
                "next": {"type": "string", "description": "The value of after for the next page, if any."},
            },
        },
        "ClientRecord": {
            "type": "object",
            "required": ["client_id", "client_id_issued_at", "revision", "has_secret", "metadata", "provenance"],
            "properties": {
                "client_id": text(), "client_id_issued_at": count(), "expires_at": count(), "last_used_at": count(),
                "revision": {"type": "integer", "minimum": 1}, "has_secret": {"type": "boolean"},
                "metadata": named("Client"), "provenance": named("Provenance"),
            },
        },
        "Provenance": {
            "type": "object",
            "required": ["trust_level", "configuration"],
            "properties": {
                "trust_level": named("TrustLevel"), "address": text(), "initial_access_token": text(),
                "initial_access_policy": named("InitialAccessPolicy"),
                "statement": {"type": "object", "required": ["iss"]},
                "certificate": {"type": "object", "required": ["subject", "sha256"]},
                "attestation_digest": text(), "attestation_verifier": text(), "attestation_policy": text(),
                "scripts": {"type": "array", "items": {"type": "object", "required": ["name", "hash"]}},
                "configuration": text(),
            },
        },
    })
}

/// Returns `schema` extended by `null`, which counts as an absent member.
fn or_null(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn initial_access() -> Value {
    let positive = json!({"type": "integer", "minimum": 1, "maximum": u64::MAX});
    let note = json!({"type": "string", "maxLength": 256});
    let shown = json!({
        "id": text(), "note": note, "uses": positive, "used": count(), "created_at": count(),
        "expires_at": count(), "policy": named("InitialAccessPolicy"),
    });
    let token = json!({
        "type": "object", "required": ["id", "used", "created_at", "policy"], "properties": shown,
    });
    let mut told = shown.as_object().cloned().unwrap_or_default();
    told.insert("token".to_owned(), text());
    json!({
        "InitialAccessPolicy": {
            "description": "The limits for clients. An absent list allows everything that the server allows.",
            "type": "object", "additionalProperties": false,
            "properties": {
                "redirect_hosts": or_null(&texts()), "scopes": or_null(&texts()), "grant_types": or_null(&texts()),
                "token_endpoint_auth_methods": or_null(&texts()), "privileged_members": or_null(&texts()),
                "maximum_lifetime": or_null(&json!({"type": "integer", "minimum": 0, "maximum": u64::MAX})),
                "attributes": or_null(&json!({"type": "object", "description": "Attributes for scripts."})),
            },
        },
        "InitialAccessTokenRequest": {
            "type": "object", "additionalProperties": false,
            "properties": {
                "note": or_null(&note), "uses": or_null(&positive), "expires_in": or_null(&positive),
                "policy": or_null(&named("InitialAccessPolicy")),
            },
        },
        "InitialAccessToken": token,
        "NewInitialAccessToken": {
            "type": "object", "required": ["id", "used", "created_at", "policy", "token"], "properties": told,
        },
        "InitialAccessTokenPage": {
            "type": "object", "required": ["initial_access_tokens"],
            "properties": {"initial_access_tokens": list("InitialAccessToken"), "next": text()},
        },
    })
}

fn configuration() -> Value {
    let operation = |op: &[&str], required: &[&str]| {
        json!({
            "type": "object", "required": required,
            "properties": {"op": {"enum": op}, "path": text(), "from": text(), "value": true},
        })
    };
    json!({
        "Configuration": {
            "type": "object",
            "required": ["registration", "scopes", "settings", "origins", "revision"],
            "properties": {
                "registration": {"type": "object"},
                "scopes": {"type": "array", "items": {"type": "object", "required": ["id"]}},
                "settings": {"type": "object", "description": "The settings that need a restart."},
                "origins": {
                    "type": "object",
                    "additionalProperties": {"enum": ["default", "file", "patch", "environment", "flag"]},
                },
                "revision": text(),
            },
        },
        "JsonPatch": {
            "description": "RFC 6902. A path can also be just the name of a property of registration.",
            "type": "array",
            "items": {"oneOf": [
                operation(&["add", "replace", "test"], &["op", "path", "value"]),
                operation(&["remove"], &["op", "path"]),
                operation(&["move", "copy"], &["op", "path", "from"]),
            ]},
        },
        "Scripts": {
            "type": "object", "required": ["revision", "since", "scripts", "calls"],
            "properties": {
                "revision": text(), "since": count(),
                "scripts": {"type": "array", "items": {
                    "type": "object", "required": ["name", "hash", "hooks"],
                    "properties": {"name": text(), "hash": text(), "hooks": texts(), "warnings": texts()},
                }},
                "calls": {"type": "array", "items": {
                    "type": "object", "required": ["script", "hook", "calls", "faults"],
                    "properties": {
                        "script": text(), "hook": text(), "calls": count(), "faults": count(),
                        "ran_seconds": {"type": "number"}, "waited_seconds": {"type": "number"},
                    },
                }},
            },
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
        "AuditEvent": {
            "type": "object", "required": ["position", "time", "action", "outcome"],
            "properties": {
                "position": {"type": "integer", "minimum": 1}, "time": count(), "action": text(),
                "outcome": {"enum": ["done", "refused"]}, "error": text(), "subject": text(), "actor": text(),
                "address": text(), "correlation_id": text(), "details": {"type": "object"},
            },
        },
        "AuditPage": {
            "type": "object", "required": ["events"],
            "properties": {"events": list("AuditEvent"), "next": count()},
        },
        "Metadata": {"type": "object", "required": ["issuer"], "properties": {"issuer": text()}},
        "Status": {"type": "object", "required": ["status"], "properties": {"status": text()}},
        "JsonSchema": {"type": "object", "required": ["$schema", "properties"]},
        "OpenApi": {"type": "object", "required": ["openapi", "info", "paths", "components"]},
    })
}
