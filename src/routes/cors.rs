//! What pages of other origins may do.

use std::time::Duration;

use axum::body::Body;
use hyper::header::{ACCESS_CONTROL_REQUEST_HEADERS, ETAG, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Method, Request};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use crate::http::observe::CORRELATION_ID;
use crate::registration::endpoint::CHALLENGE;

/// Bytes of the names of headers that a page may ask for together.
const NAMES_BYTES: usize = 2_048;

/// Any origin, no credentials (OpenID Connect Registration sections 3 and 4): what a caller may
/// do follows from the token it sends, not from the page it runs in. It answers every `OPTIONS`.
///
/// Libraries add headers of their own (`mcp-protocol-version`, `traceparent`), so what is asked for is
/// allowed: without credentials, a header says nothing that could not be said from elsewhere.
pub(super) fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([ETAG, WWW_AUTHENTICATE, RETRY_AFTER, CORRELATION_ID, CHALLENGE])
        .max_age(Duration::from_hours(1))
}

/// The request without a list of headers that is longer than any page needs, so that no answer
/// repeats it.
pub(super) fn bounded(mut request: Request<Body>) -> Request<Body> {
    let asked = request.headers().get_all(ACCESS_CONTROL_REQUEST_HEADERS);
    if asked.iter().map(HeaderValue::len).sum::<usize>() > NAMES_BYTES {
        request.headers_mut().remove(ACCESS_CONTROL_REQUEST_HEADERS);
    }
    request
}
