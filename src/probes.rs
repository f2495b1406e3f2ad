//! What those who run the server ask it: is it alive, is it ready, what has it done.

mod recent;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value};

use crate::http::answer::{self, Problem};
use crate::reload::Reloads;
use crate::service::{Service, Upstream};
use crate::telemetry::meter;
use recent::Recent;

/// The paths of the probes.
pub const PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// What the answers are drawn from.
#[derive(Clone)]
struct Sources {
    service: Arc<Service>,
    reloads: Arc<Reloads>,
    /// Whether the store answered.
    store: Arc<Recent>,
}

/// The probes: on the admin listener when there is one.
pub fn router(service: Arc<Service>, reloads: Arc<Reloads>) -> Router {
    let [health, readiness, numbers] = PATHS;
    Router::new()
        .route(health, get(healthy))
        .route(readiness, get(ready))
        .route(numbers, get(measured))
        .with_state(Sources { service, reloads, store: Arc::default() })
}

/// Notes what is not counted as it happens.
async fn look(service: &Service) {
    match service.store.statistics().await {
        Ok(store) => {
            let clients = store.clients.map(|(level, count)| (level.as_str(), count));
            meter::store(&clients, store.disk_bytes);
        }
        Err(error) => tracing::error!(%error, "the store does not say what is in it"),
    }
    let snapshot = service.snapshot();
    let runtime = snapshot.scripts.runtime();
    meter::notifications(runtime.notifications_waiting(), runtime.notifications_lost());
}

/// The process is alive.
async fn healthy() -> Response {
    answer::json(StatusCode::OK, &status("ok"))
}

/// The process can do its work. Scripts or a configuration that did not load do not make it
/// unready, since those before them are in force, nor does a server beside this one that is down:
/// clients are registered all the same. The answer says so.
async fn ready(State(Sources { service, reloads, store }): State<Sources>) -> Response {
    if !store.is_well(|| store_answers(&service)).await {
        return Problem::unavailable("the store does not answer", 5).into_response();
    }
    let mut body = status("ok");
    let scripts = &service.snapshot().scripts;
    body.insert("scripts".to_owned(), scripts.revision().into());
    body.insert("scriptsSince".to_owned(), scripts.since().unix().into());
    for (name, error) in reloads.failures() {
        body.insert(name.to_owned(), error.into());
    }
    if let Some(trouble) = service.upstream.as_ref().and_then(Upstream::trouble) {
        body.insert("upstreamError".to_owned(), trouble.into());
    }
    if let Some(jump) = service.steady.jump() {
        body.insert("sweepHeld".to_owned(), jump.to_string().into());
    }
    answer::json(StatusCode::OK, &body)
}

/// Looks whether the store takes writes, by one that is flushed.
fn store_answers(service: &Service) -> impl Future<Output = bool> + Send + use<> {
    let store = service.store.clone();
    async move {
        let outcome = store.check().await;
        if let Err(error) = &outcome {
            tracing::error!(%error, "the store does not answer");
        }
        outcome.is_ok()
    }
}

fn status(text: &str) -> Map<String, Value> {
    Map::from_iter([("status".to_owned(), text.into())])
}

/// The numbers of this process in the text format of Prometheus.
async fn measured(State(Sources { service, .. }): State<Sources>) -> Response {
    look(&service).await;
    let Some(text) = meter::text() else {
        let description = "the program around this server keeps the numbers elsewhere";
        return Problem::new(StatusCode::NOT_FOUND, "not_found", description).into_response();
    };
    let mut response = answer::empty(StatusCode::OK);
    *response.body_mut() = Body::from(text);
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, format);
    response
}
