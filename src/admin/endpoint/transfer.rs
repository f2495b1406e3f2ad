//! Exports all clients with their secrets, and imports such an export.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};

use super::refusal::call_refused;
use super::{Query, admit, bad_request, store_problem, unreadable, unsupported};
use crate::admin::import::{self, Import, ImportFault, ImportTally};
use crate::admin::{Administrator, export};
use crate::http::{BodyLines, Problem, answer, media_type};
use crate::service::{Context, Service};
use crate::store::audit::Action;
use crate::store::transfer::Existing;

/// JSON texts, one per line (<https://github.com/ndjson/ndjson-spec>).
const NDJSON: &str = "application/x-ndjson";
/// Other names for the same media type.
const ALSO_NDJSON: &[&str] = &[NDJSON, "application/ndjson", "application/jsonl"];

/// Returns all clients: a stream of JSON objects, one per line, with the secrets in clear text. The last line
/// has only the member `clients`, their number. A response without this line is truncated.
///
/// # Errors
/// 400 if there are parameters, 401 without a valid token, 403 without the required scope, 503 if the store
/// fails.
pub(crate) async fn export(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_export).await?;
    Query::read(&parts.uri, &[])?;
    // No caller gets the secrets without an event in the audit log.
    let event = by.did(Action::ClientsExported, "", service.clock.now());
    service.store.audit.append(&event).await?;
    tracing::info!("export of all clients started by an administrator");
    let mut response = Response::new(Body::from_stream(export::lines(&service)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Imports the lines of an export. `existing` selects the handling of clients that already exist: `refuse`
/// (400 at the first such client; the default), `skip` or `replace`. The length of the body is unlimited. The
/// length of a line is limited, and each piece of the body must arrive within `limits.bodyTimeoutMs`.
///
/// # Errors
/// 400 with the number of the invalid `line`, 401 without a valid token, 403 without the required scopes, 408
/// if the body stalls, 415 for another media type, 503 if the store fails. Lines before the error are
/// imported, and the response has the number of these clients.
pub(crate) async fn import(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, body) = request.into_parts();
    let by = admit_import(&cx, &parts).await?;
    let refused = |problem| call_refused(&cx, &parts, &by.author(), problem);
    let existing = existing(&parts).map_err(refused)?;
    let mut lines = BodyLines::new(body, import::LINE, service.settings.limits.body_timeout_ms);
    let mut import = Import::new(&cx, &by, existing);
    let outcome = import.run(&mut lines).await;
    let tally = import.tally;
    tracing::info!(?tally, "clients imported by an administrator");
    match outcome {
        Ok(()) => Ok(answer::json(StatusCode::OK, &tally)),
        Err(fault) => {
            lines.drain().await;
            Err(with_tally(refused(problem(&fault)), tally))
        }
    }
}

/// Admits a caller with both scopes for an import, which sets the secrets and the trust level of clients.
async fn admit_import(cx: &Context<'_>, parts: &Parts) -> Result<Administrator, Problem> {
    admit(cx, parts, |scopes| &scopes.clients_write).await?;
    admit(cx, parts, |scopes| &scopes.clients_export).await
}

/// Adds the result so far to `problem`.
fn with_tally(problem: Problem, tally: ImportTally) -> Problem {
    let problem = problem
        .member("imported", tally.imported)
        .member("skipped", tally.skipped)
        .member("replaced", tally.replaced);
    if tally.odd > 0 {
        problem.member("warnings", tally.odd)
    } else {
        problem
    }
}

/// Returns the handling of existing clients, after a check of the query and the media type.
fn existing(parts: &Parts) -> Result<Existing, Problem> {
    let query = Query::read(&parts.uri, &["existing"])?;
    let existing = match query.text("existing") {
        None | Some("refuse") => Existing::Refuse,
        Some("skip") => Existing::Skip,
        Some("replace") => Existing::Replace,
        Some(_) => return Err(bad_request("existing must be refuse, skip or replace")),
    };
    if media_type::is_one_of(&parts.headers, ALSO_NDJSON) {
        Ok(existing)
    } else {
        Err(unsupported(NDJSON))
    }
}

fn problem(fault: &ImportFault) -> Problem {
    let refused = |code: &'static str, number: usize| {
        Problem::new(StatusCode::BAD_REQUEST, code, &fault.to_string()).member("line", number)
    };
    match fault {
        ImportFault::Line { number, .. } | ImportFault::Cut { number } => {
            refused("invalid_import", *number)
        }
        ImportFault::Exists { number } => refused("client_exists", *number),
        ImportFault::Body(error) => unreadable(error),
        ImportFault::Store(error) => store_problem(error),
    }
}
