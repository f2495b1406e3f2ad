//! `GET` of all clients with their secrets, and `POST` of what such a `GET` gave.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use serde_json::{Map, Value};

use super::endpoint::{Query, admit, bad_request, store_problem, unreadable, unsupported};
use super::endpoint_refusal::call_refused;
use super::export;
use super::import::{self, Import, ImportFault, Tally};
use crate::http::answer::{self, Problem};
use crate::http::lines::Lines;
use crate::service::{Context, Service};
use crate::store::audit::Action;
use crate::store::import::Existing;

/// JSON texts, a line each (<https://github.com/ndjson/ndjson-spec>).
const NDJSON: &str = "application/x-ndjson";
/// What the same thing is called elsewhere.
const ALSO_NDJSON: &[&str] = &[NDJSON, "application/ndjson", "application/jsonl"];

/// `GET` of all clients: a stream of JSON objects, a line each, with the secrets in clear. The last
/// line has the one member `clients`, their number; an answer without it was cut off.
///
/// # Errors
/// 400 when there are parameters, 401 and 403 who may not, 503 when the store fails.
pub async fn export(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_export).await?;
    Query::read(&parts.uri, &[])?;
    // Nobody gets the secrets without a word in the log.
    let event = by.did(Action::ClientsExported, "", service.clock.now());
    service.store.audit.append(&event).await.map_err(|error| store_problem(&error))?;
    tracing::info!("an administrator exports the clients");
    let mut response = Response::new(Body::from_stream(export::lines(&service)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `POST` of the lines of an export. `existing` says what becomes of clients that are there
/// already: `refuse` (400 at the first one, which is what happens when nothing is said), `skip` or
/// `replace`. The body may be of any length; a line may not, and each piece of it must come within
/// `limits.bodyTimeoutMs`.
///
/// # Errors
/// 400 with the `line` that is wrong, 401 and 403 who may not, 408 when nothing comes any more,
/// 415 for another media type, 503 when the store fails. What came before is imported, and the
/// answer says how many clients that are.
pub async fn import(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, body) = request.into_parts();
    // Whoever imports gives clients secrets and trust of its choice, so both scopes are needed.
    admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    let by = admit(&cx, &parts, |scopes| &scopes.clients_export).await?;
    let refused = |problem| call_refused(&cx, &parts, &by.author(), problem);
    let existing = existing(&parts).map_err(refused)?;
    let mut lines = Lines::new(body, import::LINE, service.settings.limits.body_timeout_ms);
    let mut import = Import::new(&cx, &by, existing);
    let outcome = import.run(&mut lines).await;
    let tally = import.tally;
    tracing::info!(?tally, "an administrator imported clients");
    match outcome {
        Ok(()) => Ok(answer::json(StatusCode::OK, &told(tally))),
        Err(fault) => {
            lines.drain().await;
            let problem = refused(problem(&fault));
            Err(told(tally).into_iter().fold(problem, |problem, (name, value)| problem.member(&name, value)))
        }
    }
}

/// What is to become of clients that are there already, if this is a request with lines.
fn existing(parts: &Parts) -> Result<Existing, Problem> {
    let query = Query::read(&parts.uri, &["existing"])?;
    let existing = match query.text("existing") {
        None | Some("refuse") => Existing::Refuse,
        Some("skip") => Existing::Skip,
        Some("replace") => Existing::Replace,
        Some(_) => return Err(bad_request("existing must be refuse, skip or replace")),
    };
    media_type(&parts.headers).map(|()| existing)
}

fn media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let is_plain = headers.get(CONTENT_ENCODING).is_none_or(|coding| coding == "identity");
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_known = ALSO_NDJSON.contains(&essence.as_str());
    if is_plain && is_known { Ok(()) } else { Err(unsupported(NDJSON)) }
}

fn told(tally: Tally) -> Map<String, Value> {
    let Tally { imported, skipped, replaced, odd } = tally;
    let mut members = Map::new();
    for (name, count) in [("imported", imported), ("skipped", skipped), ("replaced", replaced)] {
        members.insert(name.to_owned(), count.into());
    }
    if odd > 0 {
        members.insert("warnings".to_owned(), odd.into());
    }
    members
}

fn problem(fault: &ImportFault) -> Problem {
    let refused = |code: &'static str, number: usize| {
        Problem::new(StatusCode::BAD_REQUEST, code, &fault.to_string()).member("line", number)
    };
    match fault {
        ImportFault::Line { number, .. } | ImportFault::Cut { number } => refused("invalid_import", *number),
        ImportFault::Exists { number } => refused("client_exists", *number),
        ImportFault::Body(error) => unreadable(error),
        ImportFault::Store(error) => store_problem(error),
    }
}
