//! What stands around every endpoint: bodies that are received, load shedding, the correlation id,
//! one line in the log.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::Body as _;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::answer::{Outcome, Problem};
use super::body::{self, BodyError};
use super::connection::Connection;
use super::room::Room;
use crate::telemetry::meter::{self, Endpoint, Open};
use crate::telemetry::trace;

/// Names one request in its answer and in the log. What a caller sends under this name is not
/// read: two requests must never have one name.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A year, of this host only: what runs beside it is not ours to decide (RFC 6797 section 6.1).
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Characters of a path, method or description in the log; a caller decides how long they are.
const LOGGED: usize = 512;
/// How much of a body is received, for how long, and of how many requests at the same time.
#[derive(Debug, Clone)]
pub struct Reception {
    /// Bytes of one body.
    pub body_bytes: usize,
    /// Milliseconds in which it must arrive.
    pub body_timeout_ms: u64,
    /// Requests that wait for their body; for one more, the oldest gives way.
    pub waiting: usize,
    /// Who waits.
    pub room: Arc<Room>,
}

/// Receives the body of the request before anything of the server is kept busy with it, so that
/// slow senders are in each other's way only. Who reads the body later has the whole of it at
/// once, or the reason why it is not there.
pub async fn receive(State(reception): State<Reception>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    let (parts, body) = request.into_parts();
    let whole = body::read(body, reception.body_bytes, reception.body_timeout_ms);
    let received = match reception.patiently(whole, connection.as_ref()).await {
        Ok(bytes) => Body::from(bytes),
        Err(error) => body::refused(error),
    };
    next.run(Request::from_parts(parts, received)).await
}

impl Reception {
    async fn patiently(
        &self,
        whole: impl Future<Output = Result<Bytes, BodyError>>,
        connection: Option<&Arc<Connection>>,
    ) -> Result<Bytes, BodyError> {
        let mut whole = std::pin::pin!(whole);
        // Most bodies arrive with their head.
        if let Poll::Ready(done) = std::future::poll_fn(|cx| Poll::Ready(whole.as_mut().poll(cx))).await {
            return done;
        }
        if self.room.len() >= self.waiting {
            self.room.dismiss_oldest();
        }
        let party = connection.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |connection| connection.party());
        let dismissed = CancellationToken::new();
        let _place = self.room.enter(party, dismissed.clone());
        let _waiting = connection.map(Connection::wait);
        tokio::select! {
            done = whole => done,
            () = dismissed.cancelled() => Err(BodyError::GaveWay),
        }
    }
}

/// Answers 503 when too many requests are open already: a queue would only make all of them late.
pub async fn shed_load(State(permits): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match permits.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => Problem::unavailable("too many requests are open", 1).into_response(),
    }
}

/// How requests are told apart and answered.
#[derive(Clone)]
pub struct Observer {
    /// Which endpoint a request goes to.
    pub endpoint: Arc<dyn Fn(&Request) -> Endpoint + Send + Sync>,
    /// Whether clients reach the server by https, and should never try without.
    pub is_https: bool,
}

/// Gives the request its correlation id, counts it, and logs its outcome in one line.
pub async fn observe(State(observer): State<Observer>, request: Request, next: Next) -> Response {
    let id = uuid::Uuid::new_v4().to_string();
    let span = tracing::info_span!(
        "request",
        correlation_id = %id,
        trace_id = Empty,
        client_id = Empty,
        trust_level = Empty,
        actor = Empty
    );
    if let Some(trace_id) = only(request.headers(), &TRACEPARENT).and_then(trace::trace_id) {
        span.record("trace_id", trace_id);
    }
    let line = Observed::begin(&observer, &request, span.clone());
    let mut response = next.run(request).instrument(span).await;
    let outcome = response.extensions_mut().remove::<Outcome>();
    line.end(response.status().as_u16(), outcome);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(CORRELATION_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if observer.is_https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    response
}

/// The value of a header that is there once, in visible ASCII.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// A request that is being answered.
struct Observed {
    span: Span,
    endpoint: Endpoint,
    method: String,
    /// Without the query, which may carry what is nobody's business.
    path: String,
    peer: Option<SocketAddr>,
    started: Instant,
    is_answered: bool,
    _open: Open,
}

impl Observed {
    fn begin(observer: &Observer, request: &Request, span: Span) -> Self {
        Self {
            span,
            endpoint: (observer.endpoint)(request),
            method: clipped(request.method().as_str()),
            path: clipped(request.uri().path()),
            peer: request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0),
            started: Instant::now(),
            is_answered: false,
            _open: Open::request(),
        }
    }

    fn end(mut self, status: u16, outcome: Option<Outcome>) {
        self.is_answered = true;
        let took = self.started.elapsed();
        let error = outcome.as_ref().map(|outcome| clipped(&outcome.code));
        let description = outcome.map(|outcome| clipped(&outcome.description));
        meter::request(self.endpoint, &self.method, (status, error.as_deref().unwrap_or("")), took);
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let Self { method, path, .. } = &self;
        let peer = self.peer.map(tracing::field::display);
        let endpoint = self.endpoint.as_str();
        let _entered = self.span.enter();
        // Probes come every few seconds, and say something only when they fail.
        if self.endpoint == Endpoint::Probe && status < 400 {
            tracing::debug!(endpoint, method, path, status, microseconds, peer, "answered");
        } else {
            tracing::info!(
                endpoint,
                method,
                path,
                status,
                microseconds,
                peer,
                error,
                description,
                "answered"
            );
        }
    }
}

impl Drop for Observed {
    /// A request whose caller went away is dropped before there is an answer.
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let Self { method, path, .. } = &*self;
        let (endpoint, peer) = (self.endpoint.as_str(), self.peer.map(tracing::field::display));
        let _entered = self.span.enter();
        tracing::info!(endpoint, method, path, peer, "not answered: the caller went away");
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(LOGGED).collect()
}
