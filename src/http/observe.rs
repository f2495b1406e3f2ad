//! What surrounds every request: the correlation id, the metrics, and one log line.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::response::{IntoResponse, Response};
use hyper::header::{
    HeaderMap, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use ipnet::IpNet;
use tower::ServiceExt as _;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::http::{LoggedProblem, framing, peer};
use crate::telemetry::{Endpoint, OpenCount, meter, trace, traces};

/// The header that identifies a request in its answer and in the log. A value that the caller sends is
/// ignored, since two requests must never share an identifier.
pub(crate) const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// One year, for this host only: its subdomains and neighbours are not for this server to decide on (RFC 6797
/// section 6.1).
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The maximum number of characters of a path, method or description in the log, since the caller decides how
/// long they are.
const LOGGED: usize = 512;

/// The [`CORRELATION_ID`] of a request. It travels with the request.
#[derive(Debug, Clone)]
pub(crate) struct CorrelationId(pub(crate) Arc<str>);

/// Returns the correlation id of the request with this head.
pub(crate) fn correlation_id(parts: &Parts) -> Option<String> {
    let id = parts.extensions.get::<CorrelationId>()?;
    Some(id.0.to_string())
}

/// What a listener serves: a router, and what surrounds each of its requests. It is not a layer of the router, since
/// a router copies each layer for each request.
pub(crate) struct Site {
    /// Answers the requests.
    pub(crate) router: Router,
    /// Observes them.
    pub(crate) observer: RequestObserver,
}

/// How requests are classified and answered.
pub(crate) struct RequestObserver {
    /// Returns the endpoint that a request goes to.
    pub(crate) endpoint: Arc<dyn Fn(&Request) -> Endpoint + Send + Sync>,
    /// Whether clients reach the server by https, and should never try without.
    pub(crate) is_https: bool,
    /// Proxies that are trusted to name the address of the client.
    pub(crate) trusted_proxies: Vec<IpNet>,
}

impl Site {
    /// Answers the request. Assigns a correlation id to it, counts it, and logs its outcome in one line.
    pub(super) async fn answer(self: Arc<Self>, request: Request) -> Response {
        let Self { router, observer } = &*self;
        observe(observer, router, request).await
    }
}

async fn observe(observer: &RequestObserver, router: &Router, mut request: Request) -> Response {
    let id: Arc<str> = uuid::Uuid::new_v4().to_string().into();
    let span = log_span(&id);
    let line = Observed::begin(observer, &request, span.clone());
    let traced = traces::request(&id, line.endpoint.as_str(), request.method().as_str());
    join_trace(request.headers(), &traced, &span);
    describe(&mut request, &id, line.client);
    let mut response = if let Some(problem) = framing::fault(&request) {
        problem.into_response()
    } else {
        let answer = router.clone().oneshot(request).instrument(span);
        traces::within(&traced, answer).await.into_response()
    };
    line.end(&traced, &mut response);
    put_headers(response.headers_mut(), &id, observer.is_https);
    response
}

/// Creates the span of a request in the log. Every line that is logged in it has its identifiers.
fn log_span(id: &str) -> Span {
    tracing::info_span!(
        "request",
        correlation_id = id,
        trace_id = Empty,
        client_id = Empty,
        trust_level = Empty,
        actor = Empty,
        actor_name = Empty
    )
}

/// Joins the trace that the caller names, in the exported span and in the span of the log.
fn join_trace(headers: &HeaderMap, traced: &Span, span: &Span) {
    let Some(traceparent) = only(headers, &TRACEPARENT) else {
        return;
    };
    traces::continues(traced, traceparent);
    if let Some(trace_id) = trace::trace_id(traceparent) {
        span.record("trace_id", trace_id);
    }
}

/// Adds to the request its correlation id, and the address of the client if a trusted proxy names it.
fn describe(request: &mut Request, id: &Arc<str>, client: Option<IpAddr>) {
    let extensions = request.extensions_mut();
    extensions.insert(CorrelationId(Arc::clone(id)));
    if let Some(address) = client {
        extensions.insert(peer::ForwardedAddress(address));
    }
}

/// Adds the headers that all answers have.
fn put_headers(headers: &mut HeaderMap, id: &str, is_https: bool) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(CORRELATION_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
}

/// Returns the value of a header that occurs once, in visible ASCII.
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
    /// Without the query, which may contain confidential values.
    path: String,
    peer: Option<SocketAddr>,
    /// The address of the client, if a trusted proxy names it.
    client: Option<IpAddr>,
    started: Instant,
    is_answered: bool,
    _open: OpenCount,
}

impl Observed {
    fn begin(observer: &RequestObserver, request: &Request, span: Span) -> Self {
        let info = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = info.map(|info| info.0);
        let proxies = &observer.trusted_proxies;
        let client = match peer {
            Some(peer) if peer::is_one_of(peer.ip(), proxies) => {
                Some(peer::address(peer.ip(), request.headers(), proxies))
            }
            _ => None,
        };
        Self {
            span,
            endpoint: (observer.endpoint)(request),
            method: clipped(request.method().as_str()),
            path: clipped(request.uri().path()),
            peer,
            client,
            started: Instant::now(),
            is_answered: false,
            _open: OpenCount::request(),
        }
    }

    /// Records the answer in the trace, in the metrics and in the log.
    fn end(mut self, traced: &Span, response: &mut Response) {
        self.is_answered = true;
        let took = self.started.elapsed();
        let status = response.status().as_u16();
        let problem = response.extensions_mut().remove::<LoggedProblem>();
        let exact = problem.as_ref().map(|problem| problem.code.as_str());
        traces::answered(traced, status, exact);
        let error = exact.map(clipped);
        let description = problem.as_ref().map(|it| clipped(&it.description));
        let code = error.as_deref().unwrap_or_default();
        meter::request(self.endpoint, &self.method, status, code, took);
        self.log(status, took, error.as_deref(), description.as_deref());
    }

    /// Logs the line of an answered request.
    fn log(&self, status: u16, took: Duration, error: Option<&str>, description: Option<&str>) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let Self { method, path, .. } = self;
        let peer = self.peer.map(tracing::field::display);
        let client_address = self.client.map(tracing::field::display);
        let endpoint = self.endpoint.as_str();
        let _entered = self.span.enter();
        // Probes come every few seconds, so they are logged at this level only when they fail.
        if self.endpoint == Endpoint::Probe && status < 400 {
            tracing::debug!(
                endpoint,
                method,
                path,
                status,
                microseconds,
                peer,
                client_address,
                "request answered"
            );
        } else {
            tracing::info!(
                endpoint,
                method,
                path,
                status,
                microseconds,
                peer,
                client_address,
                error,
                description,
                "request answered"
            );
        }
    }
}

impl Drop for Observed {
    /// A request whose caller has disconnected is dropped before there is an answer.
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let Self { method, path, .. } = &*self;
        let endpoint = self.endpoint.as_str();
        let peer = self.peer.map(tracing::field::display);
        let client_address = self.client.map(tracing::field::display);
        let _entered = self.span.enter();
        tracing::info!(
            endpoint,
            method,
            path,
            peer,
            client_address,
            "request not answered: the caller closed the connection"
        );
    }
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(LOGGED) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned(),
        None => text.to_owned(),
    }
}
