//! The routes: which path and method belong to which endpoint, and the layers around them, with what pages of
//! other origins may do (CORS).

mod admin;
mod console;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, any, get, post};
use hyper::header::{
    ACCESS_CONTROL_REQUEST_HEADERS, ETAG, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Method, Request};
use tokio::sync::Semaphore;
use tower::util::MapRequestLayer;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use crate::config::Paths;
use crate::console::PATH;
use crate::discovery;
use crate::http::{
    DocumentHost, Problem, Reception, RequestObserver, Site, below, document_host,
    observe::CORRELATION_ID, receive,
};
use crate::management;
use crate::publication;
use crate::registration::{self, CHALLENGE_HEADER};
use crate::server::probes;
use crate::service::{Context, Service};
use crate::telemetry::Endpoint;
use crate::token;
use crate::trial::Observer;

pub(crate) use crate::admin::endpoint::audit::log as log_audit_event;
pub(crate) use admin::admin;
pub(crate) use console::{OperatorListener, operations};

/// The router of the public listener: the endpoints for clients, and also `operations` if they have no
/// listener of their own.
pub(crate) fn public(
    service: &Arc<Service>,
    observer: Observer,
    operations: Option<Router>,
) -> Site {
    let limits = &service.settings.limits;
    let reception = reception(service, limits.body_bytes, limits.requests);
    let received = axum::middleware::from_fn_with_state(reception, receive::receive);
    let paths = &service.settings.server.paths;
    // All in one layer: a router copies each layer for each request.
    let pages = (
        received.clone(),
        MapRequestLayer::new(without_long_lists),
        cors(),
    );
    let clients = open_to_pages(paths, observer)
        .layer(pages)
        .merge(closed_to_pages(paths).layer(received))
        .with_state(Arc::clone(service));
    observed(clients.merge(operations.unwrap_or_default()), service)
}

/// The endpoints that need the credentials of a client. Pages in a browser never have them, so these endpoints have no
/// CORS headers.
fn closed_to_pages(paths: &Paths) -> Router<Arc<Service>> {
    Router::new()
        .route(&paths.token, post_only(post(token::endpoint::token)))
        .route(
            &paths.introspection,
            post_only(post(token::endpoint::introspect)),
        )
        .route(&paths.revocation, post_only(post(token::endpoint::revoke)))
}

/// The endpoints that pages of any origin may call.
fn open_to_pages(paths: &Paths, observer: Observer) -> Router<Arc<Service>> {
    let document = || readable(get(discovery::endpoint::get));
    Router::new()
        .route(
            &paths.registration,
            any(move |state, request| registered(state, observer.clone(), request)),
        )
        .route("/.well-known/oauth-authorization-server", document())
        .route("/.well-known/openid-configuration", document())
        .route(
            "/.well-known/udap",
            readable(get(discovery::endpoint::udap)),
        )
        .route(&paths.jwks, readable(get(token::endpoint::jwks)))
        .route(
            &format!("{}/{{id}}", paths.client_documents),
            readable(get(publication::endpoint::get)),
        )
        // A page may register with an attestation, and needs a challenge for that.
        .route(
            &paths.challenge,
            post_only(post(registration::endpoint::challenge)),
        )
}

/// Limits the concurrent requests to `routes`. The body of each request is received first.
fn bounded(routes: Router<Arc<Service>>, service: Arc<Service>) -> Router {
    let limits = &service.settings.limits;
    let (body_bytes, requests) = (limits.body_bytes, limits.requests);
    bounded_by(body_bytes, requests, routes, service)
}

/// As [`bounded`], with other limits: the size of a body in bytes, and the concurrent requests.
fn bounded_by(
    body_bytes: usize,
    requests: usize,
    routes: Router<Arc<Service>>,
    service: Arc<Service>,
) -> Router {
    let reception = reception(&service, body_bytes, requests);
    routes
        .with_state(service)
        .layer(axum::middleware::from_fn_with_state(
            reception,
            receive::receive,
        ))
}

/// Receives bodies of at most `body_bytes` bytes, and lets `requests` be processed at the same time.
fn reception(service: &Service, body_bytes: usize, requests: usize) -> Reception {
    Reception {
        body_bytes,
        body_timeout_ms: service.settings.limits.body_timeout_ms,
        waiting: requests,
        room: Arc::default(),
        permits: Arc::new(Semaphore::new(requests)),
    }
}

/// The router of the admin listener.
pub(crate) fn operational(service: &Service, operations: Router) -> Site {
    observed(operations, service)
}

/// Adds to `router` the answers for all other paths and methods, and what surrounds every request.
fn observed(router: Router, service: &Service) -> Site {
    let router = router
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed(&[Method::GET]) });
    let below = below::issuer(router, own_path(&service.issuer));
    let documents = document_host(service);
    Site {
        router: document_host::documents(below, documents.clone()),
        observer: observer(service, documents),
    }
}

/// Returns the host of documents, if requests for them need another route.
fn document_host(service: &Service) -> Option<Arc<DocumentHost>> {
    let path = &service.settings.server.paths.client_documents;
    let host = DocumentHost::new(&service.document_base, &service.issuer, path);
    host.map(Arc::new)
}

fn observer(service: &Service, documents: Option<Arc<DocumentHost>>) -> RequestObserver {
    let server = &service.settings.server;
    let (paths, issuer_path) = (server.paths.clone(), own_path(&service.issuer));
    let endpoint = Arc::new(move |request: &Request<Body>| {
        let path = request.uri().path();
        let document = documents
            .as_ref()
            .and_then(|host| host.document_path(request));
        let inner = document.or_else(|| below::path(path, &issuer_path));
        endpoint(&paths, inner.as_deref().unwrap_or(path), request)
    });
    let is_https = service.issuer.starts_with("https:");
    RequestObserver {
        endpoint,
        is_https,
        trusted_proxies: server.trusted_proxies.clone(),
    }
}

/// Returns the path of the issuer; empty if it has none.
fn own_path(issuer: &str) -> Arc<str> {
    let path = url::Url::parse(issuer).map(|url| url.path().trim_end_matches('/').to_owned());
    path.unwrap_or_default().into()
}

/// Returns the endpoint that a request of `path` is counted for.
fn endpoint(paths: &Paths, path: &str, request: &Request<Body>) -> Endpoint {
    let tokens = [
        &paths.token,
        &paths.introspection,
        &paths.revocation,
        &paths.jwks,
    ];
    let is_management = || {
        request.method() != Method::POST || management::endpoint::client_id(request.uri()).is_some()
    };
    match path {
        _ if path == paths.registration && is_management() => Endpoint::Management,
        _ if path == paths.registration => Endpoint::Registration,
        _ if tokens.into_iter().any(|own| own == path) => Endpoint::Token,
        _ if path.starts_with("/.well-known/") => Endpoint::Discovery,
        _ if is_below(path, &paths.client_documents) => Endpoint::Documents,
        _ if path.starts_with("/admin/") || path == paths.config => Endpoint::Admin,
        _ if path.starts_with(PATH) || path == "/console" => Endpoint::Console,
        _ if probes::PATHS.contains(&path) => Endpoint::Probe,
        _ => Endpoint::Other,
    }
}

/// Whether `path` is one level below `folder`.
fn is_below(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

const READ: &[Method] = &[Method::GET, Method::HEAD];

/// Answers other methods with the methods that are supported.
fn only(
    routes: MethodRouter<Arc<Service>>,
    methods: &'static [Method],
) -> MethodRouter<Arc<Service>> {
    routes.fallback(|| async { Problem::method_not_allowed(methods) })
}

/// Answers other methods with `POST` as the only supported one.
fn post_only(routes: MethodRouter<Arc<Service>>) -> MethodRouter<Arc<Service>> {
    only(routes, &[Method::POST])
}

/// Routes requests to the registration URL, which is also the management URL once its query names a client.
///
/// The handlers are boxed: the future of a registration has some ten thousand bytes, and each layer around it
/// would move all of them, for a `GET` too.
async fn registered(
    State(service): State<Arc<Service>>,
    observer: Observer,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (request, followed) = observer.begin(&service, request);
    let Some(followed) = followed else {
        return answer_registered(service, request).await;
    };
    let answered = answer_registered(Arc::clone(&service), request).await;
    let response = answered.unwrap_or_else(Problem::into_response);
    Ok(followed.end(&service, response).await)
}

async fn answer_registered(
    service: Arc<Service>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let method = request.method().clone();
    let is_management = matches!(method, Method::GET | Method::PUT | Method::DELETE)
        || management::endpoint::client_id(request.uri()).is_some();
    let state = State(service);
    match method {
        Method::GET => Box::pin(management::endpoint::get(state, request)).await,
        Method::PUT => Box::pin(management::endpoint::put(state, request)).await,
        Method::DELETE => Box::pin(management::endpoint::delete(state, request)).await,
        Method::POST if !is_management => {
            Box::pin(registration::endpoint::post(state, request)).await
        }
        _ => {
            let has_deletion = Context::new(&state.0).settings().client_deletion_enabled;
            Err(Problem::method_not_allowed(&allowed(
                is_management,
                has_deletion,
            )))
        }
    }
}

/// Returns the methods of the registration URL: `POST` only without a client, `DELETE` only where clients may
/// delete themselves. The error for a forbidden deletion uses the same list.
fn allowed(is_management: bool, has_deletion: bool) -> Vec<Method> {
    let mut allowed = Vec::with_capacity(5);
    if !is_management {
        allowed.push(Method::POST);
    }
    allowed.extend([Method::GET, Method::PUT]);
    if has_deletion {
        allowed.push(Method::DELETE);
    }
    allowed.push(Method::OPTIONS);
    allowed
}

/// Answers other methods with the reading methods as the only supported ones.
fn readable(routes: MethodRouter<Arc<Service>>) -> MethodRouter<Arc<Service>> {
    only(routes, &[Method::GET, Method::HEAD, Method::OPTIONS])
}

/// The maximum length of all header names that a page may request, in bytes.
const NAMES_BYTES: usize = 2_048;

/// Any origin, no credentials (OpenID Connect Registration sections 3 and 4): what a caller may do depends on
/// the token that it sends, not on the page that it runs in. This layer answers every `OPTIONS` request.
///
/// Libraries add headers of their own (`mcp-protocol-version`, `traceparent`), so every requested header is
/// allowed. Without credentials, a header grants nothing that a program outside a browser could not send too.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            ETAG,
            WWW_AUTHENTICATE,
            RETRY_AFTER,
            CORRELATION_ID,
            CHALLENGE_HEADER,
        ])
        .max_age(Duration::from_hours(1))
}

/// Removes a list of requested headers that is longer than any page needs, so that the answer does not repeat
/// it.
fn without_long_lists(mut request: Request<Body>) -> Request<Body> {
    let asked = request.headers().get_all(ACCESS_CONTROL_REQUEST_HEADERS);
    if asked.iter().map(HeaderValue::len).sum::<usize>() > NAMES_BYTES {
        request.headers_mut().remove(ACCESS_CONTROL_REQUEST_HEADERS);
    }
    request
}
