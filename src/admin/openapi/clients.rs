//! The operations for clients.

use serde_json::{Value, json};

use super::{
    administration::id, administration::if_match, administration::operation, operation::Operation,
    operation::named, operation::query, operation::time, public::paging, public::usual,
};
use crate::config::AdminScopes;

/// Returns the operations for clients, without their transfer, their uses and their documents.
pub(super) fn operations(scopes: &AdminScopes) -> Vec<Operation> {
    let (read, write) = (scopes.clients_read.as_str(), scopes.clients_write.as_str());
    let mut operations = listing(read);
    operations.extend(changes_of_many(write));
    operations.extend(one_client(read, write));
    operations.extend(credentials(write));
    operations
}

/// Returns the parameters that select clients. A client must match all of them.
fn filters() -> Vec<Value> {
    let text = || json!({"type": "string"});
    let mut filters = vec![
        query("client_id", "Prefix of the client_id.", &text()),
        query(
            "client_name",
            "Text that client_name contains, in any language.",
            &text(),
        ),
        query("software_id", "Exact software_id.", &text()),
        query(
            "trust_level",
            "Trust level of the registration.",
            &named("TrustLevel"),
        ),
        query("issued_from", "Registered at or after this time.", &time()),
        query("issued_before", "Registered before this time.", &time()),
        query("expires_before", "Expires before this time.", &time()),
    ];
    filters.extend(origin_filters(&text()));
    filters.extend(use_filters(&time()));
    filters
}

const ALL: &str = "/admin/v1/clients";

fn origin_filters(text: &Value) -> [Value; 4] {
    [
        query(
            "address",
            "An address or a network that the registration or the last update came from, such as 192.0.2.0/24.",
            text,
        ),
        query(
            "initial_access_token",
            "The identifier of the initial access token.",
            text,
        ),
        query("statement_iss", "The iss of the software statement.", text),
        query(
            "script_version",
            "The version of the scripts that decided.",
            text,
        ),
    ]
}

fn use_filters(moment: &Value) -> [Value; 4] {
    let flag = json!({"type": "boolean"});
    [
        query("disabled", "Whether the client is disabled.", &flag),
        query(
            "used_from",
            "Last used at or after this time. Uses are recorded to the hour.",
            moment,
        ),
        query(
            "used_before",
            "Last used before this time, but used at all.",
            moment,
        ),
        query("never_used", "Whether the client was never used.", &flag),
    ]
}

fn listing(read: &str) -> Vec<Operation> {
    let mut list = filters();
    list.extend(paging(500));
    list.push(query(
        "include",
        "With client, each client has its metadata and exports.",
        &json!({"enum": ["client"]}),
    ));
    vec![
        operation(
            "get",
            ALL,
            ("listClients", read),
            "List clients page by page.",
        )
        .parameters(list)
        .json(
            200,
            "The page. It can be short even if more clients follow.",
            "ClientPage",
            &["Registrar-Position"],
        )
        .problems(&[400]),
    ]
}

/// Returns the operations that change all clients that match.
fn changes_of_many(write: &str) -> Vec<Operation> {
    let mut parameters = filters();
    let count = json!({"type": "integer", "minimum": 0});
    parameters.push(query(
        "confirm",
        "How many clients match. With another number, nothing is changed.",
        &count,
    ));
    parameters.push(query(
        "dry_run",
        "Change nothing, and answer how many clients match. Either this or confirm is required.",
        &json!({"type": "boolean"}),
    ));
    let change = |method: &'static str, path: &str, id: &str, summary: &str| {
        operation(method, path, (id, write), summary)
            .parameters(parameters.clone())
            .answer(
                200,
                "The number of changed clients, and of clients whose change a script or a rule denied; for a dry run, \
                 the clients that match.",
                Some((
                    "application/json",
                    json!({"anyOf": [named("ChangedClients"), named("MatchingClients")]}),
                )),
                &[],
            )
            .problems(&[400, 409, 500])
    };
    vec![
        change(
            "delete",
            ALL,
            "removeClients",
            "Delete all clients that match all parameters.",
        ),
        change(
            "post",
            "/admin/v1/clients/disable",
            "disableClients",
            "Disable all clients that match all parameters.",
        ),
        change(
            "post",
            "/admin/v1/clients/enable",
            "enableClients",
            "Enable all clients that match all parameters.",
        ),
    ]
}

const ONE: &str = "/admin/v1/clients/{id}";

fn identified() -> Value {
    id("The client_id of the client.")
}

/// Returns the body of a change: the metadata of a client.
fn metadata(media_type: &str) -> [(&str, Value); 1] {
    [(media_type, named("Client"))]
}

fn one_client(read: &str, write: &str) -> Vec<Operation> {
    let show = operation(
        "get",
        ONE,
        ("showClient", read),
        "Show a client and its provenance.",
    )
    .parameters(vec![identified()])
    .json(200, "The client.", "ClientRecord", TAGGED)
    .problems(&[404]);
    let delete = operation("delete", ONE, ("removeClient", write), "Delete a client.")
        .parameters(vec![identified(), if_match()])
        .empty(204, "The client is deleted.")
        .problems(&[404, 409, 412, 500]);
    vec![show, replacement(write), patch(write), delete]
}

/// The headers of an answer with one client.
const TAGGED: &[&str] = &["ETag", "Accept-Patch"];

fn replacement(write: &str) -> Operation {
    let summary = "Replace the metadata of a client.";
    let replacement = operation("put", ONE, ("replaceClient", write), summary)
        .body(true, &metadata("application/json"))
        .example("application/json", usual());
    changed(replacement)
}

fn patch(write: &str) -> Operation {
    let merge = "application/merge-patch+json";
    let summary = "Change members of the metadata of a client (JSON Merge Patch, RFC 7396).";
    let schema =
        json!({"type": "object", "description": "The members that change; null removes one."});
    let patch = operation("patch", ONE, ("patchClient", write), summary)
        .body(
            true,
            &[(merge, schema.clone()), ("application/json", schema)],
        )
        .example(merge, json!({"client_name": "Renamed", "logo_uri": null}));
    changed(patch)
}

/// Returns the operation with the answers to a change of one client.
fn changed(operation: Operation) -> Operation {
    operation
        .parameters(vec![identified(), if_match()])
        .json(200, "The updated client.", "ClientRecord", TAGGED)
        .problems(&[400, 404, 408, 409, 412, 413, 415, 500])
}

/// Returns the operations whose answers contain credentials.
fn credentials(write: &str) -> Vec<Operation> {
    let headers = TAGGED;
    let shown = "ClientWithCredentials";
    let rotation = |part: &str, names: (&str, &str), summary: &str, done: &str| {
        operation("post", &format!("{ONE}/{part}"), names, summary)
            .parameters(vec![identified(), if_match()])
            .json(200, done, shown, headers)
            .problems(&[404, 408, 409, 412, 413, 500])
    };
    vec![
        operation(
            "post",
            ALL,
            ("createClient", write),
            "Create a client without proofs.",
        )
        .body(true, &metadata("application/json"))
        .example("application/json", usual())
        .json(
            201,
            "The client. Only this response contains its credentials.",
            shown,
            headers,
        )
        .problems(&[400, 408, 409, 413, 415, 500]),
        rotation(
            "secret",
            ("rotateClientSecret", write),
            "Give a client a new secret.",
            "The client. Only this response contains its new secret.",
        ),
        rotation(
            "registration-token",
            ("rotateRegistrationToken", write),
            "Give a client a new registration access token.",
            "The client. Only this response contains its new token.",
        ),
    ]
}
