//! Lets an authorization server report the use of clients.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::{Request, StatusCode};
use serde_json::{Map, Value};

use super::{Named, admit, bad_request, read_body, store_problem, unknown, unsupported};
use crate::admin::used::{self, Use};
use crate::base::model::{ClientId, json};
use crate::http::answer::{self, Problem};
use crate::http::body::{self, MediaType};
use crate::service::{Context, Service};

/// Records that one client was used now, or at the time `at` of the body.
///
/// # Errors
/// Returns the problem to answer with.
pub async fn one(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (cx, said) = admitted(&service, request).await?;
    let id = ClientId::parse(&id).map_err(|_| unknown("client"))?;
    let at = used::moment(&said).map_err(bad_request)?;
    let found = service
        .store
        .clients
        .find(&id)
        .await
        .map_err(|error| store_problem(&error))?;
    found.ok_or_else(|| unknown("client"))?;
    used::note(&cx, &[Use { id, at }]);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Records the use of many clients: a list of identifiers, or of objects with `client_id` and `at`. The uses
/// are written later, so the response is 202. Unknown clients are ignored.
///
/// # Errors
/// Returns the problem to answer with.
pub async fn many(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (cx, said) = admitted(&service, request).await?;
    let uses = used::list(&said).map_err(bad_request)?;
    used::note(&cx, &uses);
    let members = Map::from_iter([("noted".to_owned(), Value::from(uses.len()))]);
    Ok(answer::json(StatusCode::ACCEPTED, &members))
}

/// Authenticates the caller and reads the body. An empty body counts as `{}`.
///
/// The use of clients is not recorded in the audit log. An authorization server reports it every few seconds,
/// so each event would cost a flush, and these events would soon displace all others among the newest
/// `store.auditEvents`. The effect, `last_used_at`, is visible, and the removal of an unused client has an
/// event of its own.
async fn admitted(
    service: &Service,
    request: Request<Body>,
) -> Result<(Context<'_>, Value), Problem> {
    let cx = Context::new(service);
    let (parts, body) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.clients_used).await?;
    let bytes = read_body(&cx, body).await?;
    if bytes.is_empty() {
        return Ok((cx, Map::new().into()));
    }
    match body::media_type(&parts.headers) {
        Ok(MediaType::Json) => {}
        Ok(MediaType::Signed) | Err(_) => return Err(unsupported("application/json")),
    }
    let said = json::parse_integral(&bytes).map_err(|error| bad_request(&error.to_string()))?;
    Ok((cx, said))
}
