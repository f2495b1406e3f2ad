//! The operations on the audit log, and the examination of the server.

use serde_json::{Value, json};

use super::{administration::operation, operation::Operation, operation::query, operation::time};
use crate::config::AdminScopes;

pub(super) fn operations(scopes: &AdminScopes) -> Vec<Operation> {
    vec![
        events(&scopes.audit_read),
        verification(&scopes.audit_read),
        doctor(&scopes.config_read),
    ]
}

fn limit(most: u32) -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": most, "default": 50})
}

fn events(scope: &str) -> Operation {
    let (id, what) = (("readAudit", scope), "Read the audit log.");
    operation("get", "/admin/v1/audit", id, what)
        .parameters([places(), conditions()].concat())
        .json(200, "The page.", "AuditPage", &[])
        .problems(&[400])
}

/// The parameters that say which page is read.
fn places() -> Vec<Value> {
    let after = json!({"type": "integer", "minimum": 0, "default": 0});
    let position = json!({"type": "integer", "minimum": 1});
    let order = json!({"type": "string", "enum": ["oldest", "newest"], "default": "oldest"});
    vec![
        query("after", "The position after which the page starts.", &after),
        query(
            "before",
            "With order=newest, the position before which the page starts.",
            &position,
        ),
        query("order", "Which events come first.", &order),
        query("limit", "The maximum number of events.", &limit(1_000)),
    ]
}

/// The parameters that select events.
fn conditions() -> Vec<Value> {
    let text = json!({"type": "string", "minLength": 1});
    let outcome = json!({"type": "string", "enum": ["done", "refused"]});
    vec![
        query("since", "The earliest time.", &time()),
        query(
            "action",
            "One action, or several separated by commas.",
            &text,
        ),
        query("actor", "The client_id or the name of the actor.", &text),
        query("subject", "The identifier of the subject.", &text),
        query("outcome", "Whether it was done.", &outcome),
    ]
}

fn verification(scope: &str) -> Operation {
    let after = json!({"type": "integer", "minimum": 0, "default": 0});
    let digest = json!({"type": "string", "pattern": "^[0-9a-f]{64}$"});
    operation(
        "get",
        "/admin/v1/audit/verification",
        ("verifyAudit", scope),
        "Check the digests of the audit log.",
    )
    .parameters(vec![
        query(
            "after",
            "The position of the last event that was checked.",
            &after,
        ),
        query("limit", "The maximum number of events.", &limit(10_000)),
        query("digest", "The digest of an event to look for.", &digest),
    ])
    .json(200, "What was found.", "AuditVerification", &[])
}

fn doctor(scope: &str) -> Operation {
    operation(
        "get",
        "/admin/v1/doctor",
        ("examineServer", scope),
        "Check what this server needs from others, and show how this request arrived.",
    )
    .json(200, "What was found.", "Examination", &[])
}
