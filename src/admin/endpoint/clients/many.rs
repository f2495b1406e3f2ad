//! Changes of all clients that a filter matches.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};

use super::{caller, filter};
use crate::admin::{
    bulk, endpoint::Query, endpoint::admit, endpoint::bad_request, endpoint::refusal::call_refused,
};
use crate::http::{Problem, answer};
use crate::service::{Context, Service};
use crate::store::ClientFilter;

/// Deletes all clients that match all parameters, which are the filters of a list. At least one filter is
/// required. Clients that the operator created are never deleted. `refused` counts the clients whose deletion
/// a script denied.
///
/// # Errors
/// 400 without a filter; 401 without a valid token; 403 without the required scope; 500 and 503 if a script
/// or the store fails, with the number of clients that are already `deleted`.
pub(crate) async fn delete_all(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    let refused = |problem| call_refused(&cx, &parts, &by.author(), problem);
    let meant = meant(&parts).map_err(refused)?;
    let deleted = bulk::delete(&cx, &caller(&parts, &by), &meant).await;
    let (Ok(done) | Err((_, done))) = &deleted;
    tracing::info!(
        done.deleted,
        done.refused,
        "clients deleted by an administrator"
    );
    match deleted {
        Ok(done) => Ok(answer::json(StatusCode::OK, &done)),
        Err((error, done)) => {
            let problem = refused(error.into());
            Err(problem.member("deleted", done.deleted))
        }
    }
}

/// Returns the filter for the clients to delete. The query must have one.
fn meant(parts: &Parts) -> Result<ClientFilter, Problem> {
    let query = Query::read(&parts.uri, ClientFilter::PARAMETERS)?;
    if !ClientFilter::PARAMETERS
        .iter()
        .any(|name| query.text(name).is_some())
    {
        return Err(bad_request(&format!(
            "give at least one filter: {}",
            ClientFilter::PARAMETERS.join(", ")
        )));
    }
    if let Some(name) = ClientFilter::PARAMETERS
        .iter()
        .find(|name| query.text(name).is_some_and(str::is_empty))
    {
        return Err(bad_request(&format!(
            "{name} is empty and would match every client"
        )));
    }
    filter(&query)
}
