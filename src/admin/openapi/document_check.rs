//! The operation that checks a client document.

use serde_json::json;

use super::administration::operation;
use super::operation::{Operation, named};

/// Returns the operation, which requires the scope `scope`.
pub(super) fn operations(scope: &str) -> Vec<Operation> {
    let example = json!({"client_id": "https://app.example.org/oauth/client.json"});
    vec![
        operation(
            "post",
            "/admin/v1/client-documents/check",
            ("checkDocument", scope),
            "Find what is wrong with a client document, and what causes trouble at other servers. Nothing is stored.",
        )
        .body(
            true,
            &[("application/json", named("DocumentCheckRequest"))],
        )
        .example("application/json", example)
        .json(
            200,
            "What was found. The status is 200 for an invalid document too.",
            "DocumentCheck",
            &[],
        )
        .problems(&[400, 408, 413, 415]),
    ]
}
