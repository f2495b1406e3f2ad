//! `GET` on the URL of a document.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use hyper::{Request, StatusCode, Uri};

use super::Published;
use crate::base::ClientId;
use crate::http::{Problem, entity_tag, is_known};
use crate::service::{Context, Service};
use crate::telemetry::{DocumentOutcome, meter};

/// Keeps search engines from listing documents.
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// `GET`: returns the document of a client.
///
/// # Errors
/// 404 if there is no document, and for every URL with a query: a document has one URL.
pub(crate) async fn get(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let found = match client_of(request.uri()) {
        Some(id) => super::find(&cx, &id).await?,
        None => None,
    };
    let Some(document) = found else {
        meter::hosted_document(DocumentOutcome::NotFound);
        return Err(Problem::not_found());
    };
    let tag = entity_tag(document.version());
    let is_known = is_known(request.headers(), &tag);
    meter::hosted_document(if is_known {
        DocumentOutcome::Unchanged
    } else {
        DocumentOutcome::Sent
    });
    let seconds = cx.settings().hosted_client_document_seconds;
    Ok(respond(document, is_known, &tag, seconds))
}

/// Returns the client that a URL names in exactly one form: a document has only one URL.
fn client_of(uri: &Uri) -> Option<ClientId> {
    if uri.query().is_some() {
        return None;
    }
    let (_, id) = uri.path().rsplit_once('/')?;
    ClientId::parse(id).ok()
}

/// Returns the response with the document, or 304 if the caller knows it already.
fn respond(document: Published, is_known: bool, tag: &str, seconds: u64) -> Response {
    let mut response = if is_known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(Body::from(document.octets));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(ETAG, tag);
    }
    if let Ok(caching) = HeaderValue::from_str(&format!("public, max-age={seconds}")) {
        headers.insert(CACHE_CONTROL, caching);
    }
    headers.insert(ROBOTS, HeaderValue::from_static("noindex"));
    response
}
