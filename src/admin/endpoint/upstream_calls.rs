//! Calls of the upstream server that are not finished: `GET` on them, and `POST` on their `settle`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::refusal::call_refused;
use crate::admin::{endpoint::Named, endpoint::Query, endpoint::admit, endpoint::unknown, schema};
use crate::base::{ClientId, Timestamp};
use crate::client::Metadata;
use crate::http::{Problem, answer};
use crate::registration::upstream::reconcile;
use crate::service::{Context, Service};
use crate::store::{StoredUpstreamCall, UpstreamAim};

/// The maximum number of calls on a page.
const MOST: usize = 200;

/// A call of the upstream server that is not finished.
#[derive(Serialize, JsonSchema)]
struct UnfinishedCall<'a> {
    id: &'a str,
    /// What is to be reached: create (there is no answer yet), update (the client there becomes as it is here), delete, or
    /// unknown (nobody knows whether the upstream server has done what it was asked).
    #[schemars(with = "String")]
    aim: UpstreamAim,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    begun_at: Option<u64>,
    /// When it is continued next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<u64>,
    attempts: u32,
    /// Why it is not finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    /// The metadata that was sent to register a client, by which it can be recognised there.
    #[schemars(schema_with = "schema::client_reference")]
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Map<String, Value>>,
}

impl<'a> UnfinishedCall<'a> {
    fn of(stored: &'a StoredUpstreamCall) -> Self {
        let call = &stored.call;
        let known = |moment: Timestamp| (moment != Timestamp::default()).then(|| moment.unix());
        let next = known(call.held_until);
        Self {
            id: &stored.id,
            aim: call.aim,
            client_id: call.client_id.as_ref().map(ClientId::as_str),
            begun_at: known(call.begun_at),
            next_attempt_at: next.filter(|_| call.aim != UpstreamAim::Unknown),
            attempts: call.attempts,
            cause: call.trouble.as_deref(),
            metadata: call.metadata.as_ref().map(Metadata::as_object),
        }
    }
}

/// A page of calls of the upstream server that are not finished.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct UpstreamCallPage<'a> {
    calls: Vec<UnfinishedCall<'a>>,
    /// The value of `after` for the next page, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Returns a page of calls that are not finished, in the order of their identifiers.
///
/// # Errors
/// 400 for an invalid parameter; 401 without a valid token; 403 without the required scope.
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.clients_read).await?;
    let query = Query::read(&parts.uri, &["after", "limit"])?;
    let page = query.page(MOST)?;
    let calls = &service.store.upstream_calls;
    let found = calls.page(page.after, page.limit).await?;
    let page = UpstreamCallPage {
        next: page.next(&found, |call| call.id.clone()),
        calls: found.iter().map(UnfinishedCall::of).collect(),
    };
    Ok(answer::json(StatusCode::OK, &page))
}

/// Ends a call whose outcome is not known: the administrator has found it out, and has cleaned up.
///
/// # Errors
/// 401 without a valid token; 403 without the required scope; 404 if there is no such call; 409 if the server still
/// continues it.
pub(crate) async fn settle(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    let author = by.author();
    match settle_call(&service, &id, &author).await {
        Ok(()) => {
            tracing::info!(
                call = id,
                actor = by.client_id,
                "call of the upstream server settled"
            );
            Ok(answer::empty(StatusCode::NO_CONTENT))
        }
        Err(problem) => Err(call_refused(&cx, &parts, &author, problem)),
    }
}

async fn settle_call(
    service: &Service,
    id: &str,
    author: &crate::store::Author,
) -> Result<(), Problem> {
    let found = service.store.upstream_calls.find(id).await?;
    if found.is_none() {
        return Err(unknown("call of the upstream server"));
    }
    if reconcile::settle(service, id, author).await? {
        return Ok(());
    }
    let reason = "the outcome of this call is not unknown: the server continues it";
    Err(Problem::new(StatusCode::CONFLICT, "conflict", reason))
}
