//! What administrators call.

use serde_json::{Value, json};

use super::operation::{Access, Operation, named, query};
use super::public::{paging, usual};
use crate::config::AdminScopes;

/// The operations of administrators.
pub(super) fn operations(config: &str, scopes: &AdminScopes) -> Vec<Operation> {
    let mut operations = clients(scopes);
    operations.extend(uses(&scopes.clients_used));
    operations.extend(transfer(scopes));
    operations.extend(initial_access_tokens(&scopes.tokens_write));
    operations.push(audit(&scopes.audit_read));
    operations.extend(configuration(config, scopes));
    operations.extend(descriptions(scopes));
    operations
}

/// An operation that needs the scope `scope`.
fn operation(method: &'static str, path: &str, (id, scope): (&str, &str), summary: &str) -> Operation {
    Operation::new(method, path, id, summary)
        .tag("administration")
        .access(Access::Scopes(&[scope]))
        .problems(&[400, 401, 403, 503])
}

fn id(what: &str) -> Value {
    json!({"name": "id", "in": "path", "required": true, "description": what, "schema": {"type": "string", "minLength": 1}})
}

/// Which clients are meant: those to which all parameters apply.
fn filters() -> Vec<Value> {
    let text = || json!({"type": "string"});
    let moment = || json!({"type": "integer", "minimum": 0});
    vec![
        query("client_id", "What client_id begins with.", &text()),
        query("client_name", "What client_name, in any language, has in it.", &text()),
        query("software_id", "The software_id.", &text()),
        query("trust_level", "How far the registration can be trusted.", &named("TrustLevel")),
        query("issued_from", "Registered at this time (seconds since 1970) or later.", &moment()),
        query("issued_before", "Registered before this time.", &moment()),
        query("expires_before", "Expires before this time.", &moment()),
    ]
}

fn clients(scopes: &AdminScopes) -> Vec<Operation> {
    let (read, write) = (scopes.clients_read.as_str(), scopes.clients_write.as_str());
    let (all, one) = ("/admin/v1/clients", "/admin/v1/clients/{id}");
    let mut list = filters();
    list.extend(paging(500));
    vec![
        operation("get", all, ("listClients", read), "List clients, a page at a time.")
            .parameters(list)
            .json(200, "The page. It may be short though more follow.", "ClientPage", &[])
            .problems(&[400]),
        operation("get", one, ("showClient", read), "Show a client, and how it came to be what it is.")
            .parameters(vec![id("Its client_id.")])
            .json(200, "The client.", "ClientRecord", &["ETag"])
            .problems(&[404]),
        operation(
            "put",
            one,
            ("replaceClient", write),
            "Put other metadata in the place of what is registered.",
        )
        .parameters(vec![id("Its client_id."), if_match()])
        .body(true, &[("application/json", named("Client"))])
        .example("application/json", usual())
        .json(200, "The client as it is now.", "ClientRecord", &["ETag"])
        .problems(&[400, 404, 408, 409, 412, 413, 415, 500]),
        operation("delete", one, ("removeClient", write), "Delete a client.")
            .parameters(vec![id("Its client_id."), if_match()])
            .empty(204, "The client is gone.")
            .problems(&[404, 409, 412, 500]),
        operation(
            "delete",
            all,
            ("removeClients", write),
            "Delete all clients to which all parameters apply.",
        )
        .parameters(filters())
        .json(200, "How many are gone, and how many a script did not let go.", "Deleted", &[])
        .problems(&[400, 409, 500]),
    ]
}

fn uses(scope: &str) -> Vec<Operation> {
    let at = json!({"type": "integer", "minimum": 0, "description": "Seconds since 1970; none: now."});
    let client_id = json!({"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"});
    let members = |required: &[&str], properties: Value| json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false});
    let item = members(&["client_id"], json!({"client_id": client_id, "at": at}));
    let items = json!({"type": "array", "maxItems": 1_000, "items": {"anyOf": [client_id, item]}});
    vec![
        operation(
            "post",
            "/admin/v1/clients/{id}/used",
            ("useClient", scope),
            "Tell that a client was used.",
        )
        .parameters(vec![id("Its client_id.")])
        .body(false, &[("application/json", members(&[], json!({"at": at})))])
        .empty(204, "It is noted.")
        .problems(&[400, 404, 408, 413, 415]),
        operation("post", "/admin/v1/clients/used", ("useClients", scope), "Tell that clients were used.")
            .body(true, &[("application/json", items)])
            .json(
                202,
                "They are noted, and written later; clients that are not there are passed over.",
                "Noted",
                &[],
            )
            .problems(&[400, 408, 413, 415]),
    ]
}

fn transfer(scopes: &AdminScopes) -> Vec<Operation> {
    let both = [scopes.clients_write.as_str(), scopes.clients_export.as_str()];
    let lines = |description: &str| json!({"type": "string", "description": description});
    let existing = json!({"enum": ["refuse", "skip", "replace"], "default": "refuse"});
    let (export, import) = ("/admin/v1/clients/export", "/admin/v1/clients/import");
    vec![
        operation(
            "get",
            export,
            ("exportClients", both[1]),
            "Export all clients, with their secrets in clear.",
        )
        .answer(
            200,
            "A JSON object a line; the last has the one member clients, their number.",
            Some((NDJSON, lines("The lines."))),
            &[],
        )
        .problems(&[400]),
        operation("post", import, ("importClients", both[0]), "Import the lines of an export, however many.")
            .access(Access::Scopes(&both))
            .parameters(vec![query("existing", "What becomes of clients that are there already.", &existing)])
            .body(true, &[(NDJSON, lines("The lines."))])
            .example(NDJSON, "{\"clients\":0}\n".into())
            .json(200, "What was imported.", "Imported", &[])
            .problems(&[400, 408, 413, 415]),
    ]
}

const NDJSON: &str = "application/x-ndjson";

fn audit(scope: &str) -> Operation {
    let after = json!({"type": "integer", "minimum": 0, "default": 0});
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 1_000, "default": 50});
    operation("get", "/admin/v1/audit", ("readAudit", scope), "Read the audit log, in its order.")
        .parameters(vec![
            query("after", "The position behind which the page begins.", &after),
            query("limit", "How many events are wanted.", &limit),
        ])
        .json(200, "The page.", "AuditPage", &[])
        .problems(&[400])
}

fn if_match() -> Value {
    json!({
        "name": "If-Match", "in": "header", "description": "The revision that is meant.",
        "schema": {"type": "string"},
    })
}

fn initial_access_tokens(scope: &str) -> Vec<Operation> {
    let (all, one) = ("/admin/v1/initial-access-tokens", "/admin/v1/initial-access-tokens/{id}");
    let identified = || vec![id("The identifier of the token, which is not the token.")];
    vec![
        operation("post", all, ("createInitialAccessToken", scope), "Make an initial access token.")
            .body(false, &[("application/json", named("InitialAccessTokenRequest"))])
            .example("application/json", json!({"note": "for a partner", "uses": 1, "expires_in": 3_600}))
            .json(201, "The token, which is told here and never again.", "NewInitialAccessToken", &[])
            .problems(&[400, 408, 409, 413, 415, 500]),
        operation(
            "get",
            all,
            ("listInitialAccessTokens", scope),
            "List initial access tokens, a page at a time.",
        )
        .parameters(paging(200).to_vec())
        .json(200, "The page.", "InitialAccessTokenPage", &[])
        .problems(&[400]),
        operation("get", one, ("showInitialAccessToken", scope), "Show an initial access token.")
            .parameters(identified())
            .json(200, "What it is, without the token itself.", "InitialAccessToken", &[])
            .problems(&[404]),
        operation("delete", one, ("revokeInitialAccessToken", scope), "Revoke an initial access token.")
            .parameters(identified())
            .empty(204, "Nobody registers with it any more.")
            .problems(&[404, 409]),
    ]
}

fn configuration(path: &str, scopes: &AdminScopes) -> Vec<Operation> {
    let headers = &["ETag", "Accept-Patch"];
    let enabled = json!([{"op": "add", "path": "/registration/dynamicRegistrationEnabled", "value": true}]);
    vec![
        operation(
            "get",
            path,
            ("showConfiguration", &scopes.config_read),
            "Show the configuration in force.",
        )
        .json(200, "The configuration, with the origin of each value.", "Configuration", headers),
        operation(
            "patch",
            path,
            ("patchConfiguration", &scopes.config_write),
            "Change the live configuration.",
        )
        .parameters(vec![if_match()])
        .body(true, &[("application/json-patch+json", named("JsonPatch"))])
        .example("application/json-patch+json", enabled)
        .json(200, "The configuration as it is now.", "Configuration", headers)
        .problems(&[400, 408, 409, 412, 413, 415]),
    ]
}

fn descriptions(scopes: &AdminScopes) -> Vec<Operation> {
    let read = scopes.clients_read.as_str();
    vec![
        operation(
            "get",
            "/admin/v1/scripts",
            ("showScripts", &scopes.scripts_read),
            "Show the scripts that run.",
        )
        .json(200, "The scripts, and what they did.", "Scripts", &[]),
        operation(
            "get",
            "/admin/v1/schemas/Client",
            ("getClientSchema", read),
            "The JSON Schema of a client.",
        )
        .json(200, "The schema.", "JsonSchema", &[]),
        operation("get", "/admin/v1/openapi.json", ("getDescription", read), "This document.").json(
            200,
            "The document.",
            "OpenApi",
            &[],
        ),
    ]
}
