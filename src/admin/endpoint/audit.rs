//! `GET` on the audit log.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::admin::{endpoint::Query, endpoint::admit};
use crate::http::{Problem, answer};
use crate::service::{Context, Service};
use crate::store::{Action, Logged, StoreError};

/// The maximum number of events on a page.
const MOST: usize = 1_000;

/// A page of the audit log.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct AuditPage<'a> {
    events: Vec<ShownEvent<'a>>,
    /// The value of `after` for the next page, if more events follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// An event as administrators read it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEvent")]
struct ShownEvent<'a> {
    #[schemars(range(min = 1))]
    position: u64,
    /// Seconds since 1970-01-01T00:00:00Z.
    time: u64,
    #[schemars(with = "String")]
    action: Action,
    outcome: EventOutcome,
    /// The error code of a rejected request.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    /// The identifier of the client, token or revision that the event is about.
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    /// The `client_id` of the client that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    /// The name of that client at that time, if it is an administrator.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    details: &'a Map<String, Value>,
}

/// Whether the action was done.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum EventOutcome {
    Done,
    Refused,
}

impl<'a> ShownEvent<'a> {
    fn of(logged: &'a Logged) -> Self {
        let event = &logged.event;
        let outcome = if event.error.is_some() {
            EventOutcome::Refused
        } else {
            EventOutcome::Done
        };
        Self {
            position: logged.position,
            time: event.at.unix(),
            action: event.action,
            outcome,
            error: event.error.as_deref(),
            subject: &event.subject,
            actor: event.actor.as_deref(),
            actor_name: event.actor_name.as_deref(),
            address: event.address,
            correlation_id: event.correlation_id.as_deref(),
            details: &event.details,
        }
    }
}

/// Returns events in the order in which they were stored: at most `limit` events after the position `after`.
/// If more events follow, `next` is the value of `after` for the next page. A caller that follows the log
/// continues from the position of the last event that it has read.
///
/// Rejections that are still queued on this server are written before the log is read.
///
/// # Errors
/// 400 for an invalid parameter, 401 without a valid token, 403 without the required scope, 503 if the store
/// fails.
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.audit_read).await?;
    let query = Query::read(&parts.uri, &["after", "limit"])?;
    let after = query.parsed("after", "the position of an event")?;
    let limit = query.limit(MOST)?;
    service.refusals.flush().await;
    let (events, next) = read_page(&service, after.unwrap_or(0), limit).await?;
    let page = AuditPage {
        events: events.iter().map(ShownEvent::of).collect(),
        next,
    };
    Ok(answer::json(StatusCode::OK, &page))
}

/// Returns the events after the position `after`, and the position after which the next page starts, if any.
async fn read_page(
    service: &Service,
    after: u64,
    limit: usize,
) -> Result<(Vec<Logged>, Option<u64>), StoreError> {
    let log = &service.store.audit;
    let events = log.page(after, limit).await?;
    let last = log.last().await?;
    let end = events.last().map(|event| event.position);
    Ok((events, end.filter(|position| *position < last)))
}
