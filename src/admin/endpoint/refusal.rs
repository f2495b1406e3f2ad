//! Records rejected calls in the audit log.

use axum::extract::MatchedPath;
use hyper::http::request::Parts;

use crate::admin::Administrator;
use crate::http::Problem;
use crate::management;
use crate::service::{Context, refusal};
use crate::store::{Action, AuditEvent, Author};

/// Queues an audit event: `by` was denied `action` on `subject`. Returns `problem`.
pub(in crate::admin) fn refused(
    cx: &Context<'_>,
    by: &Administrator,
    (action, subject): (Action, &str),
    problem: Problem,
) -> Problem {
    refusal::audit(cx, &by.author(), action, subject, &problem);
    problem
}

/// Queues an audit event for a rejected call of `author` that has no more specific event. The event names the
/// route, not the path: the path can contain anything, even a token by mistake.
pub(in crate::admin) fn call_refused(
    cx: &Context<'_>,
    parts: &Parts,
    author: &Author,
    problem: Problem,
) -> Problem {
    if let Some(event) = call_event(cx, parts, author, &problem) {
        cx.service.refusals.leave(event);
    }
    problem
}

/// As [`call_refused`], for a caller that is not an administrator, whether or not it is a client.
pub(in crate::admin) fn stranger_refused(
    cx: &Context<'_>,
    parts: &Parts,
    author: &Author,
    problem: Problem,
) -> Problem {
    if let Some(event) = call_event(cx, parts, author, &problem) {
        cx.service.refusals.leave_of_stranger(event);
    }
    problem
}

fn call_event(
    cx: &Context<'_>,
    parts: &Parts,
    author: &Author,
    problem: &Problem,
) -> Option<AuditEvent> {
    if problem.status().is_server_error() {
        return None;
    }
    let route = parts
        .extensions
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str);
    let event = author.did(Action::AdministrationRefused, "", cx.service.clock.now());
    let event = event.with("call", format!("{} {route}", parts.method));
    Some(
        event
            .refused(problem.code())
            .with("status", problem.status().as_u16()),
    )
}

/// Returns the client identifier in a path if it can be recorded: it exists, or it has the form of an
/// identifier of this server. Otherwise returns an empty text.
pub(in crate::admin) fn subject(named: &str, is_there: bool) -> &str {
    if is_there || management::endpoint::is_one_of_ours(named) {
        named
    } else {
        ""
    }
}
