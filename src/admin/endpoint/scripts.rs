//! `GET` on the loaded scripts, the schema of a client, and the OpenAPI document.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::{Request, StatusCode};

use super::admit;
use crate::admin::{openapi, schema, scripts};
use crate::http::answer::{self, Problem};
use crate::service::{Context, Service};

/// Returns the loaded scripts.
///
/// # Errors
/// Returns the problem to answer with.
pub async fn get(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.scripts_read).await?;
    Ok(answer::json(StatusCode::OK, &scripts::shown(&cx)))
}

/// Returns the JSON Schema of a client.
///
/// # Errors
/// Returns the problem to answer with.
pub async fn client_schema(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.clients_read).await?;
    Ok(answer::json(StatusCode::OK, &schema::client()))
}

/// Returns the OpenAPI document.
///
/// # Errors
/// Returns the problem to answer with.
pub async fn description(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.clients_read).await?;
    Ok(answer::json(StatusCode::OK, &openapi::document(&cx)))
}
