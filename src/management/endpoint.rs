//! `GET`, `PUT` and `DELETE` on `registration_client_uri`.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode, Uri};

use crate::http::{BadCredentials, BodyError, Problem, answer, body, permits_change};
use crate::management::{self, Held, ManageError, holder};
use crate::registration::{self, Caller, Received, RegisterError, Registered, certificate};
use crate::script::HookError;
use crate::service::{Context, Service, refusal};
use crate::store::Action;
use crate::telemetry;

/// `GET`: returns the registered metadata (RFC 7592 section 2.1).
///
/// # Errors
/// The problem that rejects the request.
pub(crate) async fn get(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::of_client(&service);
    let (parts, _) = request.into_parts();
    let (held, caller) = begin(&cx, &parts).await?;
    let information = management::read(&cx, &caller, held).await?;
    Ok(information.into_response(StatusCode::OK))
}

/// `PUT`: replaces the registered metadata (RFC 7592 section 2.2).
///
/// # Errors
/// The problem that rejects the request.
pub(crate) async fn put(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::of_client(&service);
    let (mut parts, _) = request.into_parts();
    let body = body::take(&mut parts);
    match update(&cx, &parts, body).await {
        Ok(updated) => Ok(updated.into_response()),
        Err(error) => Err(refused(&cx, &parts, Action::UpdateRefused, error)),
    }
}

async fn update(
    cx: &Context<'_>,
    parts: &Parts,
    body: Result<Bytes, BodyError>,
) -> Result<Registered, ManageError> {
    let step = cx.step("authentication");
    let (held, caller) = step.done(begin(cx, parts).await)?;
    let precondition = check_precondition(&parts.headers, &held);
    cx.step("precondition").done(precondition)?;
    let received = cx.step("body").done(Received::new(&parts.headers, body));
    let received = received.map_err(RegisterError::from)?;
    let token = held.token.as_ref();
    Ok(registration::replace(cx, &caller, received, &held.stored, token).await?)
}

/// `DELETE`: deletes the client (RFC 7592 section 2.3).
///
/// # Errors
/// The problem that rejects the request.
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::of_client(&service);
    let (parts, _) = request.into_parts();
    match delete_own(&cx, &parts).await {
        Ok(()) => Ok(answer::empty(StatusCode::NO_CONTENT)),
        Err(error) => Err(refused(&cx, &parts, Action::DeletionRefused, error)),
    }
}

async fn delete_own(cx: &Context<'_>, parts: &Parts) -> Result<(), ManageError> {
    if !cx.settings().client_deletion_enabled {
        return Err(ManageError::DeletionDisabled);
    }
    let (held, caller) = begin(cx, parts).await?;
    check_precondition(&parts.headers, &held)?;
    management::delete(cx, &caller, held).await
}

fn check_precondition(headers: &HeaderMap, held: &Held) -> Result<(), ManageError> {
    let revision = held.stored.client().revision;
    if permits_change(headers, revision) {
        Ok(())
    } else {
        Err(ManageError::PreconditionFailed { revision })
    }
}

/// Records the rejection in the audit log, under the client that the URL names. The caller may put anything
/// into the URL, even a token by mistake, so only a value with the form of this server's identifiers is
/// recorded.
fn refused(cx: &Context<'_>, parts: &Parts, action: Action, error: ManageError) -> Problem {
    let (problem, stranger) = (Problem::from(error), refusal::stranger(parts));
    let target = match client_id(&parts.uri) {
        Some(id) if is_one_of_ours(&id) => id,
        _ => String::new(),
    };
    refusal::audit(cx, &stranger, action, &target, &problem);
    problem
}

/// Whether `id` has the form of an identifier that this server issues.
pub(crate) fn is_one_of_ours(id: &str) -> bool {
    match uuid::Uuid::try_parse(id) {
        Ok(uuid) => uuid.hyphenated().to_string() == id,
        Err(_) => false,
    }
}

async fn begin<'a>(cx: &Context<'_>, parts: &'a Parts) -> Result<(Held, Caller<'a>), ManageError> {
    let id = client_id(&parts.uri);
    let caller = Caller::of(parts);
    certificate::demand_any(cx, &caller)?;
    let held = holder::authenticate(cx, id.as_deref(), &parts.headers, &caller).await?;
    let client = held.stored.client();
    telemetry::concerns(client.id.as_str(), client.provenance.trust_level.as_str());
    Ok((held, caller))
}

/// Returns the `client_id` in the query of the URL.
pub(crate) fn client_id(uri: &Uri) -> Option<String> {
    let query = uri.query()?;
    // Nearly every query is just the identifier as it is.
    if let Some(id) = query.strip_prefix("client_id=")
        && !id.contains(['%', '+', '&'])
    {
        return Some(id.to_owned());
    }
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let (_, id) = pairs.find(|(name, _)| name == "client_id")?;
    Some(id.into_owned())
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Self {
        let description = error.to_string();
        match error {
            ManageError::Unauthorised(BadCredentials::Nothing) => Self::token_needed(
                "a registration_access_token is required: send the client's token as a bearer token",
            ),
            ManageError::Unauthorised(presented) => Self::unauthorised(presented),
            ManageError::DeletionDisabled => {
                Self::method_not_allowed(&[Method::GET, Method::PUT, Method::OPTIONS])
            }
            ManageError::PreconditionFailed { .. } => {
                let status = StatusCode::PRECONDITION_FAILED;
                Self::new(status, "precondition_failed", &description)
            }
            ManageError::Conflict => Self::new(StatusCode::CONFLICT, "conflict", &description),
            ManageError::Update(error) => error.into(),
            // RFC 7592 section 2.3: of the operations here, a script can deny only a deletion.
            ManageError::Hook(HookError::Refused { script }) => {
                tracing::info!(script, "a script rejected the deletion of a client");
                let description =
                    "the policy of this server does not allow this client to be deleted";
                Self::new(StatusCode::FORBIDDEN, "access_denied", description)
            }
            ManageError::Hook(error) => error.into(),
            ManageError::Store(error) => error.into(),
            ManageError::Randomness(_) | ManageError::Seal(_) => {
                tracing::error!(
                    cause = description,
                    "client credentials could not be created or opened"
                );
                Self::server_error()
            }
        }
    }
}
