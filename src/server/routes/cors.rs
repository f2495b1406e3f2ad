//! What pages of other origins may do (CORS).

use std::time::Duration;

use axum::body::Body;
use hyper::header::{
    ACCESS_CONTROL_REQUEST_HEADERS, ETAG, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Method, Request};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use crate::http::observe::CORRELATION_ID;
use crate::registration::endpoint::CHALLENGE;

/// The maximum length of all header names that a page may request, in bytes.
const NAMES_BYTES: usize = 2_048;

/// Any origin, no credentials (OpenID Connect Registration sections 3 and 4): what a caller may do depends on
/// the token that it sends, not on the page that it runs in. This layer answers every `OPTIONS` request.
///
/// Libraries add headers of their own (`mcp-protocol-version`, `traceparent`), so every requested header is
/// allowed. Without credentials, a header grants nothing that a program outside a browser could not send too.
pub(super) fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            ETAG,
            WWW_AUTHENTICATE,
            RETRY_AFTER,
            CORRELATION_ID,
            CHALLENGE,
        ])
        .max_age(Duration::from_hours(1))
}

/// Removes a list of requested headers that is longer than any page needs, so that the answer does not repeat
/// it.
pub(super) fn bounded(mut request: Request<Body>) -> Request<Body> {
    let asked = request.headers().get_all(ACCESS_CONTROL_REQUEST_HEADERS);
    if asked.iter().map(HeaderValue::len).sum::<usize>() > NAMES_BYTES {
        request.headers_mut().remove(ACCESS_CONTROL_REQUEST_HEADERS);
    }
    request
}
