//! `GET` on the two well-known paths.

use std::sync::Arc;

use axum::body::Bytes;
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
    let theirs = upstream(&cx).await?;
    let text = cx.snapshot.published.text(theirs.as_ref(), || {
        written(&super::document(&cx, theirs.as_deref()))
    });
    Ok(kept(text))
}

/// `GET`: returns the UDAP document, if clients can register with UDAP.
///
/// # Errors
/// 404 if they cannot, 503 while the upstream metadata is unavailable.
pub(crate) async fn udap(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let theirs = upstream(&cx).await?;
    let ours = super::document(&cx, theirs.as_deref());
    match super::udap::document(&cx, &ours) {
        None => Err(Problem::not_found()),
        Some(Ok(document)) => Ok(kept(written(&document).into())),
        Some(Err(error)) => {
            tracing::error!(%error, "cannot sign the UDAP metadata");
            Err(Problem::server_error())
        }
    }
}

/// Returns the metadata of the upstream authorization server, if there is one.
async fn upstream(cx: &Context<'_>) -> Result<Option<Arc<MetadataDocument>>, Problem> {
    let Some(upstream) = &cx.service.upstream else {
        return Ok(None);
    };
    let found = upstream.metadata().await;
    found.map(Some).map_err(|_| not_now())
}

fn written(document: &MetadataDocument) -> Vec<u8> {
    serde_json::to_vec(document).unwrap_or_default()
}

fn kept(text: Bytes) -> Response {
    let mut response = answer::json_text(StatusCode::OK, text);
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
