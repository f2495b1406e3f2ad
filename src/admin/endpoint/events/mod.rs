//! The feed of events: a page, or a long poll that waits for the next event.
//!
//! A program that keeps a copy of the clients reads the list of clients, and then follows the feed from the
//! `Registrar-Position` of its first page. Nothing falls between the two, and nothing is locked.

pub(crate) mod consumers;
pub(crate) mod replay;
mod stream;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::ACCEPT;
use hyper::{HeaderMap, Request, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::admin::{endpoint::Query, endpoint::admit, endpoint::bad_request, schema};
use crate::base::ClientId;
use crate::config::AdminScopes;
use crate::http::{Problem, answer};
use crate::service::{Context, Service, exports};
use crate::store::events::{Event, EventType, LoggedEvent, Reason};
use crate::store::{PendingType, StoreError};

/// The maximum number of events on a page.
const MOST: usize = 1_000;
/// The longest time that a call waits for an event, in seconds.
const LONGEST_WAIT: u64 = 60;
/// How often a shared store is read for events of other servers.
const LOOK: Duration = Duration::from_secs(1);
/// The maximum number of pages that one call reads in search of an event that followers see.
const PAGES: usize = 20;
/// The maximum number of callers that wait for events.
const FOLLOWERS: usize = 64;

/// The scope for reading events.
const READ: fn(&AdminScopes) -> &String = |scopes| &scopes.clients_read;

/// The callers that wait for events. They are few, and do not count among the requests being processed.
#[derive(Clone)]
pub(crate) struct Followers(Arc<Semaphore>);

impl Default for Followers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(FOLLOWERS)))
    }
}

impl Followers {
    /// The maximum number of calls of the feed at a time. Half of them may be pages that do not wait.
    pub(crate) const CALLS: usize = 2 * FOLLOWERS;

    fn enter(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = Arc::clone(&self.0).try_acquire_owned();
        permit.map_err(|_| {
            let description = format!("{FOLLOWERS} callers already wait for events; retry later");
            Problem::unavailable(&description, 5)
        })
    }
}

/// A page of the feed.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct EventPage<'a> {
    events: Vec<FollowedEvent<'a>>,
    /// The value of `after` for the next page.
    next: u64,
    /// The position of the last event in the log.
    last: u64,
}

/// An event as followers see it. It names the client and contains no value of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ClientEvent")]
struct FollowedEvent<'a> {
    #[schemars(range(min = 1))]
    position: u64,
    /// The identifier of the event, the same in every delivery.
    id: &'a str,
    #[serde(rename = "type")]
    #[schemars(schema_with = "event_type")]
    kind: EventType,
    /// Seconds since 1970-01-01T00:00:00Z.
    at: u64,
    client_id: &'a str,
    /// The number of changes of the client, starting at 1.
    #[schemars(range(min = 1))]
    revision: u64,
    /// Why the client was changed.
    #[schemars(with = "String")]
    reason: Reason,
    /// The names of the members that changed.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    changed: &'a [String],
    /// The `client_id` of the client or administrator that requested the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    /// The identifier of the request that waits for approval, for an event about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<&'a str>,
    /// What waits: `registration`, `update` or `document`.
    #[schemars(with = "Option<String>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_type: Option<PendingType>,
    /// What the templates of `exports` add to the client, by target, as it is now.
    #[schemars(schema_with = "schema::exports")]
    #[serde(skip_serializing_if = "Option::is_none")]
    exports: Option<&'a Map<String, Value>>,
}

fn event_type(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"enum": EventType::ALL.map(EventType::as_str)})
}

impl<'a> FollowedEvent<'a> {
    fn of(logged: &'a LoggedEvent, added: &'a Additions) -> Self {
        Self {
            exports: added.0.get(&logged.event.client_id),
            ..Self::at(logged.position, &logged.event)
        }
    }

    fn at(position: u64, event: &'a Event) -> Self {
        Self {
            position,
            id: &event.id,
            kind: event.kind,
            at: event.at.unix(),
            client_id: event.client_id.as_str(),
            revision: event.revision,
            reason: event.reason,
            changed: &event.changed,
            actor: event.actor.as_deref(),
            correlation_id: event.correlation_id.as_deref(),
            pending: event.pending.as_deref(),
            pending_type: event.pending_type,
            exports: None,
        }
    }
}

/// What the templates of the configuration add to the clients of a page. Clients to which they add nothing are absent.
#[derive(Default)]
struct Additions(HashMap<ClientId, Map<String, Value>>);

impl Additions {
    /// Finds what is added to the clients of `batch`.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn find(service: &Service, batch: &EventBatch) -> Result<Self, StoreError> {
        let live = &service.snapshot().live;
        let mut found = HashMap::new();
        if live.exports.is_empty() {
            return Ok(Self(found));
        }
        for logged in &batch.events {
            let id = &logged.event.client_id;
            if found.contains_key(id) {
                continue;
            }
            let added = match service.store.clients.find(id).await? {
                Some(stored) => exports::of(live, stored.client()),
                None => Map::new(),
            };
            found.insert(id.clone(), added);
        }
        found.retain(|_, added| !added.is_empty());
        Ok(Self(found))
    }
}

/// Returns the events after the position `after`, at most `limit`. If there is none, the call waits up to `wait`
/// seconds for the next one. Without `after`, the page starts with the oldest event that is kept. With
/// `Accept: text/event-stream`, the answer is a stream of events that does not end.
///
/// # Errors
/// 400 for an invalid parameter; 401 without a valid token; 403 without the required scope; 410 if events after
/// `after` are no longer kept; 503 if too many callers wait, or the store fails.
pub(crate) async fn feed(
    State(service): State<Arc<Service>>,
    Extension(followers): Extension<Followers>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, READ).await?;
    let query = Query::read(&parts.uri, &["after", "limit", "wait"])?;
    let after = query.parsed("after", "the position of an event")?;
    let limit = query.limit(MOST)?;
    let wait = wait_seconds(&query)?;
    if accepts_stream(&parts.headers) {
        let after = stream::last_event_id(&parts.headers)?.or(after);
        let place = followers.enter()?;
        return stream::open(&service, parts, after, place).await;
    }
    // Only a call that waits takes a place.
    let _place = match wait {
        0 => None,
        _ => Some(followers.enter()?),
    };
    page(&service, after, limit, wait).await
}

/// Returns the events after the position `after`, and waits up to `wait` seconds for the first one.
async fn page(
    service: &Service,
    after: Option<u64>,
    limit: usize,
    wait: u64,
) -> Result<Response, Problem> {
    let until = Instant::now() + Duration::from_secs(wait);
    let batch = next_batch(service, after, limit, until).await?;
    let added = Additions::find(service, &batch).await?;
    let events = batch.events.iter();
    let page = EventPage {
        events: events
            .map(|logged| FollowedEvent::of(logged, &added))
            .collect(),
        next: batch.next,
        last: batch.last,
    };
    Ok(answer::json(StatusCode::OK, &page))
}

fn wait_seconds(query: &Query) -> Result<u64, Problem> {
    let wait = query.parsed("wait", "a number of seconds")?.unwrap_or(0);
    if wait > LONGEST_WAIT {
        let description = format!("wait must be at most {LONGEST_WAIT} seconds");
        return Err(bad_request(&description));
    }
    Ok(wait)
}

/// Whether the caller asks for Server-Sent Events.
fn accepts_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter();
    let accepted = accepted.filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let media_type = range.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case(stream::MEDIA_TYPE)
    })
}

/// Events in the order of the log.
struct EventBatch {
    events: Vec<LoggedEvent>,
    /// The position of the last event that was read, whether or not followers see it.
    next: u64,
    /// The position of the last event in the log.
    last: u64,
}

/// Why followers cannot go on.
#[derive(Debug, thiserror::Error)]
enum FeedFault {
    /// The log no longer has the next event.
    #[error(
        "the events after position {after} are no longer kept; the oldest is {oldest}{}",
        RECOVERY
    )]
    Trimmed { after: u64, oldest: u64 },
    /// The position is after the last event.
    #[error(
        "position {after} is after the last event, {last}, as after the restoration of an older backup{}",
        RECOVERY
    )]
    Ahead { after: u64, last: u64 },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What to do when events are missing.
const RECOVERY: &str = "; read the clients again (GET /admin/v1/clients), and follow from the \
                        Registrar-Position in the header of its first page";

impl From<FeedFault> for Problem {
    fn from(fault: FeedFault) -> Self {
        match fault {
            FeedFault::Store(error) => error.into(),
            gone => Self::new(StatusCode::GONE, "events_gone", &gone.to_string()),
        }
    }
}

/// Returns the next events after a position, as soon as there is one. At `until`, or when the server stops, the
/// batch is empty.
async fn next_batch(
    service: &Service,
    after: Option<u64>,
    limit: usize,
    until: Instant,
) -> Result<EventBatch, FeedFault> {
    let log = &service.store.events;
    let mut appended = log.watch();
    let mut after = after;
    loop {
        appended.borrow_and_update();
        let batch = read_batch(service, after, limit).await?;
        let is_over = Instant::now() >= until || service.stopping.is_cancelled();
        if !batch.events.is_empty() || is_over {
            return Ok(batch);
        }
        after = Some(batch.next);
        if batch.next < batch.last {
            continue;
        }
        let look = Instant::now() + LOOK;
        let wake_at = if service.store.is_shared() {
            look.min(until)
        } else {
            until
        };
        tokio::select! {
            changed = appended.changed() => if changed.is_err() { return Ok(batch) },
            () = sleep_until(wake_at) => {}
            () = service.stopping.cancelled() => {}
        }
    }
}

/// Checks that no event between the position `after` and `page` was deleted.
fn check_kept(after: u64, page: &[LoggedEvent], last: u64) -> Result<(), FeedFault> {
    let oldest = match page.first() {
        Some(first) => first.position,
        None => last.saturating_add(1),
    };
    if oldest > after.saturating_add(1) {
        return Err(FeedFault::Trimmed { after, oldest });
    }
    Ok(())
}

impl EventBatch {
    /// Adds the events of `page` that followers see. An event that is repeated for one consumer is none for them.
    fn take(&mut self, page: Vec<LoggedEvent>) {
        self.next = page.last().map_or(self.last, |logged| logged.position);
        self.last = self.last.max(self.next);
        let events = page.into_iter();
        let shown = events.filter(|logged| logged.event.consumer.is_none());
        self.events.extend(shown);
    }
}

/// Reads events after a position, or from the oldest one, until there is one that followers see.
async fn read_batch(
    service: &Service,
    after: Option<u64>,
    limit: usize,
) -> Result<EventBatch, FeedFault> {
    let log = &service.store.events;
    // Before the events, so that it is not after an event that is stored in the meantime.
    let last = log.last().await?;
    let mut batch = EventBatch {
        events: Vec::new(),
        next: after.unwrap_or(0),
        last,
    };
    if batch.next > last {
        let after = batch.next;
        return Err(FeedFault::Ahead { after, last });
    }
    let mut is_first_of_all = after.is_none();
    for _ in 0..PAGES {
        let page = log.page(batch.next, limit).await?;
        if !is_first_of_all {
            check_kept(batch.next, &page, last)?;
        }
        is_first_of_all = false;
        let is_full = page.len() >= limit;
        batch.take(page);
        if !is_full || !batch.events.is_empty() {
            break;
        }
    }
    Ok(batch)
}
