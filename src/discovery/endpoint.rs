//! `GET` on the two well-known paths.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue, PRAGMA};

use crate::http::answer::{self, Problem};
use crate::service::{Context, Members, Service};

/// Seconds after which a client may ask again.
const RETRY: u64 = 10;

/// `GET`: the document. It may be kept for a minute, since it changes with the configuration.
///
/// # Errors
/// 503 while there is no metadata of the server beside this one.
pub async fn get(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    Ok(kept(&document(&cx).await?))
}

/// `GET`: the document of UDAP, where clients can register with it.
///
/// # Errors
/// 404 where they cannot, 503 while there is no metadata of the server beside this one.
pub async fn udap(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    match super::udap::document(&cx, &document(&cx).await?) {
        None => Err(Problem::not_found()),
        Some(Ok(document)) => Ok(kept(&document)),
        Some(Err(error)) => {
            tracing::error!(%error, "the metadata could not be signed");
            Err(Problem::server_error())
        }
    }
}

async fn document(cx: &Context<'_>) -> Result<Members, Problem> {
    let theirs = match &cx.service.upstream {
        Some(upstream) => Some(upstream.metadata().await.map_err(|_| not_now())?),
        None => None,
    };
    Ok(super::document(cx, theirs.as_deref()))
}

fn kept(document: &Members) -> Response {
    let mut response = answer::json(StatusCode::OK, document);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    response.headers_mut().remove(PRAGMA);
    response
}

/// Half a document would be kept by clients, who would take it for the whole.
fn not_now() -> Problem {
    let description = "the metadata of the authorization server beside this one can not be had; try again";
    Problem::unavailable(description, RETRY)
}
