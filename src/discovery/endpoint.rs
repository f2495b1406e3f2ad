//! `GET` on the two well-known paths.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue, PRAGMA};

use crate::http::{Problem, answer};
use crate::service::{Context, MetadataDocument, Service};

/// Seconds until a client may retry.
const RETRY: u64 = 10;

/// `GET`: returns the metadata document. It may be cached for a minute, since it changes with the
/// configuration.
///
/// # Errors
/// 503 while the upstream metadata is unavailable.
pub(crate) async fn get(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    Ok(kept(&document(&cx).await?))
}

/// `GET`: returns the UDAP document, if clients can register with UDAP.
///
/// # Errors
/// 404 if they cannot, 503 while the upstream metadata is unavailable.
pub(crate) async fn udap(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    match super::udap::document(&cx, &document(&cx).await?) {
        None => Err(Problem::not_found()),
        Some(Ok(document)) => Ok(kept(&document)),
        Some(Err(error)) => {
            tracing::error!(%error, "cannot sign the UDAP metadata");
            Err(Problem::server_error())
        }
    }
}

async fn document(cx: &Context<'_>) -> Result<MetadataDocument, Problem> {
    let theirs = match &cx.service.upstream {
        Some(upstream) => Some(upstream.metadata().await.map_err(|_| not_now())?),
        None => None,
    };
    Ok(super::document(cx, theirs.as_deref()))
}

fn kept(document: &MetadataDocument) -> Response {
    let mut response = answer::json(StatusCode::OK, document);
    response.headers_mut().insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=60"),
    );
    response.headers_mut().remove(PRAGMA);
    response
}

/// An incomplete document is not sent, since clients would cache it as the complete one.
fn not_now() -> Problem {
    let description = "the metadata of the upstream authorization server is currently unavailable; retry \
                       later";
    Problem::unavailable(description, RETRY)
}
