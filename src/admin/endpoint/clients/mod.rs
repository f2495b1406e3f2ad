//! Clients: how they are listed and shown, and how an administrator changes them.

mod change;
mod create;
mod many;

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::{ETAG, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{is_admitted, resolve};
use crate::admin::{
    Administrator, document_record::DocumentRecord, endpoint::ACCEPT_PATCH, endpoint::MERGE_PATCH,
    endpoint::Named, endpoint::Query, endpoint::admit, endpoint::bad_request, endpoint::unknown,
    schema,
};
use crate::base::{ClientId, Timestamp};
use crate::client::{Client, Metadata, Provenance, TrustLevel};
use crate::http::{Problem, answer, entity_tag, permits_change};
use crate::registration::Caller;
use crate::resolution::{Resolved, Resolver};
use crate::service::{Context, Service, exports};
use crate::store::{ClientFilter, Page, Stored};

pub(crate) use change::{delete, patch, replace};
pub(in crate::admin) use create::ClientWithCredentials;
pub(crate) use create::{create, rotate_secret, rotate_token};
pub(crate) use many::{delete_all, disable_all, enable_all};

/// The maximum number of clients on a page.
const MOST: usize = 500;

/// The position in the event log from which a caller follows what happens after the page was read.
const POSITION: HeaderName = HeaderName::from_static("registrar-position");

/// A page of clients.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct ClientPage<'a> {
    clients: Vec<ClientSummary<'a>>,
    /// The value of `after` for the next page, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

impl<'a> ClientPage<'a> {
    fn of(cx: &Context<'_>, page: &'a Page, is_whole: bool) -> Self {
        let mut clients = Vec::with_capacity(page.clients.len());
        for client in page.clients.iter().map(Stored::client) {
            let mut summary = ClientSummary::of(client);
            if is_whole {
                summary.metadata = Some(client.metadata.metadata().as_object());
                summary.exports = exports::of(&cx.snapshot.live, client);
            }
            clients.push(summary);
        }
        Self {
            clients,
            next: page.next.as_ref().map(ClientId::as_str),
        }
    }
}

/// A client in a list.
#[derive(Serialize, JsonSchema)]
struct ClientSummary<'a> {
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_id: Option<&'a str>,
    client_id_issued_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<u64>,
    #[schemars(schema_with = "schema::trust_level")]
    trust_level: TrustLevel,
    /// Its metadata, with `include=client`.
    #[schemars(schema_with = "schema::client_reference")]
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Map<String, Value>>,
    /// What the templates of `exports` add to it, by target, with `include=client`.
    #[schemars(schema_with = "schema::exports")]
    #[serde(skip_serializing_if = "Map::is_empty")]
    exports: Map<String, Value>,
}

impl<'a> ClientSummary<'a> {
    fn of(client: &'a Client) -> Self {
        let metadata = client.metadata.metadata();
        Self {
            client_id: client.id.as_str(),
            client_name: metadata.text("client_name"),
            software_id: metadata.text("software_id"),
            client_id_issued_at: client.issued_at.unix(),
            expires_at: client.expires_at.map(Timestamp::unix),
            last_used_at: client.last_used_at.map(Timestamp::unix),
            trust_level: client.provenance.trust_level,
            metadata: None,
            exports: Map::new(),
        }
    }
}

/// Everything that administrators can see of a client: its metadata and its provenance, but neither its secret
/// nor the hash of a token.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct ClientRecord<'a> {
    client_id: &'a str,
    client_id_issued_at: u64,
    #[schemars(range(min = 1))]
    revision: u64,
    has_secret: bool,
    #[schemars(schema_with = "schema::client_reference")]
    metadata: &'a Map<String, Value>,
    #[schemars(schema_with = "schema::provenance")]
    provenance: &'a Provenance,
    /// Where each member of the metadata comes from. Missing if the client was stored before this was recorded.
    #[schemars(schema_with = "schema::origins")]
    #[serde(skip_serializing_if = "Option::is_none")]
    origins: Option<Map<String, Value>>,
    /// The URL of the document of the client, if this server publishes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_document_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<u64>,
    /// Its client document, if its identifier is the URL of one.
    #[schemars(with = "DocumentRecord<'a>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<DocumentRecord<'a>>,
    /// What the templates of `exports` add to it, by target.
    #[schemars(schema_with = "schema::exports")]
    #[serde(skip_serializing_if = "Map::is_empty")]
    exports: Map<String, Value>,
}

impl<'a> ClientRecord<'a> {
    /// Returns what is shown of a client that was resolved, with other metadata if `inline` is given.
    pub(super) fn resolved(
        cx: &Context<'_>,
        resolved: &'a Resolved,
        inline: Option<&'a Metadata>,
    ) -> Self {
        let record = Self::of(cx, &resolved.client);
        Self {
            metadata: inline.map_or(record.metadata, Metadata::as_object),
            document: DocumentRecord::of(resolved),
            ..record
        }
    }

    fn of(cx: &Context<'_>, client: &'a Client) -> Self {
        let last_used_at = cx.service.store.uses.last(client);
        let origins = client.origins.as_ref();
        Self {
            client_id: client.id.as_str(),
            client_id_issued_at: client.issued_at.unix(),
            revision: client.revision,
            has_secret: has_secret(client),
            metadata: client.metadata.metadata().as_object(),
            provenance: &client.provenance,
            origins: origins.map(|origins| origins.shown(client.metadata.metadata())),
            client_document_uri: cx.document_uri(client),
            expires_at: client.expires_at.map(Timestamp::unix),
            last_used_at: last_used_at.map(Timestamp::unix),
            document: None,
            exports: exports::of(&cx.snapshot.live, client),
        }
    }
}

/// Whether the client has a secret. Those of administrators are hashed.
fn has_secret(client: &Client) -> bool {
    let hashed = client.administrator.as_ref();
    client.secret.is_some() || hashed.is_some_and(|data| !data.secrets.is_empty())
}

/// Returns a page of the clients that match all parameters, ordered by identifier. `client_id` is a prefix of
/// the identifier, and `client_name` a part of the name. A page can be short even if more clients follow;
/// `next` is then the value of `after` for the next page. The first page has the header `Registrar-Position`. With
/// `include=client`, each client has its metadata and exports.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.clients_read).await?;
    let query = Query::read(&parts.uri, &list_parameters())?;
    let after = after(&query)?;
    let filter = query_filter(&cx, &query)?;
    let limit = query.limit(MOST)?;
    let is_whole = includes_client(&query)?;
    // Before the page, so that no event falls between the two.
    let position = match after {
        None => Some(service.store.events.last().await?),
        Some(_) => None,
    };
    settle_uses(&cx, &filter).await?;
    let clients = &service.store.clients;
    let page = clients.list(&filter, after.as_ref(), limit).await?;
    Ok(positioned(&ClientPage::of(&cx, &page, is_whole), position))
}

/// Returns the response with a page, and the position from which a reader of all pages follows the events.
fn positioned(page: &ClientPage<'_>, position: Option<u64>) -> Response {
    let mut response = answer::json(StatusCode::OK, page);
    if let Some(position) = position {
        let position = HeaderValue::from(position);
        response.headers_mut().insert(POSITION, position);
    }
    response
}

fn list_parameters() -> Vec<&'static str> {
    [ClientFilter::PARAMETERS, &["after", "limit", "include"]].concat()
}

/// Returns whether each client has its metadata.
fn includes_client(query: &Query) -> Result<bool, Problem> {
    match query.text("include") {
        None => Ok(false),
        Some("client") => Ok(true),
        Some(_) => Err(bad_request("include must be client")),
    }
}

/// Returns the client after which the page starts.
fn after(query: &Query) -> Result<Option<ClientId>, Problem> {
    let Some(text) = query.text("after") else {
        return Ok(None);
    };
    match ClientId::parse(text) {
        Ok(id) => Ok(Some(id)),
        Err(_) => Err(bad_request("after must be the identifier of a client")),
    }
}

/// Writes the uses that this server has noted, if `filter` asks for them.
///
/// # Errors
/// When the store fails.
pub(in crate::admin::endpoint) async fn settle_uses(
    cx: &Context<'_>,
    filter: &ClientFilter,
) -> Result<(), Problem> {
    if filter.concerns_use() {
        cx.service.store.uses.write().await?;
    }
    Ok(())
}

fn query_filter(cx: &Context<'_>, query: &Query) -> Result<ClientFilter, Problem> {
    filter(cx.service.clock.now(), |name| {
        query.text(name).map(str::to_owned)
    })
}

/// Reads a filter from its parameters at the time `now`. `text` returns the value of each.
///
/// # Errors
/// 400 with the first parameter that does not have a valid value.
pub(in crate::admin::endpoint) fn filter(
    now: Timestamp,
    text: impl Fn(&'static str) -> Option<String>,
) -> Result<ClientFilter, Problem> {
    let filter = ClientFilter::read(now, text);
    filter.map_err(|fault| bad_request(&format!("{} must be {}", fault.name, fault.due)))
}

/// Returns one client: its metadata and its provenance. If the identifier is the URL of a client document and the caller may
/// resolve it, the document is fetched if necessary.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Extension(resolver): Extension<Resolver>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_read).await?;
    let stored = find(&cx, &id).await;
    let may_resolve = is_resolved(&id, stored.as_ref().ok());
    if may_resolve && is_admitted(&cx, &parts, |scopes| &scopes.clients_resolve).await {
        return resolve::show(&cx, &parts, &resolver, &by, &id).await;
    }
    let kept = resolver.kept_client(stored?.into_client()).await;
    let kept = kept.map_err(resolve::problem)?;
    let record = ClientRecord::resolved(&cx, &kept, None);
    Ok(tagged(&record, kept.client.revision))
}

/// Whether the identifier is the URL of a client document that can be resolved. A disabled client is not, but
/// it can be shown and enabled.
fn is_resolved(id: &str, stored: Option<&Stored>) -> bool {
    let is_disabled =
        stored.is_some_and(|stored| stored.client().metadata.metadata().flag("disabled"));
    !is_disabled && ClientId::parse(id).is_ok_and(|id| id.is_url())
}

/// Returns the administrator as the caller in the registration pipeline.
fn caller<'a>(parts: &'a Parts, by: &Administrator) -> Caller<'a> {
    Caller::of(parts).with_administrator(&by.client_id, by.name.as_deref())
}

/// Rejects a request for another revision of `client` with 412, and for a client of the operator with 403 and
/// the reason `denied`.
fn check_changeable(parts: &Parts, client: &Client, denied: &str) -> Result<(), Problem> {
    let revision = client.revision;
    if !permits_change(&parts.headers, revision) {
        let status = StatusCode::PRECONDITION_FAILED;
        let description = format!("the client has changed: its current revision is {revision}");
        return Err(Problem::new(status, "precondition_failed", &description));
    }
    if client.is_operators() {
        let status = StatusCode::FORBIDDEN;
        return Err(Problem::new(status, "access_denied", denied));
    }
    Ok(())
}

fn detail(cx: &Context<'_>, client: &Client) -> Response {
    tagged(&ClientRecord::of(cx, client), client.revision)
}

fn tagged(record: &ClientRecord<'_>, revision: u64) -> Response {
    with_revision(answer::json(StatusCode::OK, record), revision)
}

/// Returns the response with the revision of the client in it, and with what changes the client.
fn with_revision(mut response: Response, revision: u64) -> Response {
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&entity_tag(revision)) {
        headers.insert(ETAG, tag);
    }
    headers.insert(ACCEPT_PATCH, HeaderValue::from_static(MERGE_PATCH));
    response
}

async fn find(cx: &Context<'_>, id: &str) -> Result<Stored, Problem> {
    let id = identifier(id)?;
    let found = cx.service.store.clients.find(&id).await?;
    found.ok_or_else(|| unknown("client"))
}

fn identifier(text: &str) -> Result<ClientId, Problem> {
    ClientId::parse(text).map_err(|_| unknown("client"))
}
