//! The feed as Server-Sent Events (HTML Living Standard, section 9.2).

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures_util::stream::unfold;
use hyper::HeaderMap;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::{Additions, EventBatch, FollowedEvent, READ, next_batch, read_batch};
use crate::admin::endpoint::{bad_request, is_admitted};
use crate::http::Problem;
use crate::service::{Context, Service};

/// The media type of the stream.
pub(super) const MEDIA_TYPE: &str = "text/event-stream";

/// The header with the identifier of the last event that a follower has received.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Keeps nginx from collecting the events before it passes them on.
const NO_BUFFER: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How often something is sent when there is no event, and how often the access token is checked again.
const BEAT: Duration = Duration::from_secs(15);
/// The number of events that are sent at a time.
const AT_ONCE: usize = 100;

/// Returns the position in `Last-Event-ID`.
///
/// # Errors
/// 400 when it is no position.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    match text.parse() {
        Ok(position) => Ok(Some(position)),
        Err(_) => Err(bad_request(
            "Last-Event-ID must be the position of an event",
        )),
    }
}

/// A caller that follows the events. It holds its place until it is dropped.
struct Follower {
    service: Arc<Service>,
    parts: Parts,
    after: Option<u64>,
    admitted_at: Instant,
    _place: OwnedSemaphorePermit,
}

/// Returns the stream of events after a position.
///
/// # Errors
/// 410 if events after `after` are no longer kept; 503 if the store fails.
pub(super) async fn open(
    service: &Arc<Service>,
    parts: Parts,
    after: Option<u64>,
    place: OwnedSemaphorePermit,
) -> Result<Response, Problem> {
    read_batch(service, after, 1).await?;
    let follower = Follower {
        service: Arc::clone(service),
        parts,
        after,
        admitted_at: Instant::now(),
        _place: place,
    };
    let texts = unfold(follower, async |mut follower| {
        let text = follower.next_text().await?;
        Some((Ok::<_, Infallible>(text), follower))
    });
    let mut response = Response::new(Body::from_stream(texts));
    for (name, value) in [
        (CONTENT_TYPE, MEDIA_TYPE),
        (CACHE_CONTROL, "no-store"),
        (NO_BUFFER, "no"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

impl Follower {
    /// Returns the text to send next; none when the stream ends: the server stops, the access token is no longer
    /// valid, the next event is no longer kept, or the store failed. The follower connects again and learns the
    /// reason.
    async fn next_text(&mut self) -> Option<String> {
        if self.admitted_at.elapsed() >= BEAT {
            let cx = Context::new(&self.service);
            if !is_admitted(&cx, &self.parts, READ).await {
                tracing::info!("event stream ended: the access token is no longer valid");
                return None;
            }
            self.admitted_at = Instant::now();
        }
        let until = Instant::now() + BEAT;
        let batch = next_batch(&self.service, self.after, AT_ONCE, until).await;
        let batch = batch
            .inspect_err(|fault| tracing::warn!(%fault, "event stream ended"))
            .ok()?;
        if batch.events.is_empty() && self.service.stopping.is_cancelled() {
            return None;
        }
        let added = Additions::find(&self.service, &batch).await;
        let added = added
            .inspect_err(|error| tracing::warn!(%error, "event stream ended"))
            .ok()?;
        self.after = Some(batch.next);
        Some(rendered(&batch, &added))
    }
}

/// Returns the events as they are sent, or a comment that keeps the connection open. An identifier without data is no
/// event, but a follower that connects again starts after it.
fn rendered(batch: &EventBatch, added: &Additions) -> String {
    if batch.events.is_empty() {
        return format!(": no event\nid: {}\n\n", batch.next);
    }
    let mut text = String::new();
    for logged in &batch.events {
        let data = serde_json::to_string(&FollowedEvent::of(logged, added)).unwrap_or_default();
        let (position, kind) = (logged.position, logged.event.kind.as_str());
        // Writing to a text never fails.
        let _ = write!(text, "id: {position}\nevent: {kind}\ndata: {data}\n\n");
    }
    text
}
