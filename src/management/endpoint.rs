//! `GET`, `PUT` and `DELETE` on `registration_client_uri`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode, Uri};

use super::{Held, ManageError, holder, precondition};
use crate::http::answer::{self, Problem};
use crate::registration::endpoint as registration_endpoint;
use crate::registration::{self, Caller, Received, certificate};
use crate::service::{Context, Service};
use crate::telemetry;

/// `GET`: what is registered.
///
/// # Errors
/// The problem that refused it.
pub async fn get(State(service): State<Arc<Service>>, request: Request<Body>) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let outcome = async {
        let (held, caller) = begin(&cx, &parts).await?;
        super::read(&cx, &caller, held).await
    };
    outcome.await.map(|information| information.into_response(StatusCode::OK)).map_err(problem)
}

/// `PUT`: other metadata in place of what is registered.
///
/// # Errors
/// The problem that refused it.
pub async fn put(State(service): State<Arc<Service>>, request: Request<Body>) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, body) = request.into_parts();
    let outcome = async {
        let (held, caller) = begin(&cx, &parts).await?;
        precondition::check(&parts.headers, &held)?;
        let received =
            Received::read(&cx, &parts.headers, body).await.map_err(registration::RegisterError::from)?;
        Ok(registration::replace(&cx, &caller, received, &held.stored, held.token.as_ref()).await?)
    };
    outcome.await.map(|information| information.into_response(StatusCode::OK)).map_err(problem)
}

/// `DELETE`: the client is gone.
///
/// # Errors
/// The problem that refused it.
pub async fn delete(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let outcome = async {
        if !cx.settings().client_deletion_enabled {
            return Err(ManageError::DeletionDisabled);
        }
        let (held, caller) = begin(&cx, &parts).await?;
        precondition::check(&parts.headers, &held)?;
        super::delete(&cx, &caller, held).await
    };
    outcome.await.map(|()| answer::empty(StatusCode::NO_CONTENT)).map_err(problem)
}

async fn begin(cx: &Context<'_>, parts: &Parts) -> Result<(Held, Caller), ManageError> {
    let id = client_id(&parts.uri);
    let caller = Caller::of(cx, parts);
    certificate::demand_any(cx, &caller)?;
    let held = holder::authenticate(cx, id.as_deref(), &parts.headers, &caller).await?;
    let client = held.stored.client();
    telemetry::concerns(client.id.as_str(), client.provenance.trust_level.as_str());
    Ok((held, caller))
}

/// The client that the URL names.
pub fn client_id(uri: &Uri) -> Option<String> {
    let query = uri.query()?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "client_id").map(|(_, value)| value.into_owned())
}

fn problem(error: ManageError) -> Problem {
    let description = error.to_string();
    match error {
        ManageError::Unauthorised(presented) => Problem::unauthorised(presented),
        ManageError::DeletionDisabled => {
            Problem::method_not_allowed(&[Method::GET, Method::PUT, Method::OPTIONS])
        }
        ManageError::PreconditionFailed { .. } => {
            Problem::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", &description)
        }
        ManageError::Conflict => Problem::new(StatusCode::CONFLICT, "conflict", &description),
        ManageError::Update(error) => registration_endpoint::problem(error),
        ManageError::Hook(error) => registration_endpoint::hook_problem(error),
        ManageError::Store(error) => registration_endpoint::store_problem(&error),
        ManageError::Randomness(_) | ManageError::Seal(_) => {
            tracing::error!(cause = description, "no credentials could be made or read");
            Problem::server_error()
        }
    }
}
