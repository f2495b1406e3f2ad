//! The consumers of events: how far they have come, and what an operator does with events that were not delivered.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FollowedEvent, READ};
use crate::admin::Administrator;
use crate::admin::endpoint::refusal::call_refused;
use crate::admin::endpoint::{Query, admit, bad_request, read_typed, unknown};
use crate::base::Timestamp;
use crate::events::{self, ConsumerStatus};
use crate::http::{Problem, answer};
use crate::service::{Context, Service};
use crate::store::audit::Action;
use crate::store::events::{Order, Parked, WaitingEvent};
use crate::store::{Change, StoreError};

/// The maximum number of parked events on a page.
const MOST: usize = 200;
/// The maximum length of the name of a consumer, in bytes.
const NAME: usize = 256;

/// The consumers that the configuration in force has.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct ConsumerList<'a> {
    consumers: Vec<ShownConsumer<'a>>,
}

/// How far a consumer has come.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventConsumer")]
struct ShownConsumer<'a> {
    /// `hooks` for the hooks of scripts, `webhook:NAME` for a webhook.
    name: &'a str,
    /// Every event up to this position was delivered, was parked, or is one of `waiting`.
    cursor: u64,
    /// The number of events that it has not received yet.
    lag: u64,
    /// The number of parked events. Counting stops at 10000.
    parked: u64,
    /// Why it receives nothing until it is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<&'a str>,
    waiting: Vec<ShownWaiting<'a>>,
}

/// An event that waits for another attempt, or for an earlier event of its client.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WaitingEvent")]
struct ShownWaiting<'a> {
    #[schemars(range(min = 1))]
    position: u64,
    client_id: &'a str,
    /// The number of failed attempts.
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<u64>,
    /// When the next attempt is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<u64>,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> ShownConsumer<'a> {
    fn of(status: &'a ConsumerStatus) -> Self {
        Self {
            name: &status.name,
            cursor: status.cursor,
            lag: status.lag,
            parked: status.parked,
            disabled: status.disabled.as_deref(),
            waiting: status.waiting.iter().map(ShownWaiting::of).collect(),
        }
    }
}

impl<'a> ShownWaiting<'a> {
    fn of(waiting: &'a WaitingEvent) -> Self {
        Self {
            position: waiting.position,
            client_id: waiting.client_id.as_str(),
            attempts: waiting.attempts,
            failing_since: waiting.failing_since.map(Timestamp::unix),
            due: waiting.due.map(Timestamp::unix),
            error: waiting.error.as_deref(),
        }
    }
}

/// A page of parked events.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct ParkedPage<'a> {
    events: Vec<ShownParked<'a>>,
    /// The value of `after` for the next page, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// An event that was given up.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ParkedEvent")]
struct ShownParked<'a> {
    #[serde(flatten)]
    event: FollowedEvent<'a>,
    /// The number of failed attempts.
    attempts: u32,
    /// Why the last attempt failed.
    error: &'a str,
    /// When it was given up.
    parked_at: u64,
}

impl<'a> ShownParked<'a> {
    fn of(parked: &'a Parked) -> Self {
        Self {
            event: FollowedEvent::at(parked.position, &parked.event),
            attempts: parked.attempts,
            error: &parked.error,
            parked_at: parked.given_up_at.unix(),
        }
    }
}

/// Returns how far each consumer has come.
///
/// # Errors
/// 401 without a valid token; 403 without the required scope; 503 if the store fails.
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, READ).await?;
    Query::read(&parts.uri, &[])?;
    let statuses = events::statuses(&service).await?;
    let consumers = statuses.iter().map(ShownConsumer::of).collect();
    Ok(answer::json(StatusCode::OK, &ConsumerList { consumers }))
}

/// Returns a page of the parked events of the consumer `consumer`, the oldest first.
///
/// # Errors
/// 400 for an invalid parameter; 401 without a valid token; 403 without the required scope; 404 for an unknown
/// consumer; 503 if the store fails.
pub(crate) async fn parked(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, READ).await?;
    let query = Query::read(&parts.uri, &["consumer", "after", "limit"])?;
    let Some(name) = query.text("consumer") else {
        return Err(bad_request("name a consumer, such as consumer=hooks"));
    };
    let after = query.parsed("after", "the position of an event")?;
    let limit = query.limit(MOST)?;
    check_known(&cx, name).await?;
    let consumers = &service.store.consumers;
    let parked = consumers.parked(name, after.unwrap_or(0), limit).await?;
    Ok(answer::json(StatusCode::OK, &parked_page(&parked, limit)))
}

fn parked_page(parked: &[Parked], limit: usize) -> ParkedPage<'_> {
    let last = parked.last().filter(|_| parked.len() >= limit);
    ParkedPage {
        events: parked.iter().map(ShownParked::of).collect(),
        next: last.map(|parked| parked.position),
    }
}

/// Rejects a name that is neither configured nor known from before with 404.
async fn check_known(cx: &Context<'_>, name: &str) -> Result<(), Problem> {
    if events::consumers(&cx.snapshot)
        .iter()
        .any(|own| own == name)
    {
        return Ok(());
    }
    let is_name = name.len() <= NAME
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/');
    if is_name && cx.service.store.consumers.state(name).await?.is_some() {
        return Ok(());
    }
    Err(unknown("consumer"))
}

/// The request to retry or skip an event.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct EventReference {
    /// The name of the consumer.
    consumer: String,
    /// The position of an event that is parked or waits.
    position: u64,
}

/// The event that is retried or skipped.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventOrder")]
pub(in crate::admin) struct CarriedOut<'a> {
    consumer: &'a str,
    position: u64,
    client_id: &'a str,
    /// Whether the event was parked. Otherwise it waited for another attempt.
    was_parked: bool,
}

/// Delivers a parked or waiting event again, now.
///
/// # Errors
/// As [`skip`].
pub(crate) async fn retry(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    order(&service, request, Order::Retry).await
}

/// Drops a parked or waiting event. Its consumer never receives it.
///
/// # Errors
/// 400 for an invalid body; 401 without a valid token; 403 without the required scope; 404 if the event is neither
/// parked nor waits; 408, 413 and 415 for a body that cannot be read; 503 if the store fails.
pub(crate) async fn skip(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    order(&service, request, Order::Skip).await
}

async fn order(
    service: &Service,
    request: Request<Body>,
    order: Order,
) -> Result<Response, Problem> {
    let cx = Context::new(service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    let done = order_from(&cx, &by, &mut parts, order).await;
    done.map_err(|problem| call_refused(&cx, &parts, &by.author(), problem))
}

async fn order_from(
    cx: &Context<'_>,
    by: &Administrator,
    parts: &mut Parts,
    order: Order,
) -> Result<Response, Problem> {
    let meant: EventReference = read_typed(parts)?;
    check_known(cx, &meant.consumer).await?;
    let ordered = match order_parked(cx, by, &meant, order).await? {
        Some(client_id) => Some((client_id, true)),
        None => order_waiting(cx, by, &meant, order)
            .await?
            .map(|client_id| (client_id, false)),
    };
    let Some((client_id, was_parked)) = ordered else {
        return Err(unknown("event"));
    };
    let (consumer, position) = (meant.consumer.as_str(), meant.position);
    tracing::info!(
        consumer,
        position,
        client_id,
        ?order,
        "event ordered by an administrator"
    );
    let carried_out = CarriedOut {
        consumer,
        position,
        client_id: &client_id,
        was_parked,
    };
    Ok(answer::json(StatusCode::OK, &carried_out))
}

/// Retries or skips an event if it is parked. Returns its client.
async fn order_parked(
    cx: &Context<'_>,
    by: &Administrator,
    meant: &EventReference,
    order: Order,
) -> Result<Option<String>, StoreError> {
    let consumers = &cx.service.store.consumers;
    let before = meant.position.saturating_sub(1);
    let found = consumers.parked(&meant.consumer, before, 1).await?;
    let Some(parked) = found
        .first()
        .filter(|parked| parked.position == meant.position)
    else {
        return Ok(None);
    };
    let client_id = parked.event.client_id.to_string();
    let audited = audited(cx, by, meant, (order, &client_id))?;
    let is_retry = order == Order::Retry;
    let unparked = consumers.unpark(&meant.consumer, meant.position, is_retry, audited);
    Ok(unparked.await?.then_some(client_id))
}

/// Has an event that waits retried or skipped. Returns its client.
async fn order_waiting(
    cx: &Context<'_>,
    by: &Administrator,
    meant: &EventReference,
    order: Order,
) -> Result<Option<String>, StoreError> {
    let consumers = &cx.service.store.consumers;
    let state = consumers.state(&meant.consumer).await?.unwrap_or_default();
    let is_meant = |waiting: &&WaitingEvent| waiting.position == meant.position;
    let Some(waiting) = state.waiting.iter().find(is_meant) else {
        return Ok(None);
    };
    let client_id = waiting.client_id.to_string();
    let audited = audited(cx, by, meant, (order, &client_id))?;
    let ordered = consumers.order(&meant.consumer, meant.position, order, audited);
    ordered.await?;
    Ok(Some(client_id))
}

/// Returns the audit event of an order for an event of the client `client_id`.
fn audited(
    cx: &Context<'_>,
    by: &Administrator,
    meant: &EventReference,
    (order, client_id): (Order, &str),
) -> Result<Change, StoreError> {
    let action = match order {
        Order::Retry => Action::EventRetried,
        Order::Skip => Action::EventSkipped,
        Order::Enable => Action::ConsumerEnabled,
    };
    let event = by.did(action, client_id, cx.service.clock.now());
    let event = event.with("consumer", meant.consumer.as_str());
    event.with("position", meant.position).change()
}

/// The request to enable a consumer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct ConsumerReference {
    /// The name of the consumer.
    consumer: String,
}

/// Enables a consumer that was disabled, and has no effect on one that is enabled.
///
/// # Errors
/// 400 for an invalid body; 401 without a valid token; 403 without the required scope; 404 for an unknown consumer;
/// 408, 413 and 415 for a body that cannot be read; 503 if the store fails.
pub(crate) async fn enable(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    let enabled = enable_from(&cx, &by, &mut parts).await;
    enabled.map_err(|problem| call_refused(&cx, &parts, &by.author(), problem))?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn enable_from(
    cx: &Context<'_>,
    by: &Administrator,
    parts: &mut Parts,
) -> Result<(), Problem> {
    let meant: ConsumerReference = read_typed(parts)?;
    check_known(cx, &meant.consumer).await?;
    let consumers = &cx.service.store.consumers;
    let state = consumers.state(&meant.consumer).await?.unwrap_or_default();
    if state.disabled.is_none() {
        return Ok(());
    }
    let now = cx.service.clock.now();
    let event = by.did(Action::ConsumerEnabled, meant.consumer.as_str(), now);
    // The order concerns no position.
    let ordered = consumers.order(&meant.consumer, 0, Order::Enable, event.change()?);
    ordered.await?;
    tracing::info!(
        consumer = meant.consumer,
        "consumer enabled by an administrator"
    );
    Ok(())
}
