//! The operation that tries a request, and its schemas.

use serde_json::{Value, json};

use super::administration::operation;
use super::operation::{Operation, named};
use super::public::usual;

/// Returns the operation, which requires the scope `scope`.
pub(super) fn operations(scope: &str) -> Vec<Operation> {
    let example = json!({
        "body": usual(),
        "headers": {"user-agent": "example"},
        "address": "192.0.2.1",
        "registration": {"initialAccessToken": "optional"},
    });
    vec![
        operation(
            "post",
            "/admin/v1/try",
            ("tryRequest", scope),
            "Judge a registration or an update without storing anything.",
        )
        .body(true, &[("application/json", named("TrialRequest"))])
        .example("application/json", example)
        .json(
            200,
            "How the request was judged. The status is 200 whatever the client would get.",
            "Trial",
            &[],
        )
        .problems(&[400, 404, 408, 413, 415]),
    ]
}

/// Returns the schemas of the description of a request, and of the result.
pub(super) fn schemas() -> Value {
    let mut all = request();
    if let (Some(all), Value::Object(result)) = (all.as_object_mut(), result()) {
        all.extend(result);
    }
    all
}

fn request() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": text});
    let strings = json!({"anyOf": [text, texts]});
    json!({
        "TrialRequest": {
            "type": "object", "required": ["body"], "additionalProperties": false,
            "properties": {
                "body": {
                    "description": "The metadata as an object, or the body as a string, such as a signed request.",
                    "anyOf": [{"type": "object"}, text],
                },
                "headers": {
                    "description": "The headers. Content-Type is application/json or application/jwt if it is missing.",
                    "type": "object", "additionalProperties": strings,
                },
                "address": {"description": "The address of the client. Default: yours.", "type": "string"},
                "certificate": {
                    "type": "object", "required": ["pem"], "additionalProperties": false,
                    "properties": {
                        "pem": text,
                        "trusted": {"description": "Whether this server would trust it.", "type": "boolean", "default": true},
                    },
                },
                "initial_access_token": {"description": "The identifier of an initial access token.", "type": "string"},
                "client_id": {"description": "The client to update. Default: none, for a registration.", "type": "string"},
                "time": {"description": "Seconds since 1970. Default: now.", "type": "integer", "minimum": 0},
                "scripts": {
                    "description": "The text of each script that differs from the loaded scripts, by its name, such as \
                        10-name.rhai or lib/name.rhai; null leaves a script out.",
                    "type": "object", "additionalProperties": {"type": ["string", "null"]},
                },
                "replace_scripts": {
                    "description": "Whether `scripts` has all scripts of the trial.",
                    "type": "boolean", "default": false,
                },
                "registration": {"description": "Options of [registration] that differ.", "type": "object"},
                "http": {
                    "description": "What answers http calls of scripts: no server (refuse), the called servers (live), or \
                        these responses.",
                    "default": "refuse",
                    "anyOf": [
                        {"enum": ["refuse", "live"]},
                        {"type": "array", "maxItems": 100, "items": named("FakeResponse")},
                    ],
                },
                "repeated": {
                    "description": "Whether what earlier requests used up counts as unused, to try one of them again.",
                    "type": "boolean", "default": false,
                },
            },
        },
        "FakeResponse": {
            "type": "object", "required": ["method", "url", "answer"],
            "properties": {"method": text, "url": text, "answer": {"type": "object"}},
        },
    })
}

fn result() -> Value {
    let text = json!({"type": "string"});
    let count = json!({"type": "integer", "minimum": 0});
    json!({
        "Trial": {
            "type": "object", "required": ["answer", "steps", "hooks", "origins"],
            "properties": {
                "answer": {
                    "description": "The answer that the client would get.",
                    "type": "object", "required": ["status", "headers", "body"],
                    "properties": {
                        "status": {"type": "integer"},
                        "headers": {"type": "object", "additionalProperties": text},
                        "body": {"type": "object"},
                    },
                },
                "steps": {
                    "description": "The steps that ran, in the order in which they ended.",
                    "type": "array", "items": named("TrialStep"),
                },
                "hooks": {"type": "array", "items": named("TrialCall")},
                "origins": named("Origins"),
            },
        },
        "TrialStep": {
            "type": "object", "required": ["step", "verdict", "microseconds"],
            "properties": {
                "step": text, "verdict": {"enum": ["passed", "rejected"]}, "reason": text, "microseconds": count,
            },
        },
        "TrialCall": {
            "description": "One call of one hook of one script.",
            "type": "object",
            "required": ["hook", "script", "result", "changed", "operations", "microseconds", "log", "http"],
            "properties": {
                "hook": text, "script": text,
                "result": {"enum": ["passed", "refused", "answered", "fault"]},
                "value": {"description": "What a hook that appraises something returned."},
                "status": {"type": "integer"}, "body": {"type": "object"}, "error": text,
                "changed": {
                    "type": "array",
                    "items": {
                        "type": "object", "required": ["member"],
                        "properties": {"member": text, "before": {}, "after": {}},
                    },
                },
                "operations": count, "microseconds": count,
                "log": {"type": "array", "items": text},
                "http": {
                    "type": "array",
                    "items": {
                        "type": "object", "required": ["method", "url", "headers"],
                        "properties": {
                            "method": text, "url": text, "headers": {"type": "object"}, "body": text,
                            "status": {"type": "integer"}, "error": text,
                        },
                    },
                },
            },
        },
    })
}
