//! The operations for client documents.

use serde_json::{Value, json};

use super::{
    administration::operation, operation::Operation, operation::named, operation::query,
    public::paging,
};
use crate::config::AdminScopes;

/// The maximum number of documents on a page.
const MOST: usize = 500;

/// Returns the operations for client documents.
pub(super) fn operations(scopes: &AdminScopes) -> Vec<Operation> {
    let mut operations = vec![resolve(&scopes.clients_resolve)];
    operations.extend(waiting(&scopes.documents_read));
    operations.extend(orders(&scopes.documents_write));
    operations
}

/// Returns the parameter for the URL.
fn client_id() -> Value {
    json!({
        "name": "client_id", "in": "query", "required": true, "description": "The URL of a client document.",
        "schema": {"type": "string", "format": "uri", "maxLength": 512},
    })
}

fn resolve(scope: &str) -> Operation {
    let text = json!({"type": "string"});
    operation(
        "get",
        "/admin/v1/clients/resolve",
        ("resolveClient", scope),
        "Return the client of a client document, which is fetched if necessary.",
    )
    .parameters(vec![
        client_id(),
        query(
            "address",
            "The IP address of the user, for scripts. It is not stored.",
            &text,
        ),
        query(
            "jwks",
            "`inline`: `metadata.jwks` has the keys at `jwks_uri`, which is left out.",
            &json!({"enum": ["inline"]}),
        ),
        query(
            "revision",
            "A version of the client: the one in force, or the one before it.",
            &json!({"type": "integer", "minimum": 1}),
        ),
    ])
    .json(200, "The client.", "ClientRecord", &["ETag"])
    .problems(&[400, 404, 422, 429, 500, 502])
}

fn waiting(read: &str) -> Vec<Operation> {
    let states = json!({"enum": ["waiting", "held", "denied", "pinned"]});
    let mut list = vec![query(
        "state",
        "What is listed. Default: `waiting` and `held`.",
        &states,
    )];
    list.extend(paging(MOST));
    vec![
        operation(
            "get",
            "/admin/v1/client-documents",
            ("listDocuments", read),
            "List the client documents that wait for an administrator, are denied, or are pinned.",
        )
        .parameters(list)
        .json(
            200,
            "The page, with those that wait longest first.",
            "DocumentPage",
            &[],
        ),
        operation(
            "get",
            "/admin/v1/client-documents/candidate",
            ("showDocument", read),
            "Show a client document that waits for an administrator.",
        )
        .parameters(vec![client_id()])
        .json(200, "The document.", "CandidateRecord", &[])
        .problems(&[404]),
    ]
}

/// Returns an operation that changes what is decided about a document.
fn order(write: &str, (word, id): (&str, &'static str), body: &str, summary: &str) -> Operation {
    let path = format!("/admin/v1/client-documents/{word}");
    operation("post", &path, (id, write), summary)
        .body(true, &[("application/json", named(body))])
        .problems(&[404, 408, 409, 413, 415])
}

fn orders(write: &str) -> Vec<Operation> {
    let client = "The client of the document.";
    vec![
        order(
            write,
            ("approve", "approveDocument"),
            "DocumentApprovalRequest",
            "Approve the octets of a client document, which then is in force.",
        )
        .json(200, client, "ClientRecord", &[])
        .problems(&[422, 500, 502]),
        order(
            write,
            ("deny", "denyDocument"),
            "DocumentDenialRequest",
            "Deny the URL of a client document, and remove its client.",
        )
        .empty(204, "The URL is denied."),
        order(
            write,
            ("allow", "allowDocument"),
            "DocumentReference",
            "End the denial of the URL of a client document, which is fetched when it is next asked for.",
        )
        .empty(204, "The URL is not denied any more."),
        order(
            write,
            ("refresh", "refreshDocument"),
            "DocumentReference",
            "Fetch a client document now.",
        )
        .json(200, client, "ClientRecord", &[])
        .problems(&[422, 429, 500, 502]),
        order(
            write,
            ("pin", "pinDocument"),
            "DocumentPinRequest",
            "Put a client document in force that is never fetched.",
        )
        .json(200, client, "ClientRecord", &[])
        .problems(&[422, 500, 502]),
        order(
            write,
            ("unpin", "unpinDocument"),
            "DocumentReference",
            "End the pin of a client document, which is fetched when it is next asked for.",
        )
        .empty(204, "The document is not pinned any more."),
    ]
}
