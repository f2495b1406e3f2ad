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

use crate::admin::{
    audit_search, audit_search::AuditFilter, audit_search::AuditOrder, endpoint::Query,
    endpoint::admit, endpoint::bad_request,
};
use crate::http::{Problem, answer};
use crate::service::{Context, Service};
use crate::store::{Action, Logged};

/// The maximum number of events on a page.
const MOST: usize = 1_000;

/// A page of the audit log.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct AuditPage<'a> {
    events: Vec<ShownEvent<'a>>,
    /// The value of `after` for the next page, or of `before` with the newest events first, if more events follow.
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
/// continues from the position of the last event that it has read. With `order=newest`, the newest events come first,
/// and `before` takes the place of `after`.
///
/// A page has the events that meet all of `action`, `subject`, `actor` and `outcome`. It can be short even if more
/// events follow.
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
    let query = Query::read(&parts.uri, PARAMETERS)?;
    let (filter, order) = (filter(&query)?, order(&query)?);
    let limit = query.limit(MOST)?;
    service.refusals.flush().await;
    let found = audit_search::search(&service, &filter, order, limit).await?;
    let page = AuditPage {
        events: found.events.iter().map(ShownEvent::of).collect(),
        next: found.next,
    };
    Ok(answer::json(StatusCode::OK, &page))
}

const PARAMETERS: &[&str] = &[
    "after", "before", "limit", "order", "action", "subject", "actor", "outcome",
];

fn order(query: &Query) -> Result<AuditOrder, Problem> {
    let due = "the position of an event";
    let (after, before) = (query.parsed("after", due)?, query.parsed("before", due)?);
    match (query.text("order"), after, before) {
        (None | Some("oldest"), after, None) => Ok(AuditOrder::OldestFirst {
            after: after.unwrap_or(0),
        }),
        (Some("newest"), None, before) => Ok(AuditOrder::NewestFirst { before }),
        (None | Some("oldest"), _, Some(_)) => Err(bad_request("before needs order=newest")),
        (Some("newest"), Some(_), _) => Err(bad_request(
            "after cannot be used with order=newest; use before",
        )),
        (Some(_), ..) => Err(bad_request("order must be oldest or newest")),
    }
}

fn filter(query: &Query) -> Result<AuditFilter, Problem> {
    let action = |text: &str| {
        let unknown =
            || bad_request("action must be an action of the audit log, such as client_created");
        audit_search::action(text).ok_or_else(unknown)
    };
    let outcome = |text: &str| match text {
        "done" => Ok(false),
        "refused" => Ok(true),
        _ => Err(bad_request("outcome must be done or refused")),
    };
    Ok(AuditFilter {
        action: query.text("action").map(action).transpose()?,
        subject: query.text("subject").map(str::to_owned),
        actor: query.text("actor").map(str::to_owned),
        is_refused: query.text("outcome").map(outcome).transpose()?,
    })
}
