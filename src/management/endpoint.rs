//! `GET`, `PUT` and `DELETE` on `registration_client_uri`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode, Uri};

use super::{Held, ManageError, holder};
use crate::http::answer::{self, Presented, Problem};
use crate::http::precondition;
use crate::registration::endpoint::{self as registration_endpoint, entity_tag};
use crate::registration::proof::certificate;
use crate::registration::{self, Caller, Received};
use crate::script::HookError;
use crate::service::{Context, Service};
use crate::store::audit::Action;
use crate::telemetry;

/// `GET`: returns the registered metadata (RFC 7592 section 2.1).
///
/// # Errors
/// The problem that rejects the request.
pub async fn get(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let outcome = async {
        let (held, caller) = begin(&cx, &parts).await?;
        super::read(&cx, &caller, held).await
    };
    outcome
        .await
        .map(|information| information.into_response(StatusCode::OK))
        .map_err(problem)
}

/// `PUT`: replaces the registered metadata (RFC 7592 section 2.2).
///
/// # Errors
/// The problem that rejects the request.
pub async fn put(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, body) = request.into_parts();
    let outcome = async {
        let (held, caller) = begin(&cx, &parts).await?;
        check_precondition(&parts.headers, &held)?;
        let received = Received::read(&cx, &parts.headers, body)
            .await
            .map_err(registration::RegisterError::from)?;
        Ok(
            registration::replace(&cx, &caller, received, &held.stored, held.token.as_ref())
                .await?,
        )
    };
    let updated = outcome
        .await
        .map(|information| information.into_response(StatusCode::OK));
    updated.map_err(|error| refused(&cx, &parts, Action::UpdateRefused, problem(error)))
}

/// `DELETE`: deletes the client (RFC 7592 section 2.3).
///
/// # Errors
/// The problem that rejects the request.
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
        check_precondition(&parts.headers, &held)?;
        super::delete(&cx, &caller, held).await
    };
    let deleted = outcome
        .await
        .map(|()| answer::empty(StatusCode::NO_CONTENT));
    deleted.map_err(|error| refused(&cx, &parts, Action::DeletionRefused, problem(error)))
}

fn check_precondition(headers: &HeaderMap, held: &Held) -> Result<(), ManageError> {
    let revision = held.stored.client().revision;
    let holds = precondition::holds(headers, &entity_tag(revision));
    if holds {
        Ok(())
    } else {
        Err(ManageError::PreconditionFailed { revision })
    }
}

/// Records the rejection in the audit log, under the client that the URL names. The caller may put anything
/// into the URL, even a token by mistake, so only a value with the form of this server's identifiers is
/// recorded.
fn refused(cx: &Context<'_>, parts: &Parts, action: Action, problem: Problem) -> Problem {
    let named = client_id(&parts.uri).filter(|id| is_one_of_ours(id));
    let author = Caller::of(cx, parts).author(None);
    let what = (&author, action, named.as_deref().unwrap_or_default());
    registration_endpoint::refused(cx, what, problem)
}

/// Whether `id` has the form of an identifier that this server issues.
pub fn is_one_of_ours(id: &str) -> bool {
    uuid::Uuid::try_parse(id).is_ok_and(|uuid| uuid.hyphenated().to_string() == id)
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

/// Returns the `client_id` in the query of the URL.
pub fn client_id(uri: &Uri) -> Option<String> {
    let query = uri.query()?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(name, _)| name == "client_id")
        .map(|(_, value)| value.into_owned())
}

/// Converts an error into an HTTP problem.
pub fn problem(error: ManageError) -> Problem {
    let description = error.to_string();
    match error {
        ManageError::Unauthorised(Presented::Nothing) => Problem::token_needed(
            "a registration_access_token is required: send the client's token as a bearer token",
        ),
        ManageError::Unauthorised(presented) => Problem::unauthorised(presented),
        ManageError::DeletionDisabled => {
            Problem::method_not_allowed(&[Method::GET, Method::PUT, Method::OPTIONS])
        }
        ManageError::PreconditionFailed { .. } => Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition_failed",
            &description,
        ),
        ManageError::Conflict => Problem::new(StatusCode::CONFLICT, "conflict", &description),
        ManageError::Update(error) => registration_endpoint::problem(error),
        // RFC 7592 section 2.3: of the operations here, a script can deny only a deletion.
        ManageError::Hook(HookError::Refused { script }) => {
            tracing::info!(script, "a script rejected the deletion of a client");
            let description = "the policy of this server does not allow this client to be deleted";
            Problem::new(StatusCode::FORBIDDEN, "access_denied", description)
        }
        ManageError::Hook(error) => registration_endpoint::hook_problem(error),
        ManageError::Store(error) => registration_endpoint::store_problem(&error),
        ManageError::Randomness(_) | ManageError::Seal(_) => {
            tracing::error!(
                cause = description,
                "client credentials could not be created or opened"
            );
            Problem::server_error()
        }
    }
}
