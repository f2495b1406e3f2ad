//! `GET` and `PATCH` on the live configuration. Both authenticate the caller first.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::{ETAG, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};

use super::refusal::refused;
use crate::admin::{
    endpoint::ACCEPT_PATCH, endpoint::INVALID_REQUEST, endpoint::Query, endpoint::admit,
    endpoint::read_body, endpoint::store_problem, endpoint::unsupported,
};
use crate::http::{Problem, answer, entity_tag, expected_revisions, media_type};
use crate::live::{Document, Operations, PatchError};
use crate::service::{Context, Service};
use crate::store::{Action, Author};

/// The media type of a JSON Patch (RFC 6902 section 6).
const JSON_PATCH: &str = "application/json-patch+json";

/// Returns the configuration in force, with the origin of each value.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn get(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.config_read).await?;
    Ok(answer_with(&show(&cx)))
}

/// Changes the live configuration. With `dry_run=true`, the answer is the configuration that would be in force, with the
/// present revision, and nothing is changed.
///
/// # Errors
/// Returns the problem to answer with. Nothing is changed then.
pub(crate) async fn patch(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.config_write).await?;
    match changed(&cx, &mut parts, by.author()).await {
        Ok(document) => Ok(answer_with(&document)),
        Err(problem) => Err(refused(
            &cx,
            &by,
            (Action::ConfigurationRefused, ""),
            problem,
        )),
    }
}

/// Applies or checks the patch in a request.
async fn changed(cx: &Context<'_>, parts: &mut Parts, author: Author) -> Result<Document, Problem> {
    require_patch(&parts.headers)?;
    let query = Query::read(&parts.uri, &["dry_run"])?;
    let is_dry_run = query.parsed("dry_run", "true or false")?.unwrap_or(false);
    let body = read_body(parts)?;
    let expected = expected_revisions(&parts.headers);
    let expected = expected.map(|tags| tags.into_iter().map(str::to_owned).collect());
    let document = if is_dry_run {
        check_patch(cx, author, &body, expected).await
    } else {
        apply_patch(cx, author, &body, expected).await
    };
    document.map_err(|error| problem(&error))
}

/// Returns the configuration that applies to this request.
pub(crate) fn show(cx: &Context<'_>) -> Document {
    cx.snapshot.document(&cx.service.settings)
}

/// Applies the JSON Patch (RFC 6902) in `body`, durably and as a whole, and returns the configuration in force
/// afterwards. If `expected` is set, the current revision must be in it.
///
/// # Errors
/// Returns the reason why nothing was changed.
pub(crate) async fn apply_patch(
    cx: &Context<'_>,
    author: Author,
    body: &[u8],
    expected: Option<Vec<String>>,
) -> Result<Document, PatchError> {
    let operations = Operations::parse(body)?;
    let changes = &cx.service.changes;
    changes.patch(operations, expected, author).await
}

/// Returns the configuration that [`apply_patch`] would put in force.
///
/// # Errors
/// As [`apply_patch`].
async fn check_patch(
    cx: &Context<'_>,
    author: Author,
    body: &[u8],
    expected: Option<Vec<String>>,
) -> Result<Document, PatchError> {
    let operations = Operations::parse(body)?;
    let changes = &cx.service.changes;
    changes.check(operations, expected, author).await
}

fn answer_with(document: &Document) -> Response {
    let mut response = answer::json(StatusCode::OK, &document.members);
    if let Ok(tag) = HeaderValue::from_str(&entity_tag(&document.revision)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
        .headers_mut()
        .insert(ACCEPT_PATCH, HeaderValue::from_static(JSON_PATCH));
    response
}

/// Rejects a body that is not declared as a JSON Patch in UTF-8.
fn require_patch(headers: &HeaderMap) -> Result<(), Problem> {
    if media_type::is_in_utf8(headers, JSON_PATCH) {
        return Ok(());
    }
    let accepted = HeaderValue::from_static(JSON_PATCH);
    Err(unsupported(JSON_PATCH).header(ACCEPT_PATCH, accepted))
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
        PatchError::Store(error) => return store_problem(error),
    };
    Problem::new(status, code, &description)
}
