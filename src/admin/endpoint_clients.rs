//! `GET` and `DELETE` on clients.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use hyper::header::{ETAG, HeaderValue};
use hyper::{Request, StatusCode};
use serde_json::{Map, Value, json};

use super::clients;
use super::endpoint::{Query, admit, bad_request, store_problem, unknown};
use crate::client::TrustLevel;
use crate::clock::Timestamp;
use crate::http::answer::{self, Problem};
use crate::model::ClientId;
use crate::service::{Context, Service};
use crate::store::{ClientFilter, Stored};

/// Clients on one page.
const MOST: usize = 500;

const PARAMETERS: &[&str] = &[
    "after",
    "client_id",
    "client_name",
    "expires_before",
    "issued_before",
    "issued_from",
    "limit",
    "software_id",
    "trust_level",
];

/// `GET` of a page of clients: those to which all parameters apply, in the order of their
/// identifiers. `client_id` says what the identifier begins with, `client_name` what the name has
/// in it. A page can be short though more follow; `next` is then what `after` must be.
///
/// # Errors
/// The problem that refused it.
pub async fn list(State(service): State<Arc<Service>>, request: Request<Body>) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.clients_read).await?;
    let query = Query::read(&parts.uri, PARAMETERS)?;
    let after = query.text("after").map(identifier).transpose()?;
    let (filter, limit) = (filter(&query)?, query.limit(MOST)?);
    let page = service.store.clients.list(&filter, after.as_ref(), limit).await;
    let page = page.map_err(|error| store_problem(&error))?;
    let clients: Vec<Value> = page.clients.iter().map(|stored| clients::summary(stored.client())).collect();
    let mut members = Map::from_iter([("clients".to_owned(), clients.into())]);
    members.extend(page.next.map(|id| ("next".to_owned(), id.as_str().into())));
    Ok(answer::json(StatusCode::OK, &members))
}

fn filter(query: &Query) -> Result<ClientFilter, Problem> {
    let text = |name: &str| query.text(name).map(str::to_owned);
    let moment =
        |name: &str| Ok(query.parsed(name, "seconds since 1970-01-01T00:00:00Z")?.map(Timestamp::from_unix));
    let level = |text: &str| {
        serde_json::from_value::<TrustLevel>(json!(text)).map_err(|_| {
            bad_request("trust_level must be open, token, mtls, statement, attested or operator")
        })
    };
    Ok(ClientFilter {
        client_id_prefix: text("client_id"),
        software_id: text("software_id"),
        client_name_contains: text("client_name"),
        trust_level: query.text("trust_level").map(level).transpose()?,
        issued_from: moment("issued_from")?,
        issued_before: moment("issued_before")?,
        expires_before: moment("expires_before")?,
    })
}

/// `GET` of one client: its metadata and its provenance.
///
/// # Errors
/// The problem that refused it.
pub async fn show(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.clients_read).await?;
    let stored = find(&cx, &id).await?;
    let client = stored.client();
    let mut response = answer::json(StatusCode::OK, &clients::detail(&cx, client));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", client.revision)) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

/// `DELETE` of one client.
///
/// # Errors
/// The problem that refused it.
pub async fn delete(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    let stored = find(&cx, &id).await?;
    clients::delete(&cx, &by, &stored).await.map_err(|error| store_problem(&error))?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn find(cx: &Context<'_>, id: &str) -> Result<Stored, Problem> {
    let id = identifier(id)?;
    let found = cx.service.store.clients.find(&id).await.map_err(|error| store_problem(&error))?;
    found.ok_or_else(|| unknown("client"))
}

fn identifier(text: &str) -> Result<ClientId, Problem> {
    ClientId::parse(text).map_err(|_| unknown("client"))
}
