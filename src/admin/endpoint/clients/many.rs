//! Changes of all clients that a filter matches.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};

use super::{caller, query_filter, settle_uses};
use crate::admin::bulk::{self, BulkChange, BulkError, ChangeTally};
use crate::admin::{
    Administrator, endpoint::Query, endpoint::admit, endpoint::bad_request,
    endpoint::refusal::call_refused,
};
use crate::http::{Problem, answer};
use crate::service::{Context, Service};
use crate::store::ClientFilter;

/// Deletes all clients that match all parameters, which are the filters of a list. At least one filter is required.
/// `confirm` states how many clients match; with `dry_run=true`, the response does, and nothing is changed. Clients that
/// the operator created are neither counted nor changed. `refused` counts the clients whose deletion a script denied.
///
/// # Errors
/// 400 without a filter, or without `confirm` or `dry_run`; 401 without a valid token; 403 without the required scope;
/// 409 if another number of clients matches; 500 and 503 if a script or the store fails, with the number of clients that
/// are already `deleted`.
pub(crate) async fn delete_all(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    change_all(&service, request, BulkChange::Delete).await
}

/// Disables all clients that match all parameters, as [`delete_all`]. `unchanged` counts those that were disabled
/// already, and `refused` those whose update a script or a rule denied.
///
/// # Errors
/// As [`delete_all`].
pub(crate) async fn disable_all(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    change_all(&service, request, BulkChange::Disable).await
}

/// Enables all clients that match all parameters, as [`disable_all`].
///
/// # Errors
/// As [`delete_all`].
pub(crate) async fn enable_all(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    change_all(&service, request, BulkChange::Enable).await
}

async fn change_all(
    service: &Arc<Service>,
    request: Request<Body>,
    change: BulkChange,
) -> Result<Response, Problem> {
    let cx = Context::new(service);
    let (parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    let changed = change_meant(&cx, &parts, &by, change).await;
    changed.map_err(|problem| call_refused(&cx, &parts, &by.author(), problem))
}

async fn change_meant(
    cx: &Context<'_>,
    parts: &Parts,
    by: &Administrator,
    change: BulkChange,
) -> Result<Response, Problem> {
    let meant = MeantClients::read(cx, parts)?;
    settle_uses(cx, &meant.filter).await?;
    let matching = bulk::matching(cx, &meant.filter).await?;
    let Some(confirmed) = meant.confirmed else {
        return Ok(answer::json(StatusCode::OK, &matching));
    };
    let count = matching.count;
    if confirmed != count {
        let description = format!("{count} clients match, not {confirmed}; nothing was changed");
        let problem = Problem::new(StatusCode::CONFLICT, "count_differs", &description);
        return Err(problem.member("count", count));
    }
    let caller = caller(parts, by);
    let changed = bulk::change(cx, &caller, change, (&meant.filter, count)).await;
    answered(change, changed)
}

/// Answers with what was changed, which the log has too.
fn answered(
    change: BulkChange,
    changed: Result<ChangeTally, BulkError>,
) -> Result<Response, Problem> {
    let (Ok(tally) | Err(BulkError { tally, .. })) = &changed;
    tracing::info!(
        change = change.past(),
        tally.changed,
        tally.unchanged,
        tally.refused,
        "clients changed by an administrator"
    );
    match changed {
        Ok(tally) => Ok(answer::json(StatusCode::OK, &tally.shown(change))),
        Err(BulkError { error, tally }) => {
            let problem = Problem::from(error);
            Err(problem.member(change.past(), tally.changed))
        }
    }
}

/// What a call for many clients means.
struct MeantClients {
    filter: ClientFilter,
    /// How many clients the caller has confirmed. `None`: nothing is to be changed.
    confirmed: Option<usize>,
}

impl MeantClients {
    /// Reads the query, which must have a filter.
    fn read(cx: &Context<'_>, parts: &Parts) -> Result<Self, Problem> {
        let known = [ClientFilter::PARAMETERS, &["confirm", "dry_run"]].concat();
        let query = Query::read(&parts.uri, &known)?;
        require_filter(&query)?;
        let is_dry_run = query.parsed("dry_run", "true or false")?.unwrap_or(false);
        let confirmed = query.parsed("confirm", "the number of clients that match")?;
        if is_dry_run == confirmed.is_some() {
            return Err(bad_request(
                "give either confirm with the number of clients that match, or dry_run=true to learn that number",
            ));
        }
        Ok(Self {
            filter: query_filter(cx, &query)?,
            confirmed,
        })
    }
}

fn require_filter(query: &Query) -> Result<(), Problem> {
    let names = ClientFilter::PARAMETERS;
    if !names.iter().any(|name| query.text(name).is_some()) {
        return Err(bad_request(&format!(
            "give at least one filter: {}",
            names.join(", ")
        )));
    }
    let is_empty = |name: &&&str| query.text(name).is_some_and(str::is_empty);
    match names.iter().find(is_empty) {
        Some(name) => Err(bad_request(&format!(
            "{name} is empty and would match every client"
        ))),
        None => Ok(()),
    }
}
