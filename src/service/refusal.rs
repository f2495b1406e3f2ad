//! The HTTP form of the failures that several use cases have in common, and the audit events of rejected
//! requests.

use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::{Map, Value};

use crate::base::ErrorCode;
use crate::http::{BodyError, Problem, observe, peer};
use crate::script::{HookError, ScriptFault};
use crate::service::{Context, Limited};
use crate::store::{Action, Author, StoreError, outage};

/// Returns the origin of a request whose sender is not authenticated.
pub(crate) fn stranger(parts: &Parts) -> Author {
    Author {
        actor: None,
        actor_name: None,
        address: Some(peer::client_address(parts)),
        correlation_id: observe::correlation_id(parts),
    }
}

/// Records in the audit log that `action` of `author` on `subject` was rejected with `problem`.
pub(crate) fn audit(
    cx: &Context<'_>,
    author: &Author,
    action: Action,
    subject: &str,
    problem: &Problem,
) {
    let event = author.did(action, subject, cx.service.clock.now());
    let status = problem.status().as_u16();
    let event = event.refused(problem.code()).with("status", status);
    cx.service.refusals.leave(event);
}

/// Returns the problem for a body that was not received. `code` is the error code of its endpoint for a
/// request that is at fault.
pub(crate) fn unreadable(error: &BodyError, code: &'static str) -> Problem {
    let description = error.to_string();
    let status = match error {
        BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
        BodyError::GaveWay => return Problem::unavailable(&description, 1),
        BodyError::Broken => StatusCode::BAD_REQUEST,
        BodyError::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
    };
    Problem::new(status, code, &description)
}

/// Returns the problem for a request that may be repeated in `seconds`.
pub(crate) fn too_many_requests(description: &str, seconds: u64) -> Problem {
    let status = StatusCode::TOO_MANY_REQUESTS;
    Problem::new(status, "too_many_requests", description).retry_after(seconds)
}

impl From<Limited> for Problem {
    fn from(limited: Limited) -> Self {
        too_many_requests(&limited.to_string(), limited.retry_after)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        store_problem(&error)
    }
}

/// Returns the problem for a failure of the store, and logs its cause. Only a conflict concerns the caller.
pub(crate) fn store_problem(error: &StoreError) -> Problem {
    if matches!(error, StoreError::Conflict) {
        return Problem::new(StatusCode::CONFLICT, "conflict", &error.to_string());
    }
    store_unavailable(error)
}

/// Returns 503 for a failure of the store, and logs its cause.
pub(crate) fn store_unavailable(error: &StoreError) -> Problem {
    outage::tell(error);
    Problem::unavailable("the store is currently unavailable; retry later", 5)
}

/// The outcome of a script that stopped the request.
impl From<HookError> for Problem {
    fn from(error: HookError) -> Self {
        match error {
            HookError::Answered {
                script,
                status,
                entity,
            } => {
                tracing::info!(script, status, "a script answered the request");
                let status =
                    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                answered(status, entity)
            }
            HookError::Refused { script } => {
                tracing::info!(script, "a script rejected the request");
                let description = "the policy of this server does not allow this registration";
                let code = ErrorCode::InvalidClientMetadata.as_str();
                Self::new(StatusCode::BAD_REQUEST, code, description)
            }
            HookError::Fault(fault) => {
                log_fault(&fault);
                Self::server_error()
            }
            HookError::Busy => {
                tracing::warn!(
                    "no slot for a script was free in time (scripts.limits.queueMs, scripts.limits.concurrent)"
                );
                Self::unavailable("too many scripts are running; retry later", 1)
            }
        }
    }
}

/// Seconds until the client may retry, when a script answers with 503 or 429 without `retry_after`.
const USUAL_WAIT: u64 = 5;
/// The longest `retry_after` of a script, in seconds.
const LONGEST_WAIT: u64 = 86_400;

/// Builds the response of a script. A response that asks the client to retry says when, by `retry_after` in
/// seconds.
fn answered(status: StatusCode, mut entity: Map<String, Value>) -> Problem {
    if !matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
    ) {
        return Problem::with_body(status, entity);
    }
    let said = entity
        .shift_remove("retry_after")
        .and_then(|seconds| seconds.as_u64());
    let seconds = said.map_or(USUAL_WAIT, |seconds| seconds.clamp(1, LONGEST_WAIT));
    Problem::with_body(status, entity).retry_after(seconds)
}

fn log_fault(fault: &ScriptFault) {
    let ScriptFault {
        script,
        hook,
        message,
        line,
        column,
        calls,
    } = fault;
    tracing::error!(
        script,
        hook,
        line,
        column,
        calls,
        cause = message,
        "script failed"
    );
}
