//! `GET` on the two well-known paths.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue, PRAGMA};

use crate::http::answer;
use crate::service::{Context, Service};

/// `GET`: the document. It may be kept for a minute, since it changes with the configuration.
pub async fn get(State(service): State<Arc<Service>>) -> Response {
    let mut response = answer::json(StatusCode::OK, &super::document(&Context::new(&service)));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    response.headers_mut().remove(PRAGMA);
    response
}
