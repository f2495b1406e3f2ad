//! Which path and method goes to which endpoint, and what stands around them.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Method, Request, StatusCode};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tower_http::cors::{Any, CorsLayer};

use crate::http::answer::{self, Problem};
use crate::http::stack::{self, CORRELATION_ID, Reception};
use crate::reload::Reloads;
use crate::service::Service;
use crate::{discovery, management, registration, token};

/// Every path of the server.
pub fn router(service: Arc<Service>, reloads: Arc<Reloads>) -> Router {
    let paths = &service.settings.server.paths;
    let issuer_path = url::Url::parse(&service.issuer).map(|url| url.path().trim_end_matches('/').to_owned());
    let issuer_path = issuer_path.unwrap_or_default();
    // RFC 8414 section 3.1 puts the well-known part before the issuer's path, OpenID Connect
    // Discovery section 4 behind it; without a path both are the same.
    let open = Router::new()
        .route(&paths.registration, any(registered))
        .route(
            &format!("/.well-known/oauth-authorization-server{issuer_path}"),
            get(discovery::endpoint::get),
        )
        .route(&format!("{issuer_path}/.well-known/openid-configuration"), get(discovery::endpoint::get))
        .route(&paths.jwks, get(token::endpoint::jwks))
        .layer(cors())
        // No page of a browser has the credentials of a client.
        .route(&paths.token, post_only(post(token::endpoint::token)))
        .route(&paths.introspection, post_only(post(token::endpoint::introspect)))
        .route(&paths.revocation, post_only(post(token::endpoint::revoke)))
        .route(&paths.challenge, post_only(post(registration::endpoint::challenge)));
    let limits = &service.settings.limits;
    let permits = Arc::new(Semaphore::new(limits.requests));
    let reception = Reception {
        body_bytes: limits.body_bytes,
        body_timeout_ms: limits.body_timeout_ms,
        waiting: limits.requests,
        room: Arc::default(),
    };
    let probes = Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .with_state((Arc::clone(&service), reloads));
    open.with_state(service)
        .layer(axum::middleware::from_fn_with_state(permits, stack::shed_load))
        .layer(axum::middleware::from_fn_with_state(reception, stack::receive))
        .merge(probes)
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed(&[Method::GET]) })
        .layer(axum::middleware::from_fn(stack::observe))
}

/// Other methods are told that only `POST` is answered.
fn post_only(routes: MethodRouter<Arc<Service>>) -> MethodRouter<Arc<Service>> {
    routes.fallback(|| async { Problem::method_not_allowed(&[Method::POST]) })
}

/// The registration URL is also where a client is managed, once its query names one.
async fn registered(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let is_management = management::endpoint::client_id(request.uri()).is_some();
    let method = request.method().clone();
    let state = State(service);
    match (method, is_management) {
        (Method::POST, false) => registration::endpoint::post(state, request).await,
        (Method::GET, _) => management::endpoint::get(state, request).await,
        (Method::PUT, _) => management::endpoint::put(state, request).await,
        (Method::DELETE, _) => management::endpoint::delete(state, request).await,
        _ => Err(Problem::method_not_allowed(&allowed(is_management))),
    }
}

fn allowed(is_management: bool) -> Vec<Method> {
    let managed = [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS];
    if is_management { managed.to_vec() } else { [&[Method::POST], &managed[..]].concat() }
}

/// Any origin, no credentials (OpenID Connect Registration sections 3 and 4): what a caller may
/// do follows from the token it sends, not from the page it runs in. It answers every `OPTIONS`.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            IF_MATCH,
            registration::endpoint::ATTESTATION,
            registration::endpoint::PROOF,
        ])
        .expose_headers([
            ETAG,
            WWW_AUTHENTICATE,
            RETRY_AFTER,
            CORRELATION_ID,
            registration::endpoint::CHALLENGE,
        ])
        .max_age(std::time::Duration::from_hours(1))
}

/// The process is alive.
async fn healthy() -> Response {
    answer::json(StatusCode::OK, &status("ok"))
}

/// The process can do its work. Scripts or a configuration that did not load do not make it
/// unready, since those before them are in force; the answer says so.
async fn ready(State((service, reloads)): State<(Arc<Service>, Arc<Reloads>)>) -> Response {
    if let Err(error) = service.store.check().await {
        tracing::error!(%error, "the store does not answer");
        return Problem::unavailable("the store does not answer", 5).into_response();
    }
    let mut body = status("ok");
    let scripts = &service.snapshot().scripts;
    body.insert("scripts".to_owned(), scripts.revision().into());
    body.insert("scriptsSince".to_owned(), scripts.since().unix().into());
    for (name, error) in reloads.failures() {
        body.insert(name.to_owned(), error.into());
    }
    answer::json(StatusCode::OK, &body)
}

fn status(text: &str) -> Map<String, Value> {
    Map::from_iter([("status".to_owned(), text.into())])
}
