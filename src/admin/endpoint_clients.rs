//! `GET`, `PUT` and `DELETE` on clients.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::{ETAG, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use serde_json::{Map, Value, json};

use super::bulk::{self, Deleted};
use super::endpoint::{Named, Query, admit, bad_request, read_object, store_problem, unknown};
use super::endpoint_refusal::{self as refusal, call_refused, refused};
use super::{Administrator, clients};
use crate::client::{Client, TrustLevel};
use crate::clock::Timestamp;
use crate::http::answer::{self, Problem};
use crate::http::precondition;
use crate::management::{self, Held};
use crate::model::ClientId;
use crate::registration::endpoint::entity_tag;
use crate::registration::{self, Caller};
use crate::service::{Context, Service};
use crate::store::audit::Action;
use crate::store::{ClientFilter, Stored};
use crate::telemetry;

/// Clients on one page.
const MOST: usize = 500;

/// The parameters that say which clients are meant.
const FILTERS: &[&str] = &[
    "client_id",
    "client_name",
    "expires_before",
    "issued_before",
    "issued_from",
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
    let query = Query::read(&parts.uri, &[FILTERS, &["after", "limit"]].concat())?;
    let after = query.text("after").map(ClientId::parse).transpose();
    let after = after.map_err(|_| bad_request("after must be the identifier of a client"))?;
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
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.clients_read).await?;
    let stored = find(&cx, &id).await?;
    Ok(detail(&cx, stored.client()))
}

/// `PUT`: other metadata in the place of what a client has registered, by the rules of an update
/// by its holder (RFC 7592 section 2.2). Who registered it and what was shown then stays; its
/// statement is not asked for again. The body is the metadata, as `metadata` of a `GET` has it.
/// The answer is that of a `GET`; a secret that is made for it is told to the holder only.
///
/// # Errors
/// 400 with every rule that it breaks, 401 and 403 who may not and for clients of the operator,
/// 404, 409 when others changed the client at the same time, 412 when `If-Match` names another
/// revision, 413 and 408, 415 for what is not `application/json`.
pub async fn replace(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, body) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    let found = find(&cx, &id).await;
    let subject = refusal::subject(&id, found.is_ok());
    let outcome = async {
        let stored = found?;
        check_precondition(&parts, stored.client())?;
        if stored.client().is_operators() {
            return Err(denied("the administrator follows [admin.scopes], and is changed in no other way"));
        }
        let members = read_object(&cx, &parts.headers, body).await?;
        let caller = caller(&cx, &parts, &by);
        let replaced = registration::replace_as_operator(&cx, &caller, members, &stored).await;
        replaced.map_err(registration::endpoint::problem)
    };
    match outcome.await {
        Ok(client) => Ok(detail(&cx, &client)),
        Err(problem) => Err(refused(&cx, &by, (Action::UpdateRefused, subject), problem)),
    }
}

/// `DELETE` of one client, as its holder would: `deleteClient` has its say. One that the operator made
/// stays: without it nobody could call any more.
///
/// # Errors
/// 401 and 403 who may not and for clients of the operator, 404, 409 when others changed the client at the same time, 412 when
/// `If-Match` names another revision; what a script answers.
pub async fn delete(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    let found = find(&cx, &id).await;
    let subject = refusal::subject(&id, found.is_ok());
    let outcome = async {
        let stored = found?;
        check_precondition(&parts, stored.client())?;
        if stored.client().is_operators() {
            let description =
                "the administrator cannot be deleted; registrar admin reset gives it a new secret";
            return Err(denied(description));
        }
        telemetry::concerns(stored.client().id.as_str(), stored.client().provenance.trust_level.as_str());
        let held = Held { stored, token: None };
        let deleted = management::delete(&cx, &caller(&cx, &parts, &by), held).await;
        deleted.map_err(management::endpoint::problem)
    };
    let deleted = outcome.await.map(|()| answer::empty(StatusCode::NO_CONTENT));
    deleted.map_err(|problem| refused(&cx, &by, (Action::DeletionRefused, subject), problem))
}

/// `DELETE` of all clients to which all parameters apply, those of a list; at least one must be
/// there. Clients that the operator made are never among them. `refused` counts those that a
/// script did not let go.
///
/// # Errors
/// 400 without a filter, 401 and 403 who may not; 500 and 503 when a script or the store fails,
/// with the number of clients that are `deleted` already.
pub async fn delete_all(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    let refused = |problem| call_refused(&cx, &parts, &by.author(), problem);
    let meant = meant(&parts).map_err(refused)?;
    let deleted = bulk::delete(&cx, &caller(&cx, &parts, &by), &meant).await;
    let (Ok(done) | Err((_, done))) = &deleted;
    tracing::info!(done.deleted, done.refused, "an administrator deleted clients");
    let mut members: Map<String, Value> = Map::from_iter([("deleted".to_owned(), done.deleted.into())]);
    match deleted {
        Ok(Deleted { refused: 0, .. }) => Ok(answer::json(StatusCode::OK, &members)),
        Ok(done) => {
            members.insert("refused".to_owned(), done.refused.into());
            Ok(answer::json(StatusCode::OK, &members))
        }
        Err((error, done)) => {
            let problem = refused(management::endpoint::problem(error));
            Err(problem.member("deleted", done.deleted))
        }
    }
}

/// The clients that are to be deleted: the query must say so.
fn meant(parts: &Parts) -> Result<ClientFilter, Problem> {
    let query = Query::read(&parts.uri, FILTERS)?;
    if !FILTERS.iter().any(|name| query.text(name).is_some()) {
        return Err(bad_request(&format!("say which clients are meant: {}", FILTERS.join(", "))));
    }
    if let Some(name) = FILTERS.iter().find(|name| query.text(name).is_some_and(str::is_empty)) {
        return Err(bad_request(&format!("{name} is empty, and would mean every client")));
    }
    filter(&query)
}

/// The administrator as the pipeline sees who asks.
fn caller(cx: &Context<'_>, parts: &Parts, by: &Administrator) -> Caller {
    Caller { administrator: Some(by.client_id.clone()), ..Caller::of(cx, parts) }
}

/// 403: nobody may do this to a client of the operator.
fn denied(description: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "access_denied", description)
}

fn check_precondition(parts: &Parts, client: &Client) -> Result<(), Problem> {
    if precondition::holds(&parts.headers, &entity_tag(client.revision)) {
        return Ok(());
    }
    let description = format!("the client has changed since: its revision is {}", client.revision);
    Err(Problem::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", &description))
}

fn detail(cx: &Context<'_>, client: &Client) -> Response {
    let mut response = answer::json(StatusCode::OK, &clients::detail(cx, client));
    if let Ok(tag) = HeaderValue::from_str(&entity_tag(client.revision)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

async fn find(cx: &Context<'_>, id: &str) -> Result<Stored, Problem> {
    let id = identifier(id)?;
    let found = cx.service.store.clients.find(&id).await.map_err(|error| store_problem(&error))?;
    found.ok_or_else(|| unknown("client"))
}

fn identifier(text: &str) -> Result<ClientId, Problem> {
    ClientId::parse(text).map_err(|_| unknown("client"))
}
