//! The operations for administrators.

use serde_json::{Value, json};

use super::{
    operation::Access, operation::Operation, operation::named, operation::query, public::paging,
};
use crate::config::AdminScopes;

/// Returns the operations for administrators.
pub(super) fn operations(config: &str, scopes: &AdminScopes) -> Vec<Operation> {
    let mut operations = super::clients::operations(scopes);
    operations.extend(super::documents::operations(scopes));
    operations.extend(uses(&scopes.clients_used));
    operations.extend(transfer(scopes));
    operations.extend(initial_access_tokens(&scopes.tokens_write));
    operations.extend(one_initial_access_token(&scopes.tokens_write));
    operations.extend(pending(&scopes.pending_read));
    operations.extend(decisions(&scopes.pending_write));
    operations.extend(upstream_calls(scopes));
    operations.push(key(scopes));
    operations.extend(super::audit::operations(scopes));
    operations.extend(configuration(config, scopes));
    operations.extend(descriptions(scopes));
    operations
}

/// Returns an operation that requires the scope `scope`.
pub(super) fn operation(
    method: &'static str,
    path: &str,
    (id, scope): (&str, &str),
    summary: &str,
) -> Operation {
    Operation::new(method, path, id, summary)
        .tag("administration")
        .access(Access::Scopes(&[scope]))
        .problems(&[400, 401, 403, 503])
}

pub(super) fn id(what: &str) -> Value {
    json!({"name": "id", "in": "path", "required": true, "description": what, "schema": {"type": "string", "minLength": 1}})
}

/// Returns the schemas of a body: the use of one client, and of many.
fn reported_uses() -> (Value, Value) {
    let at = json!({"type": "integer", "minimum": 0, "description": "Seconds since 1970. Default: now."});
    let client_id =
        json!({"type": "string", "minLength": 1, "maxLength": 512, "pattern": "^[!-~]+$"});
    let members = |required: &[&str], properties: Value| json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false});
    let item = members(&["client_id"], json!({"client_id": client_id, "at": at}));
    let items = json!({"type": "array", "maxItems": 1_000, "items": {"anyOf": [client_id, item]}});
    (members(&[], json!({"at": at})), items)
}

fn uses(scope: &str) -> Vec<Operation> {
    let (moment, items) = reported_uses();
    vec![
        operation(
            "post",
            "/admin/v1/clients/{id}/used",
            ("useClient", scope),
            "Report that a client was used.",
        )
        .parameters(vec![id("The client_id of the client.")])
        .body(false, &[("application/json", moment)])
        .empty(204, "The use is recorded.")
        .problems(&[400, 404, 408, 413, 415]),
        operation(
            "post",
            "/admin/v1/clients/used",
            ("useClients", scope),
            "Report that clients were used.",
        )
        .body(true, &[("application/json", items)])
        .json(
            202,
            "The uses are recorded and written later. Unknown clients are ignored.",
            "Noted",
            &[],
        )
        .problems(&[400, 408, 413, 415]),
    ]
}

fn transfer(scopes: &AdminScopes) -> Vec<Operation> {
    let write = scopes.clients_write.as_str();
    let export = scopes.clients_export.as_str();
    vec![export_clients(export), import_clients(&[write, export])]
}

fn export_clients(scope: &str) -> Operation {
    let lines = json!({"type": "string", "description": "The lines of the export."});
    operation(
        "get",
        "/admin/v1/clients/export",
        ("exportClients", scope),
        "Export all clients, with their secrets in clear text.",
    )
    .answer(
        200,
        "One JSON object per line. The last has only the member clients, their number.",
        Some((NDJSON, lines)),
        &[],
    )
    .problems(&[400])
}

fn import_clients(scopes: &[&str; 2]) -> Operation {
    let lines = json!({"type": "string", "description": "The lines of the export."});
    let existing = json!({"enum": ["refuse", "skip", "replace"], "default": "refuse"});
    operation(
        "post",
        "/admin/v1/clients/import",
        ("importClients", scopes[0]),
        "Import the lines of an export of any length.",
    )
    .access(Access::Scopes(scopes))
    .parameters(vec![query(
        "existing",
        "What to do with clients that already exist.",
        &existing,
    )])
    .body(true, &[(NDJSON, lines)])
    .example(NDJSON, "{\"clients\":0}\n".into())
    .json(
        200,
        "The number of imported, skipped and replaced clients.",
        "Imported",
        &[],
    )
    .problems(&[400, 408, 413, 415])
}

const NDJSON: &str = "application/x-ndjson";

pub(super) fn if_match() -> Value {
    json!({
        "name": "If-Match", "in": "header", "description": "The expected revision.",
        "schema": {"type": "string"},
    })
}

fn initial_access_tokens(scope: &str) -> Vec<Operation> {
    let all = "/admin/v1/initial-access-tokens";
    vec![
        operation(
            "post",
            all,
            ("createInitialAccessToken", scope),
            "Create an initial access token.",
        )
        .body(
            false,
            &[("application/json", named("InitialAccessTokenRequest"))],
        )
        .example(
            "application/json",
            json!({"note": "for a partner", "uses": 1, "expires_in": 3_600}),
        )
        .json(
            201,
            "The token. Only this response contains it.",
            "NewInitialAccessToken",
            &[],
        )
        .problems(&[400, 408, 409, 413, 415, 500]),
        operation(
            "get",
            all,
            ("listInitialAccessTokens", scope),
            "List initial access tokens page by page.",
        )
        .parameters(paging(200).to_vec())
        .json(200, "The page.", "InitialAccessTokenPage", &[])
        .problems(&[400]),
    ]
}

fn one_initial_access_token(scope: &str) -> Vec<Operation> {
    let one = "/admin/v1/initial-access-tokens/{id}";
    let identified = || vec![id("The identifier of the token, not the token itself.")];
    vec![
        operation(
            "get",
            one,
            ("showInitialAccessToken", scope),
            "Show an initial access token.",
        )
        .parameters(identified())
        .json(
            200,
            "The properties of the token, without the token itself.",
            "InitialAccessToken",
            &[],
        )
        .problems(&[404]),
        operation(
            "delete",
            one,
            ("revokeInitialAccessToken", scope),
            "Revoke an initial access token.",
        )
        .parameters(identified())
        .empty(
            204,
            "The token is revoked. It can no longer be used to register clients.",
        )
        .problems(&[404, 409]),
    ]
}

fn pending(scope: &str) -> Vec<Operation> {
    let states = json!({"enum": ["waiting", "approved", "denied", "expired"]});
    let types = json!({"enum": ["registration", "update", "document"]});
    let mut parameters = paging(200).to_vec();
    parameters.push(query("type", "Only those of this type.", &types));
    parameters.push(query("state", "Only those in this state.", &states));
    parameters.push(query(
        "verification_code",
        "Only the request with this code, which the person who asks for the approval has.",
        &json!({"type": "string"}),
    ));
    vec![
        operation(
            "get",
            "/admin/v1/pending",
            ("listPending", scope),
            "List the registrations, updates and client documents that wait for approval, page by page. Documents are \
             listed only for callers with the scope for documents.",
        )
        .parameters(parameters)
        .json(200, "The page.", "PendingPage", &[])
        .problems(&[400, 429]),
        operation(
            "get",
            "/admin/v1/pending/{id}",
            ("showPending", scope),
            "Show a registration, an update or a client document that waits for approval.",
        )
        .parameters(vec![id("The identifier of what waits.")])
        .json(
            200,
            "Everything that is decided about.",
            "PendingRecord",
            &[],
        )
        .problems(&[404]),
    ]
}

fn decisions(scope: &str) -> Vec<Operation> {
    let decision = |verb: &str, id_: &str, summary: &str, done: &str| {
        operation(
            "post",
            &format!("/admin/v1/pending/{{id}}/{verb}"),
            (id_, scope),
            summary,
        )
        .parameters(vec![id("The identifier of what waits.")])
        .body(false, &[("application/json", named("DecisionRequest"))])
        .example("application/json", json!({"note": "known vendor"}))
        .empty(204, done)
        .problems(&[400, 404, 408, 409, 413, 415, 422, 429, 500, 502])
    };
    vec![
        decision(
            "approve",
            "approvePending",
            "Approve a registration, an update or a client document that waits.",
            "It is approved. A client gets its credentials when it asks next; a document is in force.",
        ),
        decision(
            "deny",
            "denyPending",
            "Deny a registration, an update or a client document that waits.",
            "It is denied. A client learns that when it asks next; the URL of a document is denied.",
        ),
    ]
}

fn key(scopes: &AdminScopes) -> Operation {
    operation(
        "get",
        "/admin/v1/key",
        ("showKey", &scopes.config_read),
        "Show the name of the key that seals secrets, and how far its replacement is.",
    )
    .json(200, "The state of the key.", "KeyState", &[])
}

fn upstream_calls(scopes: &AdminScopes) -> Vec<Operation> {
    vec![
        operation(
            "get",
            "/admin/v1/upstream-calls",
            ("listUpstreamCalls", &scopes.clients_read),
            "List the changes at the upstream server that are not finished, page by page.",
        )
        .parameters(paging(200).to_vec())
        .json(200, "The page.", "UpstreamCallPage", &[])
        .problems(&[400]),
        operation(
            "post",
            "/admin/v1/upstream-calls/{id}/settle",
            ("settleUpstreamCall", &scopes.clients_write),
            "Remove a change whose outcome was unknown, after it was found out and cleaned up there.",
        )
        .parameters(vec![id("The identifier of the change.")])
        .empty(204, "It is removed.")
        .problems(&[404, 408, 409, 413, 500]),
    ]
}

fn configuration(path: &str, scopes: &AdminScopes) -> Vec<Operation> {
    let headers = &["ETag", "Accept-Patch"];
    let enabled =
        json!([{"op": "add", "path": "/registration/dynamicRegistrationEnabled", "value": true}]);
    vec![
        operation(
            "get",
            path,
            ("showConfiguration", &scopes.config_read),
            "Show the configuration in force.",
        )
        .json(
            200,
            "The configuration, with the origin of each value.",
            "Configuration",
            headers,
        ),
        operation(
            "patch",
            path,
            ("patchConfiguration", &scopes.config_write),
            "Change the live configuration.",
        )
        .parameters(vec![
            if_match(),
            query(
                "dry_run",
                "Only check the change, and answer with its result.",
                &json!({"type": "boolean", "default": false}),
            ),
        ])
        .body(true, &[("application/json-patch+json", named("JsonPatch"))])
        .example("application/json-patch+json", enabled)
        .json(200, "The updated configuration.", "Configuration", headers)
        .problems(&[400, 408, 409, 412, 413, 415]),
    ]
}

fn descriptions(scopes: &AdminScopes) -> Vec<Operation> {
    let read = scopes.clients_read.as_str();
    vec![
        operation(
            "get",
            "/admin/v1/schemas/Client",
            ("getClientSchema", read),
            "The JSON Schema of a client.",
        )
        .json(200, "The schema.", "JsonSchema", &[]),
        operation(
            "get",
            "/admin/v1/openapi.json",
            ("getDescription", read),
            "This document.",
        )
        .json(200, "The document.", "OpenApi", &[]),
    ]
}
