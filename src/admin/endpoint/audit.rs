//! `GET` on the audit log.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::{Request, StatusCode};
use serde_json::{Map, Value};

use super::{Query, admit, store_problem};
use crate::admin::audit;
use crate::http::answer::{self, Problem};
use crate::service::{Context, Service};

/// The maximum number of events on a page.
const MOST: usize = 1_000;

/// Returns events in the order in which they were stored: at most `limit` events after the position `after`.
/// If more events follow, `next` is the value of `after` for the next page. A caller that follows the log
/// continues from the position of the last event that it has read.
///
/// Rejections that are still queued on this server are written before the log is read.
///
/// # Errors
/// 400 for an invalid parameter, 401 without a valid token, 403 without the required scope, 503 if the store
/// fails.
pub async fn list(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.audit_read).await?;
    let query = Query::read(&parts.uri, &["after", "limit"])?;
    let after = query
        .parsed("after", "the position of an event")?
        .unwrap_or(0);
    let limit = query.limit(MOST)?;
    service.refusals.flush().await;
    let page = service
        .store
        .audit
        .page(after, limit)
        .await
        .map_err(|error| store_problem(&error))?;
    let last = service
        .store
        .audit
        .last()
        .await
        .map_err(|error| store_problem(&error))?;
    let next = page
        .last()
        .map(|event| event.position)
        .filter(|position| *position < last);
    let events: Vec<Value> = page.iter().map(audit::shown).collect();
    let mut members = Map::from_iter([("events".to_owned(), events.into())]);
    members.extend(next.map(|position| ("next".to_owned(), position.into())));
    Ok(answer::json(StatusCode::OK, &members))
}
