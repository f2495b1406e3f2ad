//! The OpenAPI document (3.1) of all endpoints. Paths and scopes are those of this server, metadata comes
//! from the table that the rules use, and every status that an endpoint can return is listed.
//!
//! The document is written by hand, with one entry per operation, because the types of the code do not
//! contain the useful facts: the statuses, the scope that a call requires, and which of two tokens gives
//! access to a path. A test compares the document with the routes, and schemathesis calls every operation.

mod administration;
mod administrators;
mod audit;
mod clients;
mod document_check;
mod documents;
mod events;
mod operation;
mod public;
mod schemas;
mod scripts;
mod store;
mod trial;

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use crate::base::below_issuer;
use crate::config::{AdminScopes, Settings};
use crate::service::Context;
use operation::{Operation, TAGS};

pub(crate) use schemas::schemas;

/// Returns the document of this server.
pub(crate) fn document(cx: &Context<'_>) -> Map<String, Value> {
    let settings = &cx.service.settings;
    let token_url = cx.service.endpoint(&settings.server.paths.token);
    let document = json!({
        "openapi": "3.1.1",
        "info": information(),
        "servers": [{"url": below_issuer(&cx.service.issuer, "")}],
        "tags": tags(),
        "paths": paths(cx),
        "components": {
            "schemas": schemas(),
            "headers": operation::headers(),
            "securitySchemes": security_schemes(&token_url, &settings.admin.scopes),
        },
    });
    document.as_object().cloned().unwrap_or_default()
}

/// Returns the operations of the admin API.
fn administrative(settings: &Settings) -> Vec<Operation> {
    let scopes = &settings.admin.scopes;
    let mut operations = administration::operations(&settings.server.paths.config, scopes);
    operations.extend(administrators::operations(scopes));
    operations.extend(events::operations(scopes));
    operations.extend(scripts::operations(scopes));
    operations.extend(document_check::operations(&scopes.documents_read));
    operations.extend(trial::operations(&scopes.scripts_try));
    operations.extend(store::operations(&scopes.store_backup));
    operations
}

fn paths(cx: &Context<'_>) -> Map<String, Value> {
    let settings = &cx.service.settings;
    let issuer = IssuerParts::of(&cx.service.issuer);
    let public = public::operations(&settings.server.paths, issuer.path);
    let mut operational = administrative(settings);
    operational.extend(public::probes());
    let scheme = if settings.admin.tls { "https" } else { "http" };
    let address = cx.service.admin_address;
    let own = address.map(|address| admin_url(scheme, address));
    let mut paths = Map::new();
    add(&mut paths, public, None);
    add(&mut paths, operational, own.as_deref());
    place_well_known(&mut paths, &issuer);
    paths
}

fn information() -> Value {
    json!({
        "title": "Registrar",
        "summary": "OAuth 2.0 / OpenID Connect Dynamic Client Registration",
        "description": "Scripts of the operator can reject a registration, an update, a read or a \
            deletion with any status from 400 to 599 and a JSON body of their own.",
        "version": env!("CARGO_PKG_VERSION"),
    })
}

fn tags() -> Value {
    let described = |(name, text): &(&str, &str)| json!({"name": name, "description": text});
    TAGS.iter().map(described).collect()
}

/// Returns the URL of the admin listener. A listener on all addresses has no single address to name. It also
/// serves this document, so `/` works.
fn admin_url(scheme: &str, address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        "/".to_owned()
    } else {
        format!("{scheme}://{address}")
    }
}

/// Sets the server of the well-known paths, which already contain the path of the issuer.
fn place_well_known(paths: &mut Map<String, Value>, issuer: &IssuerParts<'_>) {
    if issuer.path.is_empty() {
        return;
    }
    for (path, item) in paths {
        if let (true, Some(item)) = (path.contains("/.well-known/"), item.as_object_mut()) {
            debug_assert!(path.contains(issuer.path));
            item.insert("servers".to_owned(), json!([{"url": issuer.origin}]));
        }
    }
}

/// The two parts of the issuer identifier.
struct IssuerParts<'a> {
    origin: &'a str,
    path: &'a str,
}

impl<'a> IssuerParts<'a> {
    fn of(issuer: &'a str) -> Self {
        let begin = issuer.find("://").map_or(0, |at| at + 3);
        let path = issuer
            .get(begin..)
            .and_then(|rest| rest.find('/'))
            .map_or(issuer.len(), |at| begin + at);
        let (origin, path) = issuer.split_at_checked(path).unwrap_or((issuer, ""));
        Self {
            origin,
            path: path.trim_end_matches('/'),
        }
    }
}

/// Adds `operations` to `paths`. `server` is their URL if it differs from the URL of the document.
fn add(paths: &mut Map<String, Value>, operations: Vec<Operation>, server: Option<&str>) {
    for operation in operations {
        let item = paths
            .entry(operation.path.clone())
            .or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            if let Some(url) = server {
                item.insert("servers".to_owned(), json!([{"url": url}]));
            }
            item.insert(operation.method.to_owned(), operation.into_json());
        }
    }
}

fn security_schemes(token_url: &str, scopes: &AdminScopes) -> Value {
    let mut named = Map::new();
    for (scope, text) in described(scopes) {
        named.insert(scope.clone(), text.into());
    }
    json!({
        "initialAccessToken": {
            "type": "http", "scheme": "bearer", "description": "An initial access token (RFC 7591 section 1.2).",
        },
        "registrationAccessToken": {
            "type": "http", "scheme": "bearer",
            "description": "The registration access token of the client (RFC 7592), or an access token that \
                was issued to it if dcrAuthorizationWithClientCredentials is enabled.",
        },
        "client": {
            "type": "http", "scheme": "basic",
            "description": "client_secret_basic. A client with another registered method uses that method.",
        },
        "accessToken": {
            "type": "http", "scheme": "bearer", "description": "An access token from the token endpoint.",
        },
        "administrator": {
            "type": "oauth2",
            "flows": {"clientCredentials": {"tokenUrl": token_url, "scopes": named}},
        },
    })
}

/// Returns the scopes of administrators with their descriptions.
fn described(scopes: &AdminScopes) -> Vec<(&String, &'static str)> {
    let mut described = described_for_clients(scopes);
    described.extend(described_for_administrators(scopes));
    described
}

fn described_for_clients(scopes: &AdminScopes) -> Vec<(&String, &'static str)> {
    vec![
        (
            &scopes.clients_read,
            "List and show clients, their schema, and this document.",
        ),
        (
            &scopes.clients_write,
            "Create, change and delete clients. Together with the scope for export, import clients.",
        ),
        (
            &scopes.clients_export,
            "Export clients with their secrets. Together with the scope for writing, import clients.",
        ),
        (&scopes.clients_used, "Report that clients were used."),
        (
            &scopes.clients_resolve,
            "Resolve the URLs of Client ID Metadata Documents to clients.",
        ),
        (&scopes.config_read, "Show the configuration."),
        (&scopes.config_write, "Change the configuration."),
        (
            &scopes.tokens_read,
            "Introspect the access tokens of every client.",
        ),
        (
            &scopes.tokens_write,
            "Create, list and revoke initial access tokens.",
        ),
        (
            &scopes.scripts_read,
            "Show the loaded scripts and their versions.",
        ),
        (
            &scopes.scripts_write,
            "Pin, push and promote versions of the scripts.",
        ),
        (
            &scopes.scripts_try,
            "Try registrations and updates, with other scripts too.",
        ),
        (
            &scopes.documents_read,
            "Show and check client documents that wait for approval or are denied.",
        ),
        (
            &scopes.documents_write,
            "Approve, deny, fetch and pin client documents.",
        ),
        (
            &scopes.pending_read,
            "Show what waits for approval; client documents need the scope for documents too.",
        ),
        (
            &scopes.pending_write,
            "Approve and deny what waits; client documents need the scope for documents too.",
        ),
        (&scopes.audit_read, "Read the audit log."),
    ]
}

/// Returns the scopes for the administrators themselves and for the store, with their descriptions.
fn described_for_administrators(scopes: &AdminScopes) -> [(&String, &'static str); 3] {
    [
        (&scopes.admins_read, "List and read administrators."),
        (
            &scopes.admins_write,
            "Create, change, rotate and delete administrators.",
        ),
        (
            &scopes.store_backup,
            "Make a backup of the embedded store, with everything in it.",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_split_into_origin_and_path() {
        let parts = |issuer: &'static str| {
            let IssuerParts { origin, path } = IssuerParts::of(issuer);
            (origin, path)
        };
        assert_eq!(parts("https://a.example"), ("https://a.example", ""));
        assert_eq!(
            parts("https://a.example/b/c/"),
            ("https://a.example", "/b/c")
        );
    }

    #[test]
    fn every_scope_of_administrators_is_described() {
        let scopes = AdminScopes::default();
        let named: Vec<&str> = described(&scopes)
            .into_iter()
            .map(|(scope, _)| scope.as_str())
            .collect();
        assert_eq!(named, scopes.all());
    }
}
