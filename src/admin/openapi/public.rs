//! The operations for clients, and those for probes and monitoring.

use serde_json::{Value, json};

use super::{operation::Access, operation::Operation, operation::named, operation::query};
use crate::config::Paths;

/// Returns the operations for clients.
pub(super) fn operations(paths: &Paths, issuer_path: &str) -> Vec<Operation> {
    let mut operations = vec![register(&paths.registration), challenge(&paths.challenge)];
    operations.extend(management(&paths.registration));
    operations.extend(tokens(paths));
    operations.extend(discovery(issuer_path, &paths.jwks));
    operations.push(document(&paths.client_documents));
    operations
}

/// Returns the forms of client metadata in a request body: plain JSON or a JWS.
fn metadata() -> [(&'static str, Value); 3] {
    let signed = json!({
        "type": "string", "description": "The metadata as the payload of a JWS in compact serialisation.",
    });
    [
        ("application/json", named("Client")),
        ("application/jwt", signed.clone()),
        ("application/jose", signed),
    ]
}

/// Returns the metadata of a typical client.
pub(super) fn usual() -> Value {
    json!({"redirect_uris": ["https://client.example.org/callback"], "client_name": "Example"})
}

fn register(path: &str) -> Operation {
    Operation::new(
        "post",
        path,
        "registerClient",
        "Register a client (RFC 7591 section 3).",
    )
    .tag("registration")
    .access(Access::TokenOrNone)
    .body(true, &metadata())
    .example("application/json", usual())
    .json(
        201,
        "The client is registered and durably stored.",
        "ClientInformation",
        &["ETag"],
    )
    .problems(&[400, 401, 403, 405, 408, 409, 413, 415, 429, 500, 503])
}

fn challenge(path: &str) -> Operation {
    Operation::new(
        "post",
        path,
        "getChallenge",
        "Get a challenge for the proof of a client attestation.",
    )
    .tag("registration")
    .access(Access::Open)
    .json(200, "The challenge.", "Challenge", &[])
    .problems(&[404, 429, 500, 503])
}

fn management(path: &str) -> Vec<Operation> {
    let [client_id, if_match] = management_parameters();
    vec![
        held(
            "get",
            path,
            "readClient",
            "Read the registered client (RFC 7592 section 2.1).",
        )
        .parameters(vec![client_id.clone()])
        .json(200, "The client.", "ClientInformation", &["ETag"])
        .problems(&[400, 401, 409, 500, 503]),
        held(
            "put",
            path,
            "updateClient",
            "Replace the metadata of the client (RFC 7592 section 2.2).",
        )
        .parameters(vec![client_id.clone(), if_match.clone()])
        .body(true, &metadata())
        .json(200, "The updated client.", "ClientInformation", &["ETag"])
        .problems(&[400, 401, 403, 408, 409, 412, 413, 415, 429, 500, 503]),
        held(
            "delete",
            path,
            "deleteClient",
            "Delete the client (RFC 7592 section 2.3).",
        )
        .parameters(vec![client_id, if_match])
        .empty(
            204,
            "The client is deleted, with its secret and its tokens.",
        )
        .problems(&[400, 401, 403, 405, 409, 412, 500, 503]),
    ]
}

/// Returns an operation that requires the registration access token of the client.
fn held(method: &'static str, path: &str, id: &str, summary: &str) -> Operation {
    Operation::new(method, path, id, summary)
        .tag("management")
        .access(Access::Holder)
}

/// Returns the parameters that name the client and its expected revision.
fn management_parameters() -> [Value; 2] {
    let client_id = json!({
        "name": "client_id", "in": "query", "required": true, "description": "The identifier of the client.",
        "schema": {"type": "string"},
    });
    let if_match = json!({
        "name": "If-Match", "in": "header", "description": "The expected revision (RFC 9110 section 13.1.1).",
        "schema": {"type": "string"},
    });
    [client_id, if_match]
}

const FORM: &str = "application/x-www-form-urlencoded";

/// Returns a form with these parameters and the parameters of client authentication.
fn form(required: &str, more: &[(&str, &str)]) -> Value {
    let own = [
        (
            "client_id",
            "The client, if it is not in the Authorization header.",
        ),
        ("client_secret", "The secret, for client_secret_post."),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        (
            "client_assertion",
            "The assertion (RFC 7523), for client_secret_jwt or private_key_jwt.",
        ),
    ];
    let properties: serde_json::Map<String, Value> = more
        .iter()
        .chain(&own)
        .map(|(name, text)| {
            (
                (*name).to_owned(),
                json!({"type": "string", "description": text}),
            )
        })
        .collect();
    json!({"type": "object", "required": [required], "properties": properties})
}

/// Returns the form of a token request.
fn token_request() -> Value {
    form(
        "grant_type",
        &[
            ("grant_type", "client_credentials"),
            (
                "scope",
                "The requested scopes. Default: all registered scopes.",
            ),
        ],
    )
}

fn token_operation(path: &str, id: &str, summary: &str) -> Operation {
    Operation::new("post", path, id, summary)
        .tag("tokens")
        .problems(&[400, 401, 408, 413, 429, 500, 503])
}

fn get_token(path: &str) -> Operation {
    token_operation(
        path,
        "getToken",
        "Get an access token (RFC 6749 section 4.4).",
    )
    .access(Access::Client)
    .body(true, &[(FORM, token_request())])
    .example(FORM, json!({"grant_type": "client_credentials"}))
    .json(200, "The access token.", "AccessToken", &[])
}

fn tokens(paths: &Paths) -> Vec<Operation> {
    let hint = ("token_type_hint", "The type of the token; optional.");
    let token = form("token", &[("token", "The token."), hint]);
    vec![
        get_token(&paths.token),
        token_operation(
            &paths.introspection,
            "introspectToken",
            "Introspect a token (RFC 7662).",
        )
        .access(Access::ClientOrBearer)
        .body(true, &[(FORM, token.clone())])
        .json(
            200,
            "The properties of the token, or active: false.",
            "Introspection",
            &[],
        ),
        token_operation(
            &paths.revocation,
            "revokeToken",
            "Revoke an access token (RFC 7009).",
        )
        .access(Access::Client)
        .body(true, &[(FORM, token)])
        .empty(
            200,
            "The token is no longer valid, if it was issued to this client.",
        ),
    ]
}

fn discovery(issuer_path: &str, jwks: &str) -> Vec<Operation> {
    let openid = format!("{issuer_path}/.well-known/openid-configuration");
    let oauth = format!("/.well-known/oauth-authorization-server{issuer_path}");
    let udap = format!("{issuer_path}/.well-known/udap");
    let get = |path: &str, id, summary: &str| {
        Operation::new("get", path, id, summary)
            .tag("discovery")
            .access(Access::Open)
            .problems(&[503])
    };
    vec![
        get(
            &openid,
            "getOpenidConfiguration",
            "The metadata (OpenID Connect Discovery section 4).",
        )
        .json(200, "The metadata.", "Metadata", &[]),
        get(
            &oauth,
            "getAuthorizationServerMetadata",
            "The metadata (RFC 8414 section 3).",
        )
        .json(200, "The metadata.", "Metadata", &[]),
        get(
            &udap,
            "getUdapMetadata",
            "The UDAP metadata, if clients can register with certificates.",
        )
        .json(200, "The metadata.", "Metadata", &[])
        .problems(&[404]),
        get(
            jwks,
            "getKeys",
            "The public keys of this server (RFC 7517).",
        )
        .json(200, "The keys.", "KeySet", &[]),
    ]
}

fn document(path: &str) -> Operation {
    Operation::new(
        "get",
        &format!("{path}/{{id}}"),
        "getClientDocument",
        "Get the published document of a client (OAuth Client ID Metadata Document).",
    )
    .tag("discovery")
    .access(Access::Open)
    .parameters(vec![json!({
        "name": "id", "in": "path", "required": true, "description": "The identifier of the client.",
        "schema": {"type": "string"},
    })])
    .json(200, "The document.", "ClientDocument", &["ETag"])
    .problems(&[404, 500, 503])
}

/// Returns the parameters of a page of a list: the identifier after which it starts, and its size.
pub(super) fn paging(most: usize) -> [Value; 2] {
    [
        query(
            "after",
            "The identifier after which the page starts: next of the previous page.",
            &json!({"type": "string"}),
        ),
        query(
            "limit",
            "The maximum number of items.",
            &json!({"type": "integer", "minimum": 1, "maximum": most, "default": 50}),
        ),
    ]
}

/// Returns the operations for probes and monitoring.
pub(super) fn probes() -> Vec<Operation> {
    let get = |path, id, summary: &str| {
        Operation::new("get", path, id, summary)
            .tag("probes")
            .access(Access::Open)
    };
    let numbers = Some(("text/plain", json!({"type": "string"})));
    vec![
        get(
            "/healthz",
            "isAlive",
            "Report whether the process is alive.",
        )
        .json(200, "The process is alive.", "Status", &[]),
        get(
            "/readyz",
            "isReady",
            "Report whether the server is ready, and what failed to load.",
        )
        .json(200, "The server is ready.", "Status", &[])
        .problems(&[503]),
        get(
            "/metrics",
            "getMetrics",
            "Get the metrics in the text format of Prometheus.",
        )
        .answer(200, "The metrics.", numbers, &[])
        .problems(&[403, 404]),
    ]
}
