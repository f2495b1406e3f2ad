//! `POST` on `try`: judges one registration or update by the whole pipeline, and stores nothing.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};

use super::refusal::{call_refused, subject};
use crate::admin::{
    Administrator, endpoint::admit, endpoint::bad_request, endpoint::bad_request_because,
    endpoint::read_body, endpoint::require_json, endpoint::unknown,
};
use crate::base::{json, scope};
use crate::http::{Problem, answer};
use crate::service::{Context, Service};
use crate::store::Action;
use crate::trial::{self, JudgeError, Judgement, TrialInput};

/// The maximum size of the description of a request, in bytes. It may contain scripts.
pub(crate) const MOST_BYTES: usize = 2 << 20;
/// The maximum number of requests that are judged at the same time.
pub(crate) const MOST_AT_ONCE: usize = 2;

/// Judges the request that the body describes. The response is the answer that the client would get, with every step
/// and every call of a script that led to it.
///
/// # Errors
/// 400 if the description is invalid; 401 without a valid token; 403 without the required scope, or for calls of other
/// scripts without the one to write scripts; 404 if the client to
/// update does not exist; 408 and 413; 415 for a body that is not `application/json`; 503 if too many requests are
/// being judged.
pub(crate) async fn post(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.scripts_try).await?;
    match judge(&cx, &by, &mut parts).await {
        Ok(judgement) => Ok(answer::json(StatusCode::OK, &judgement)),
        Err(problem) => Err(call_refused(&cx, &parts, &by.author(), problem)),
    }
}

async fn judge(
    cx: &Context<'_>,
    by: &Administrator,
    parts: &mut Parts,
) -> Result<Judgement, Problem> {
    let input = input(parts)?;
    let client_id = input.client_id().unwrap_or_default().to_owned();
    let request = input.request(by.address);
    let request = request.map_err(|reason| bad_request(&reason))?;
    let sees_secrets = sees_secrets(cx, by, input.lets_scripts_call())?;
    let conditions = input.conditions(cx.service, sees_secrets).await;
    let conditions = conditions.map_err(|reason| bad_request_because(&reason))?;
    let judged = Box::pin(trial::judge(cx.service, request, &conditions)).await;
    let judgement = judged.map_err(problem)?;
    record(cx, by, subject(&client_id, true), &judgement);
    Ok(judgement)
}

/// Returns the description in the body.
fn input(parts: &mut Parts) -> Result<TrialInput, Problem> {
    let body = read_body(parts)?;
    require_json(&parts.headers)?;
    let members = json::parse_object(&body).map_err(|error| bad_request(&error.to_string()))?;
    TrialInput::read(members).map_err(|reason| bad_request(&reason))
}

/// Returns whether scripts that `by` brings see the secrets of `[scripts.secrets]`: who may put scripts in force could let
/// them tell these anyway. Only then may they call other servers, if they `call` at all.
///
/// # Errors
/// 403 if they call, and `by` may not put scripts in force.
pub(super) fn sees_secrets(
    cx: &Context<'_>,
    by: &Administrator,
    call: bool,
) -> Result<bool, Problem> {
    let needed = &cx.service.settings.admin.scopes.scripts_write;
    let writes_scripts = scope::has(&by.scope, needed);
    if call && !writes_scripts {
        let description = format!(
            "other scripts than those in force call other servers only with the scope {needed}"
        );
        return Err(Problem::insufficient_scope(Some(needed), &description));
    }
    Ok(writes_scripts)
}

/// Records in the audit log and in the log that the administrator tried a request, without its content.
fn record(cx: &Context<'_>, by: &Administrator, client_id: &str, judgement: &Judgement) {
    let status = judgement.status();
    let event = by.did(Action::RequestTried, client_id, cx.service.clock.now());
    cx.service.refusals.leave(event.with("status", status));
    tracing::info!(status, "request tried by an administrator");
}

fn problem(error: JudgeError) -> Problem {
    match error {
        JudgeError::UnknownClient => unknown("client"),
        JudgeError::Store(error) => error.into(),
        JudgeError::Randomness(_) | JudgeError::Seal(_) => Problem::server_error(),
    }
}
