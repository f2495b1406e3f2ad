//! `POST` on clients: an administrator creates one, or gives one new credentials.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::{ClientRecord, caller, check_changeable, find, with_revision};
use crate::admin::{
    Administrator, endpoint::Named, endpoint::admit, endpoint::read_object, endpoint::refusal,
    endpoint::refusal::refused,
};
use crate::base::Secret;
use crate::http::{Problem, answer};
use crate::registration::{self, CredentialKind, IssuedClient, RotationError};
use crate::service::{Context, Service};
use crate::store::{Action, Stored};
use crate::telemetry;

/// A client with new credentials, which only this answer contains.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct ClientWithCredentials<'a> {
    #[serde(flatten)]
    record: ClientRecord<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    /// When the secret expires, in seconds since 1970; 0 if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_access_token: Option<&'a str>,
    /// The URL at which the client manages itself with the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_client_uri: Option<&'a str>,
}

impl<'a> ClientWithCredentials<'a> {
    fn of(cx: &Context<'_>, issued: &'a IssuedClient) -> Self {
        let token = issued.token.as_ref();
        Self {
            record: ClientRecord::of(cx, &issued.client),
            client_secret: issued.secret.as_ref().map(Secret::expose),
            client_secret_expires_at: issued.secret.as_ref().map(|_| issued.secret_expires_at()),
            registration_access_token: token.map(Secret::expose),
            registration_client_uri: token.map(|_| issued.management_uri.as_str()),
        }
    }
}

/// Creates a client, by the rules of a registration without proofs. The body is the metadata. Only this response
/// contains the secret and the registration access token.
///
/// # Errors
/// 400 with every violated rule; 401 without a valid token; 403 without the required scope; 408 and 413; 415 for a body
/// that is not `application/json`; the response of a script.
pub(crate) async fn create(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    match create_wanted(&cx, &mut parts, &by).await {
        Ok(issued) => Ok(answered(&cx, StatusCode::CREATED, &issued)),
        Err(problem) => Err(refused(
            &cx,
            &by,
            (Action::RegistrationRefused, ""),
            problem,
        )),
    }
}

async fn create_wanted(
    cx: &Context<'_>,
    parts: &mut Parts,
    by: &Administrator,
) -> Result<IssuedClient, Problem> {
    let members = read_object(parts)?;
    let created = registration::create_as_operator(cx, &caller(parts, by), members).await;
    Ok(created?)
}

/// Gives a client a new secret. The previous one is invalid when this function returns. Only this response contains
/// the secret.
///
/// # Errors
/// 401 without a valid token; 403 without the required scope, or for an administrator; 404; 409 if the client has no
/// secret of this server, or was changed concurrently; 412 if `If-Match` names another revision.
pub(crate) async fn rotate_secret(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    rotate(&service, &id, request, CredentialKind::Secret).await
}

/// Gives a client a new registration access token. The previous one is invalid when this function returns. Only this
/// response contains the token.
///
/// # Errors
/// As [`rotate_secret`]; 409 if the client does not manage itself.
pub(crate) async fn rotate_token(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    rotate(&service, &id, request, CredentialKind::Token).await
}

async fn rotate(
    service: &Arc<Service>,
    id: &str,
    request: Request<Body>,
    kind: CredentialKind,
) -> Result<Response, Problem> {
    let cx = Context::new(service);
    let (parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    let found = find(&cx, id).await;
    let subject = refusal::subject(id, found.is_ok());
    let rotated = match found {
        Ok(stored) => rotate_found(&cx, &parts, &by, (&stored, kind)).await,
        Err(problem) => Err(problem),
    };
    match rotated {
        Ok(issued) => Ok(answered(&cx, StatusCode::OK, &issued)),
        Err(problem) => Err(refused(&cx, &by, (Action::UpdateRefused, subject), problem)),
    }
}

async fn rotate_found(
    cx: &Context<'_>,
    parts: &Parts,
    by: &Administrator,
    (stored, kind): (&Stored, CredentialKind),
) -> Result<IssuedClient, Problem> {
    let client = stored.client();
    check_changeable(
        parts,
        client,
        "an administrator cannot be changed as a client; use /admin/v1/administrators",
    )?;
    telemetry::concerns(client.id.as_str(), client.provenance.trust_level.as_str());
    let rotated = registration::rotate(cx, &caller(parts, by), stored, kind).await;
    rotated.map_err(problem)
}

fn problem(error: RotationError) -> Problem {
    let conflict = |code: &'static str, error: &RotationError| {
        Problem::new(StatusCode::CONFLICT, code, &error.to_string())
    };
    match error {
        RotationError::NoSecret => conflict("no_client_secret", &error),
        RotationError::OfUpstream => conflict("secret_of_upstream", &error),
        RotationError::Unmanaged => conflict("client_unmanaged", &error),
        RotationError::Failed(error) => error.into(),
    }
}

fn answered(cx: &Context<'_>, status: StatusCode, issued: &IssuedClient) -> Response {
    let shown = ClientWithCredentials::of(cx, issued);
    with_revision(answer::json(status, &shown), issued.client.revision)
}
