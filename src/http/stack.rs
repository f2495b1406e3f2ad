//! What stands around every endpoint: load shedding, the correlation id, one line in the log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::header::{HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use tokio::sync::Semaphore;
use tracing::Instrument;

use super::answer::{Outcome, Problem};

/// Names one request in its answer and in the log.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Answers 503 when too many requests are open already: a queue would only make all of them late.
pub async fn shed_load(State(permits): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match permits.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => Problem::unavailable("too many requests are open", 1).into_response(),
    }
}

/// Gives the request its correlation id and logs its outcome in one line.
pub async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = uuid::Uuid::new_v4().to_string();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.to_string());
    let span = tracing::info_span!("request", correlation_id = %id);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).instrument(span.clone()).await;
    let microseconds = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let outcome = response.extensions_mut().remove::<Outcome>().map(|outcome| outcome.0);
    let status = response.status().as_u16();
    span.in_scope(|| {
        tracing::info!(%method, path, status, microseconds, peer, outcome, "answered");
    });
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(CORRELATION_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
