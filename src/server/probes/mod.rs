//! The probes for operators: liveness, readiness and metrics.

mod certificates;
mod recent;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, StatusCode};
use serde_json::{Map, Value};

use crate::events;
use crate::http::{Problem, answer, peer};
use crate::service::{Service, Upstream};
use crate::telemetry::meter;
pub(crate) use certificates::Certificates;
use recent::Recent;

/// The paths of the probes.
pub(crate) const PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// The callers that may see more than whether the server works.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Every caller: only operators reach the listener.
    Everyone,
    /// Callers on this machine: clients reach the listener too.
    ThisMachine,
}

/// What the answers are built from.
#[derive(Clone)]
struct ProbeState {
    service: Arc<Service>,
    certificates: Certificates,
    /// Whether the store answered recently.
    store: Arc<Recent>,
    audience: Audience,
}

impl ProbeState {
    /// Whether the sender of `request` may see more than whether the server works.
    fn may_see_more(&self, request: Request<Body>) -> bool {
        self.audience == Audience::Everyone || peer::is_local(&request.into_parts().0)
    }
}

/// The routes of the probes. They are on the admin listener if there is one. `audience` may see the metrics
/// and the failures.
pub(crate) fn router(
    service: Arc<Service>,
    certificates: Certificates,
    audience: Audience,
) -> Router {
    let [health, readiness, numbers] = PATHS;
    Router::new()
        .route(health, get(healthy))
        .route(readiness, get(ready))
        .route(numbers, get(measured))
        .with_state(ProbeState {
            service,
            certificates,
            store: Arc::default(),
            audience,
        })
}

/// Updates the metrics that are read instead of counted.
async fn look(service: &Service) {
    match service.store.statistics().await {
        Ok(store) => {
            let clients = store.clients.map(|(level, count)| (level.as_str(), count));
            meter::store(&clients, store.disk_bytes);
        }
        Err(error) => tracing::error!(%error, "cannot read the statistics of the store"),
    }
    match events::statuses(service).await {
        Ok(consumers) => {
            for consumer in consumers {
                meter::consumer(&consumer.name, consumer.lag, consumer.parked);
            }
        }
        Err(error) => tracing::error!(%error, "cannot read how far events were delivered"),
    }
}

/// The process is alive.
async fn healthy() -> Response {
    answer::json(StatusCode::OK, &status("ok"))
}

/// The process is ready. It stays ready when scripts or a configuration cannot be loaded, since the previous
/// ones are still used, and when the upstream server is unavailable, since clients can still be registered.
/// The answer reports these failures to its audience.
async fn ready(State(sources): State<ProbeState>, request: Request<Body>) -> Response {
    let may_see_more = sources.may_see_more(request);
    let ProbeState { service, store, .. } = sources;
    if !store.is_well(|| store_answers(&service)).await {
        return Problem::unavailable("the store does not respond", 5).into_response();
    }
    let mut body = status("ok");
    if !may_see_more {
        return answer::json(StatusCode::OK, &body);
    }
    body.extend(details(&service));
    answer::json(StatusCode::OK, &body)
}

/// Returns the members of `/readyz` that only operators see.
fn details(service: &Service) -> Map<String, Value> {
    let mut details = Map::new();
    let snapshot = service.snapshot();
    let scripts = &snapshot.scripts;
    details.insert("scripts".to_owned(), scripts.revision().into());
    details.insert("scriptsSince".to_owned(), scripts.since().unix().into());
    if let Some(pin) = &snapshot.pin {
        details.insert("scriptsPinned".to_owned(), pin.version.as_str().into());
    }
    for (name, error) in service.reloads.failures() {
        details.insert(name.to_owned(), error.into());
    }
    if let Some(trouble) = service.upstream.as_ref().and_then(Upstream::trouble) {
        details.insert("upstreamError".to_owned(), trouble.into());
    }
    if let Some(jump) = service.steady.jump() {
        details.insert("sweepHeld".to_owned(), jump.to_string().into());
    }
    details
}

/// Checks whether the store accepts writes, by one that is flushed.
fn store_answers(service: &Service) -> impl Future<Output = bool> + Send + use<> {
    let store = service.store.clone();
    async move {
        let outcome = store.check().await;
        if let Err(error) = &outcome {
            tracing::error!(%error, "the store does not respond");
        }
        outcome.is_ok()
    }
}

fn status(text: &str) -> Map<String, Value> {
    Map::from_iter([("status".to_owned(), text.into())])
}

/// The metrics of this process in the text format of Prometheus.
async fn measured(State(sources): State<ProbeState>, request: Request<Body>) -> Response {
    if !sources.may_see_more(request) {
        let description = "metrics are available only from this machine, without a proxy: set admin.listen to \
                           serve them to other machines";
        return Problem::new(StatusCode::FORBIDDEN, "access_denied", description).into_response();
    }
    look(&sources.service).await;
    let ends = sources.certificates.ends(&sources.service);
    // The numbers of the process are read from files.
    let text = tokio::task::spawn_blocking(move || meter::exposition(&ends)).await;
    let Some(text) = text.ok().flatten() else {
        let description = "the program that embeds this server keeps the metrics elsewhere";
        return Problem::new(StatusCode::NOT_FOUND, "not_found", description).into_response();
    };
    let mut response = answer::empty(StatusCode::OK);
    *response.body_mut() = Body::from(text);
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, format);
    response
}
