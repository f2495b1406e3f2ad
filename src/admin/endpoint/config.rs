//! `GET` and `PATCH` on the live configuration. Both authenticate the caller first.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::{
    CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH,
};
use hyper::{Request, StatusCode};

use super::refusal::refused;
use super::{INVALID_REQUEST, admit, read_body};
use crate::http::answer::{self, Problem};
use crate::live::{Document, Operations, PatchError};
use crate::service::{Context, Service};
use crate::store::audit::{Action, Author};
use crate::store::outage;

/// The media type of a JSON Patch (RFC 6902 section 6).
const JSON_PATCH: &str = "application/json-patch+json";
/// Names the accepted patch media type (RFC 5789 section 3.1).
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// Returns the configuration in force, with the origin of each value.
///
/// # Errors
/// Returns the problem to answer with.
pub async fn get(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.config_read).await?;
    Ok(answer_with(&show(&cx)))
}

/// Changes the live configuration.
///
/// # Errors
/// Returns the problem to answer with. Nothing is changed then.
pub async fn patch(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, body) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.config_write).await?;
    let outcome = async {
        media_type(&parts.headers)?;
        let body = read_body(&cx, body).await?;
        let document = apply_patch(&cx, by.author(), &body, if_match(&parts.headers)).await;
        document.map_err(|error| problem(&error))
    };
    match outcome.await {
        Ok(document) => Ok(answer_with(&document)),
        Err(problem) => Err(refused(
            &cx,
            &by,
            (Action::ConfigurationRefused, ""),
            problem,
        )),
    }
}

/// Returns the configuration that applies to this request.
pub fn show(cx: &Context<'_>) -> Document {
    cx.snapshot.document(&cx.service.settings)
}

/// Applies the JSON Patch (RFC 6902) in `body`, durably and as a whole, and returns the configuration in force
/// afterwards. If `expected` is set, the current revision must be in it.
///
/// # Errors
/// Returns the reason why nothing was changed.
pub async fn apply_patch(
    cx: &Context<'_>,
    author: Author,
    body: &[u8],
    expected: Option<Vec<String>>,
) -> Result<Document, PatchError> {
    let operations = Operations::parse(body)?;
    let changes = &cx.service.changes;
    changes.patch(operations, expected, author).await
}

fn answer_with(document: &Document) -> Response {
    let mut response = answer::json(StatusCode::OK, &document.members);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", document.revision)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
        .headers_mut()
        .insert(ACCEPT_PATCH, HeaderValue::from_static(JSON_PATCH));
    response
}

/// Returns the revisions that `If-Match` names (RFC 9110 section 13.1.1), or `None` if any revision matches.
/// A weak tag never matches.
fn if_match(headers: &HeaderMap) -> Option<Vec<String>> {
    let lists: Vec<&HeaderValue> = headers.get_all(IF_MATCH).iter().collect();
    let tags = lists
        .iter()
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','));
    let tags: Vec<&str> = tags.map(str::trim).collect();
    if lists.is_empty() || tags.contains(&"*") {
        return None;
    }
    let revision = |tag: &str| tag.strip_prefix('"')?.strip_suffix('"').map(str::to_owned);
    Some(tags.into_iter().filter_map(revision).collect())
}

/// Rejects a body that is not declared as a JSON Patch in UTF-8.
fn media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let is_plain = headers
        .get(CONTENT_ENCODING)
        .is_none_or(|coding| coding == "identity");
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let mut parts = value
        .split(';')
        .map(|part| part.trim().to_ascii_lowercase());
    let is_patch = parts.next().is_some_and(|essence| essence == JSON_PATCH);
    let mut charsets =
        parts.filter_map(|part| Some(part.strip_prefix("charset=")?.trim_matches('"').to_owned()));
    if is_plain && is_patch && charsets.all(|charset| charset == "utf-8") {
        return Ok(());
    }
    let description = format!("send {JSON_PATCH} in UTF-8, without Content-Encoding");
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        INVALID_REQUEST,
        &description,
    )
    .header(ACCEPT_PATCH, HeaderValue::from_static(JSON_PATCH)))
}

/// Returns the HTTP error for a rejected patch (RFC 5789 section 2.2).
fn problem(error: &PatchError) -> Problem {
    let description = error.to_string().replace('\n', "; ");
    let (status, code) = match error {
        PatchError::Form(_) | PatchError::Operation { .. } => {
            (StatusCode::BAD_REQUEST, INVALID_REQUEST)
        }
        PatchError::Invalid(_) | PatchError::TooLong(_) => {
            (StatusCode::BAD_REQUEST, "invalid_configuration")
        }
        PatchError::TestFailed { .. } => (StatusCode::CONFLICT, "test_failed"),
        PatchError::Fixed { .. } => (StatusCode::CONFLICT, "fixed_value"),
        PatchError::Unreadable(_) => (StatusCode::CONFLICT, "invalid_file"),
        PatchError::Conflict => (StatusCode::CONFLICT, "conflict"),
        PatchError::PreconditionFailed { .. } => {
            (StatusCode::PRECONDITION_FAILED, "precondition_failed")
        }
        PatchError::Busy | PatchError::Ended => return Problem::unavailable(&description, 1),
        PatchError::Store(error) => {
            outage::tell(error);
            return Problem::unavailable("the store is currently unavailable; retry later", 5);
        }
    };
    Problem::new(status, code, &description)
}
