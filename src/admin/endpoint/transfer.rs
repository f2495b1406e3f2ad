//! Exports all clients with their secrets, and imports such an export.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use futures_util::stream::{BoxStream, StreamExt, try_unfold};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};

use super::refusal::call_refused;
use crate::admin::{
    Administrator, endpoint::Query, endpoint::admit, endpoint::bad_request,
    endpoint::store_problem, endpoint::unreadable, endpoint::unsupported, import, import::Import,
    import::ImportFault, import::ImportTally,
};
use crate::base::SealError;
use crate::http::{BodyLines, Problem, answer, media_type};
use crate::service::{Context, Service};
use crate::store::{
    Action, ClientLine, Existing, StoreError, Stored, transfer::CLIENTS, transfer::append_line,
};

/// JSON texts, one per line (<https://github.com/ndjson/ndjson-spec>).
const NDJSON: &str = "application/x-ndjson";
/// Other names for the same media type.
const ALSO_NDJSON: &[&str] = &[NDJSON, "application/ndjson", "application/jsonl"];

/// The number of clients in memory at a time.
const EXPORTED_AT_ONCE: usize = 100;

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
    let mut response = Response::new(Body::from_stream(export_lines(&service)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Why an export ends before its last line.
#[derive(Debug, thiserror::Error)]
enum ExportFault {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret cannot be decrypted.
    #[error("the secret of the client {0}: {1}")]
    Seal(String, SealError),
    /// A line cannot be written.
    #[error("a line cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// The remaining pages, and the number of clients written so far.
struct ExportPosition {
    pages: BoxStream<'static, Result<Vec<Stored>, StoreError>>,
    clients: u64,
    is_over: bool,
}

/// Returns the lines of all clients, ordered by identifier, in chunks. The last line has their number; an
/// export without it is truncated. Clients that the operator created, such as the administrator, belong to
/// their server and are left out.
fn export_lines(
    service: &Arc<Service>,
) -> impl futures_util::Stream<Item = Result<Vec<u8>, ExportFault>> + Send + use<> {
    let service = Arc::clone(service);
    let pages = service.store.clients.pages(EXPORTED_AT_ONCE).boxed();
    try_unfold(
        ExportPosition {
            pages,
            clients: 0,
            is_over: false,
        },
        move |position| {
            let service = Arc::clone(&service);
            async move {
                let next = next_lines(&service, position).await;
                next.inspect_err(|error| tracing::error!(%error, "client export aborted"))
            }
        },
    )
}

async fn next_lines(
    service: &Service,
    mut position: ExportPosition,
) -> Result<Option<(Vec<u8>, ExportPosition)>, ExportFault> {
    if position.is_over {
        return Ok(None);
    }
    let mut text = Vec::new();
    let Some(page) = position.pages.next().await.transpose()? else {
        let last = serde_json::json!({ CLIENTS: position.clients });
        append_line(&mut text, &last)?;
        position.is_over = true;
        return Ok(Some((text, position)));
    };
    for stored in page.iter().filter(|stored| !stored.client().is_operators()) {
        let client = stored.client();
        let members = ClientLine::new(client, &service.store.sealing_keys)
            .map_err(|error| ExportFault::Seal(client.id.to_string(), error))?;
        append_line(&mut text, &members)?;
        position.clients += 1;
    }
    Ok(Some((text, position)))
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
