//! `POST`, `GET`, `PATCH` and `DELETE` on administrators.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use serde_json::Value;

use super::refusal::call_refused;
use crate::admin::administrators::{
    self, AdministratorFault, AdministratorList, AdministratorPatch, AdministratorProperties,
    NewAdministrator,
};
use crate::admin::{
    Administrator, endpoint::Named, endpoint::admit, endpoint::bad_request, endpoint::members_as,
    endpoint::read_object, endpoint::read_typed, endpoint::unknown,
};
use crate::base::absent;
use crate::http::{Problem, answer};
use crate::service::{Context, Service};

/// Creates an administrator. Only this response contains its secret.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn create(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.admins_write).await?;
    let created = match read_typed(&mut parts) {
        Ok(wanted) => administrators::create(&cx, &by, wanted)
            .await
            .map_err(problem),
        Err(problem) => Err(problem),
    };
    let created = created.map_err(|problem| call_refused(&cx, &parts, &by.author(), problem))?;
    let shown = NewAdministrator::of(&cx, &created);
    Ok(answer::json(StatusCode::CREATED, &shown))
}

/// Returns all administrators. Their number is limited, so there is one page.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.admins_read).await?;
    let found = administrators::list(&cx).await?;
    let shown = found
        .iter()
        .map(|stored| AdministratorProperties::of(&cx, stored.client()));
    let list = AdministratorList {
        administrators: shown.collect(),
    };
    Ok(answer::json(StatusCode::OK, &list))
}

/// Returns one administrator.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.admins_read).await?;
    let found = administrators::find(&cx, &id).await.map_err(problem)?;
    let shown = AdministratorProperties::of(&cx, found.client());
    Ok(answer::json(StatusCode::OK, &shown))
}

/// Changes an administrator.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn change(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.admins_write).await?;
    let changed = match read_patch(&mut parts) {
        Ok(patch) => administrators::change(&cx, &by, &id, &patch)
            .await
            .map_err(problem),
        Err(problem) => Err(problem),
    };
    let changed = changed.map_err(|problem| call_refused(&cx, &parts, &by.author(), problem))?;
    let shown = AdministratorProperties::of(&cx, &changed);
    Ok(answer::json(StatusCode::OK, &shown))
}

/// Takes a patch. A note that is null is removed, as RFC 7396 has it.
fn read_patch(parts: &mut Parts) -> Result<AdministratorPatch, Problem> {
    let mut members = read_object(parts)?;
    if let Some(note @ Value::Null) = members.get_mut("note") {
        *note = "".into();
    }
    absent::without_null(&mut members);
    members_as(members)
}

/// Gives an administrator a new secret. Only this response contains it.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn rotate(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.admins_write).await?;
    let rotated = match read_typed(&mut parts) {
        Ok(wanted) => administrators::rotate(&cx, &by, &id, &wanted)
            .await
            .map_err(problem),
        Err(problem) => Err(problem),
    };
    let rotated = rotated.map_err(|problem| call_refused(&cx, &parts, &by.author(), problem))?;
    let shown = NewAdministrator::of(&cx, &rotated);
    Ok(answer::json(StatusCode::OK, &shown))
}

/// Deletes an administrator.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let by: Administrator = admit(&cx, &parts, |scopes| &scopes.admins_write).await?;
    let deleted = administrators::delete(&cx, &by, &id).await;
    let deleted = deleted.map_err(problem);
    deleted.map_err(|problem| call_refused(&cx, &parts, &by.author(), problem))?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

fn problem(fault: AdministratorFault) -> Problem {
    let description = fault.to_string();
    match fault {
        AdministratorFault::Request(_) => bad_request(&description),
        AdministratorFault::Scopes(missing) => {
            Problem::insufficient_scope(Some(&missing), &description)
        }
        AdministratorFault::Unknown => unknown("administrator"),
        AdministratorFault::Last => {
            Problem::new(StatusCode::CONFLICT, "last_administrator", &description)
        }
        AdministratorFault::TooMany => Problem::new(
            StatusCode::CONFLICT,
            "too_many_administrators",
            &description,
        ),
        AdministratorFault::First(_) => {
            Problem::new(StatusCode::FORBIDDEN, "access_denied", &description)
        }
        AdministratorFault::Store(error) => error.into(),
        AdministratorFault::Randomness(error) => {
            tracing::error!(%error, "administrator secret could not be created");
            Problem::server_error()
        }
    }
}
