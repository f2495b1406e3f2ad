//! The operation that tries a request, and its schemas.

use serde_json::{Map, Value, json};

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
    let mut properties = requested();
    properties.extend(tried_with());
    json!({
        "TrialRequest": {
            "type": "object", "required": ["body"], "additionalProperties": false, "properties": properties,
        },
        "FakeResponse": {
            "type": "object", "required": ["method", "url", "answer"],
            "properties": {"method": text(), "url": text(), "answer": {"type": "object"}},
        },
        "Trial": trial(),
        "TrialStep": {
            "type": "object", "required": ["step", "verdict", "microseconds"],
            "properties": {
                "step": text(), "verdict": {"enum": ["passed", "rejected"]}, "reason": text(), "microseconds": count(),
            },
        },
        "TrialCall": call(),
        "TrialHttp": {
            "type": "object", "required": ["method", "url", "headers"],
            "properties": {
                "method": text(), "url": text(), "headers": {"type": "object"}, "body": text(),
                "status": {"type": "integer"}, "error": text(),
            },
        },
    })
}

fn text() -> Value {
    json!({"type": "string"})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// Returns `schema` with a description.
fn described(description: &str, mut schema: Value) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), description.into());
    }
    schema
}

fn members(members: Value) -> Map<String, Value> {
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Returns the members that describe the request.
fn requested() -> Map<String, Value> {
    const BODY: &str =
        "The metadata as an object, or the body as a string, such as a signed request.";
    const HEADERS: &str =
        "The headers. Content-Type is application/json or application/jwt if it is missing.";
    const TRUSTED: &str = "Whether this server would trust it.";
    let texts = json!({"type": "array", "items": text()});
    let fields = json!({"type": "object", "additionalProperties": {"anyOf": [text(), texts]}});
    let trusted = json!({"type": "boolean", "default": true});
    members(json!({
        "body": described(BODY, json!({"anyOf": [{"type": "object"}, text()]})),
        "headers": described(HEADERS, fields),
        "address": described("The address of the client. Default: yours.", text()),
        "certificate": {
            "type": "object", "required": ["pem"], "additionalProperties": false,
            "properties": {"pem": text(), "trusted": described(TRUSTED, trusted)},
        },
        "initial_access_token": described("The identifier of an initial access token.", text()),
        "client_id": described("The client to update. Default: none, for a registration.", text()),
    }))
}

/// Returns the members that describe what the request is judged by.
fn tried_with() -> Map<String, Value> {
    const SCRIPTS: &str = "The text of each script that differs from the loaded scripts, by its name, such as \
                           10-name.rhai or lib/name.rhai; null leaves a script out.";
    const HTTP: &str = "What answers http calls of scripts: no server (refuse), the called servers (live), or these \
                        responses.";
    const REPEATED: &str =
        "Whether what earlier requests used up counts as unused, to try one of them again.";
    let flag = json!({"type": "boolean", "default": false});
    let texts = json!({"type": "object", "additionalProperties": {"type": ["string", "null"]}});
    let fakes = json!({"type": "array", "maxItems": 100, "items": named("FakeResponse")});
    let http = json!({"default": "refuse", "anyOf": [{"enum": ["refuse", "live"]}, fakes]});
    let options = json!({"type": "object"});
    members(json!({
        "time": described("Seconds since 1970. Default: now.", count()),
        "scripts": described(SCRIPTS, texts),
        "replace_scripts": described("Whether `scripts` has all scripts of the trial.", flag.clone()),
        "registration": described("Options of [registration] that differ.", options),
        "http": described(HTTP, http),
        "repeated": described(REPEATED, flag),
    }))
}

/// Returns the schema of the result.
fn trial() -> Value {
    let headers = json!({"type": "object", "additionalProperties": text()});
    let answer = json!({
        "type": "object", "required": ["status", "headers", "body"],
        "properties": {"status": {"type": "integer"}, "headers": headers, "body": {"type": "object"}},
    });
    let steps = json!({"type": "array", "items": named("TrialStep")});
    json!({
        "type": "object", "required": ["answer", "steps", "hooks", "origins"],
        "properties": {
            "answer": described("The answer that the client would get.", answer),
            "steps": described("The steps that ran, in the order in which they ended.", steps),
            "hooks": {"type": "array", "items": named("TrialCall")},
            "origins": named("Origins"),
        },
    })
}

/// Returns the schema of a call of a script.
fn call() -> Value {
    let change = json!({
        "type": "object", "required": ["member"], "properties": {"member": text(), "before": {}, "after": {}},
    });
    json!({
        "description": "One call of one hook of one script.",
        "type": "object",
        "required": ["hook", "script", "result", "changed", "operations", "microseconds", "log", "http"],
        "properties": {
            "hook": text(), "script": text(), "result": {"enum": ["passed", "refused", "answered", "fault"]},
            "value": {"description": "What a hook that appraises something returned."},
            "status": {"type": "integer"}, "body": {"type": "object"}, "error": text(),
            "changed": {"type": "array", "items": change}, "operations": count(), "microseconds": count(),
            "log": {"type": "array", "items": text()}, "http": {"type": "array", "items": named("TrialHttp")},
        },
    })
}
