//! `PUT`, `PATCH` and `DELETE` on one client.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use serde_json::{Map, Value};

use super::{caller, check_changeable, detail, find};
use crate::admin::{
    Administrator, endpoint::Named, endpoint::admit, endpoint::read_merge_patch,
    endpoint::read_object, endpoint::refusal, endpoint::refusal::refused,
};
use crate::base::json;
use crate::client::Client;
use crate::http::{Problem, answer};
use crate::management::{self, Held};
use crate::registration;
use crate::service::{Context, Service};
use crate::store::{Action, Change, Stored};
use crate::telemetry;

/// Replaces the metadata of a client, by the rules of an update by the client itself (RFC 7592 section 2.2).
/// The provenance is kept, and no software statement is required. The body is the metadata, in the form of
/// `metadata` in the response to `GET`. The response is the same as for `GET`. If a secret is created, only
/// the client itself can read it.
///
/// # Errors
/// 400 with every violated rule; 401 without a valid token; 403 without the required scope, or for the
/// administrator's own client; 404; 409 if the client was changed concurrently; 412 if `If-Match` names
/// another revision; 408 and 413; 415 for a body that is not `application/json`.
pub(crate) async fn replace(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    update(&service, &id, request, UpdateForm::Whole).await
}

/// Changes some members of the metadata of a client, as [`replace`] with the other members as they are. The body is a
/// JSON Merge Patch (RFC 7396) of `metadata` in the response to `GET`.
///
/// # Errors
/// As [`replace`]; 415 for a body that is neither `application/merge-patch+json` nor `application/json`.
pub(crate) async fn patch(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    update(&service, &id, request, UpdateForm::Patch).await
}

/// What the body of an update is.
#[derive(Clone, Copy)]
enum UpdateForm {
    /// All members.
    Whole,
    /// The members that change.
    Patch,
}

impl UpdateForm {
    /// Takes the body, and returns the members that `client` is to have.
    fn members(self, parts: &mut Parts, client: &Client) -> Result<Map<String, Value>, Problem> {
        match self {
            Self::Whole => read_object(parts),
            Self::Patch => {
                let patch = read_merge_patch(parts)?;
                let mut members = client.metadata.metadata().as_object().clone();
                json::merge_patch(&mut members, patch);
                Ok(members)
            }
        }
    }
}

async fn update(
    service: &Arc<Service>,
    id: &str,
    request: Request<Body>,
    form: UpdateForm,
) -> Result<Response, Problem> {
    let cx = Context::new(service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    let found = find(&cx, id).await;
    let subject = refusal::subject(id, found.is_ok());
    let updated = match found {
        Ok(stored) => update_found(&cx, &mut parts, &by, (&stored, form)).await,
        Err(problem) => Err(problem),
    };
    match updated {
        Ok(client) => Ok(detail(&cx, &client)),
        Err(problem) => Err(refused(&cx, &by, (Action::UpdateRefused, subject), problem)),
    }
}

async fn update_found(
    cx: &Context<'_>,
    parts: &mut Parts,
    by: &Administrator,
    (stored, form): (&Stored, UpdateForm),
) -> Result<Client, Problem> {
    check_changeable(
        parts,
        stored.client(),
        "an administrator cannot be changed as a client; use /admin/v1/administrators",
    )?;
    let members = form.members(parts, stored.client())?;
    let caller = caller(parts, by);
    let nothing_else = Change::default();
    let replaced =
        registration::replace_as_operator(cx, &caller, members, stored, nothing_else).await;
    Ok(replaced?)
}

/// Deletes one client, as if the client had requested it: the hook `deleteClient` can deny it. A client that
/// the operator created cannot be deleted: without it, nobody could call the admin API.
///
/// # Errors
/// 401 without a valid token; 403 without the required scope, or for the administrator's own client; 404; 409
/// if the client was changed concurrently; 412 if `If-Match` names another revision; the response of a
/// script.
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    let found = find(&cx, &id).await;
    let subject = refusal::subject(&id, found.is_ok());
    let deleted = match found {
        Ok(stored) => delete_found(&cx, &parts, &by, stored).await,
        Err(problem) => Err(problem),
    };
    match deleted {
        Ok(()) => Ok(answer::empty(StatusCode::NO_CONTENT)),
        Err(problem) => {
            let action = (Action::DeletionRefused, subject);
            Err(refused(&cx, &by, action, problem))
        }
    }
}

async fn delete_found(
    cx: &Context<'_>,
    parts: &Parts,
    by: &Administrator,
    stored: Stored,
) -> Result<(), Problem> {
    let client = stored.client();
    check_changeable(
        parts,
        client,
        "an administrator cannot be deleted as a client; use /admin/v1/administrators",
    )?;
    telemetry::concerns(client.id.as_str(), client.provenance.trust_level.as_str());
    let held = Held {
        stored,
        token: None,
    };
    management::delete(cx, &caller(parts, by), held).await?;
    Ok(())
}
