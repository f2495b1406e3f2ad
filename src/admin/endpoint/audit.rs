//! `GET` on the audit log, the check of its digests, and its events as lines of the log of the server.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::admin::{
    audit_search, audit_search::AuditOrder, endpoint::Query, endpoint::admit, endpoint::bad_request,
};
use crate::base::{Timestamp, hex};
use crate::http::{Problem, answer};
use crate::service::{Context, Service};
use crate::store::{Action, AuditEvent, AuditFilter, Logged, Verification, audit};
use crate::telemetry;

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
    /// Further details. `changed` has the names of the members of a client that changed, `before` and `after` those
    /// values of them that cannot be secret.
    #[serde(skip_serializing_if = "Map::is_empty")]
    details: &'a Map<String, Value>,
    /// SHA-256, in hex, of the digest of the event before it, the position, and the event as it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
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
            digest: logged.digest.map(|digest| hex(&digest)),
        }
    }
}

/// Returns events in the order in which they were stored: at most `limit` events after the position `after`.
/// If more events follow, `next` is the value of `after` for the next page. A caller that follows the log
/// continues from the position of the last event that it has read. With `order=newest`, the newest events come first,
/// and `before` takes the place of `after`.
///
/// With `since`, `action`, `actor`, `subject` or `outcome`, the page has the matching events only. A call looks at a limited number
/// of events, so such a page may be short, or empty, and have `next` all the same.
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
    let order = order(&query)?;
    let limit = query.limit(MOST)?;
    let filter = filter(&query, service.clock.now())?;
    service.refusals.flush().await;
    let found = audit_search::search(&service, &filter, order, limit).await?;
    let page = AuditPage {
        events: found.events.iter().map(ShownEvent::of).collect(),
        next: found.next,
    };
    Ok(answer::json(StatusCode::OK, &page))
}

const PARAMETERS: &[&str] = &[
    "after", "before", "limit", "order", "since", "action", "subject", "actor", "outcome",
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

/// Reads the conditions of `query`.
fn filter(query: &Query, now: Timestamp) -> Result<AuditFilter, Problem> {
    let since = query.time("since", now)?;
    let mut actions = Vec::new();
    for name in query
        .text("action")
        .into_iter()
        .flat_map(|all| all.split(','))
    {
        let action = Action::deserialize(name.into_deserializer());
        let action = action.map_err(|error: serde::de::value::Error| {
            bad_request(&format!(
                "action is not an action of the audit log: {error}"
            ))
        })?;
        actions.push(action);
    }
    let outcome = |text: &str| match text {
        "done" => Ok(false),
        "refused" => Ok(true),
        _ => Err(bad_request("outcome must be done or refused")),
    };
    Ok(AuditFilter {
        since,
        actions,
        actor: query.text("actor").map(str::to_owned),
        subject: query.text("subject").map(str::to_owned),
        is_refused: query.text("outcome").map(outcome).transpose()?,
    })
}

/// Writes `logged` to the log of the server.
pub(crate) fn log(logged: &Logged) {
    match serde_json::to_string(&ShownEvent::of(logged)) {
        Ok(event) => telemetry::audited(&event),
        Err(error) => tracing::error!(%error, "an audit event cannot be logged"),
    }
}

/// Reads an event as [`log`] has written it, or as the admin API has shown it. Returns `None` if it is not one, or says
/// something else than the event that was stored.
pub(crate) fn read_shown(shown: &Map<String, Value>) -> Option<Logged> {
    let mut stored = shown.clone();
    let position = stored.get("position")?.as_u64()?;
    let time = stored.get("time")?.clone();
    stored.insert("at".to_owned(), time);
    let digest = match shown.get("digest") {
        Some(digest) => Some(audit::parse_digest(digest.as_str()?)?),
        None => None,
    };
    let logged = Logged {
        position,
        digest,
        event: AuditEvent::deserialize(Value::Object(stored)).ok()?,
    };
    let again = serde_json::to_value(ShownEvent::of(&logged)).ok()?;
    (again.as_object() == Some(shown)).then_some(logged)
}

/// The maximum number of events that one call checks.
const MOST_VERIFIED: usize = 10_000;

/// What a check of the digests of the audit log has found.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AuditVerification {
    /// The position of the first event that was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    /// The number of events that fit.
    events: u64,
    /// The number of events before them that have no digest, since an earlier version wrote them.
    without_digest: u64,
    /// The position of the last event that fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    /// Its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// The position of the event with the digest that was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<u64>,
    /// The first event that does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<AuditFault>,
    /// The value of `after` for the next call, if events are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// An event of the audit log that does not fit to the others.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct AuditFault {
    /// Its position, or the position at which it is missing.
    position: u64,
    /// What is wrong.
    reason: &'static str,
}

impl From<Verification> for AuditVerification {
    fn from(found: Verification) -> Self {
        Self {
            first: found.first,
            events: found.events,
            without_digest: found.without_digest,
            last: found.last.map(|link| link.number),
            digest: found.last.map(|link| hex(&link.digest)),
            found: found.found,
            fault: found.fault.map(|fault| AuditFault {
                position: fault.position,
                reason: fault.kind.reason(),
            }),
            next: found.next,
        }
    }
}

/// Checks the digests of at most `limit` events after the position `after`, and looks for the event with the digest
/// `digest`. A caller that checks the whole log calls again with `after` set to `next`, until there is none.
///
/// # Errors
/// As [`list`].
pub(crate) async fn verify(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.audit_read).await?;
    let query = Query::read(&parts.uri, &["after", "limit", "digest"])?;
    let after = query.parsed("after", "the position of an event")?;
    let limit = query.limit(MOST_VERIFIED)?;
    let wanted = match query.text("digest") {
        Some(text) => Some(audit::parse_digest(text).ok_or_else(|| {
            bad_request(
                "digest must be the digest of an event: 64 hexadecimal digits in lower case",
            )
        })?),
        None => None,
    };
    let log = &service.store.audit;
    let found = log.verify(after.unwrap_or(0), wanted, limit).await?;
    Ok(answer::json(
        StatusCode::OK,
        &AuditVerification::from(found),
    ))
}
