//! The operation that makes a backup of the embedded store.

use serde_json::json;

use super::administration::operation;
use super::operation::{Operation, named};

/// Returns the operation, which requires the scope `scope`.
pub(super) fn operations(scope: &str) -> Vec<Operation> {
    let backup = json!({
        "type": "string", "format": "binary",
        "description": "The backup, for `registrar store verify` and `registrar store restore`.",
    });
    vec![
        operation(
            "post",
            "/admin/v1/store/backup",
            ("backUpStore", scope),
            "Make a backup of the embedded store while it is in use.",
        )
        .body(false, &[("application/json", named("StoreBackupRequest"))])
        .example("application/json", json!({}))
        .answer(
            200,
            "The backup. It ends with its digest; one that ends earlier is truncated.",
            Some(("application/octet-stream", backup)),
            &[],
        )
        .problems(&[400, 408, 409, 413, 415]),
    ]
}
