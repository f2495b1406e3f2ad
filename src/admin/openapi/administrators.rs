//! The operations on administrators.

use serde_json::json;

use super::{
    administration::id, administration::operation, operation::Operation, operation::named,
};
use crate::config::AdminScopes;

const ALL: &str = "/admin/v1/administrators";

/// Returns the operations on administrators.
pub(super) fn operations(scopes: &AdminScopes) -> Vec<Operation> {
    let (read, write) = (scopes.admins_read.as_str(), scopes.admins_write.as_str());
    let mut operations = every(read, write);
    operations.extend(one(read, write));
    operations.push(rotation(write));
    operations
}

fn every(read: &str, write: &str) -> Vec<Operation> {
    let example = json!({"name": "SIEM", "scopes": ["audit.read"], "note": "reads the audit log"});
    vec![
        operation(
            "post",
            ALL,
            ("createAdministrator", write),
            "Create an administrator, with no scope that the access token of the caller lacks.",
        )
        .body(true, &[("application/json", named("AdministratorRequest"))])
        .example("application/json", example)
        .json(
            201,
            "The administrator. Only this response contains its secret.",
            "NewAdministrator",
            &[],
        )
        .problems(&[400, 408, 409, 413, 415, 500]),
        operation(
            "get",
            ALL,
            ("listAdministrators", read),
            "List all administrators.",
        )
        .json(200, "The administrators.", "AdministratorList", &[]),
    ]
}

fn one(read: &str, write: &str) -> Vec<Operation> {
    let path = &format!("{ALL}/{{id}}");
    let identified = || vec![id("The client_id of the administrator.")];
    vec![
        operation(
            "get",
            path,
            ("showAdministrator", read),
            "Show an administrator.",
        )
        .parameters(identified())
        .json(200, "The administrator.", "Administrator", &[])
        .problems(&[404]),
        operation(
            "patch",
            path,
            ("changeAdministrator", write),
            "Change, disable or enable an administrator (RFC 7396).",
        )
        .parameters(identified())
        .body(true, &[("application/json", named("AdministratorPatch"))])
        .example("application/json", json!({"disabled": true}))
        .json(200, "The changed administrator.", "Administrator", &[])
        .problems(&[400, 404, 408, 409, 413, 415]),
        operation(
            "delete",
            path,
            ("deleteAdministrator", write),
            "Delete an administrator.",
        )
        .parameters(identified())
        .empty(204, "The administrator is deleted.")
        .problems(&[404, 409]),
    ]
}

fn rotation(write: &str) -> Operation {
    operation(
        "post",
        &format!("{ALL}/{{id}}/rotate"),
        ("rotateAdministrator", write),
        "Give an administrator a new secret.",
    )
    .parameters(vec![id("The client_id of the administrator.")])
    .body(false, &[("application/json", named("RotationRequest"))])
    .example("application/json", json!({"overlap": 3_600}))
    .json(
        200,
        "The administrator. Only this response contains its secret.",
        "NewAdministrator",
        &[],
    )
    .problems(&[400, 404, 408, 409, 413, 415, 500])
}
