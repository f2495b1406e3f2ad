//! Calls that are refused, on their way into the audit log.

use axum::extract::MatchedPath;
use hyper::http::request::Parts;

use super::Administrator;
use crate::http::answer::Problem;
use crate::management;
use crate::registration::endpoint as registration_endpoint;
use crate::service::Context;
use crate::store::audit::{Action, AuditEvent, Author};

/// Leaves it to the audit log that `by` was refused `action` on `subject`.
pub(super) fn refused(
    cx: &Context<'_>,
    by: &Administrator,
    (action, subject): (Action, &str),
    problem: Problem,
) -> Problem {
    registration_endpoint::refused(cx, (&by.author(), action, subject), problem)
}

/// Leaves it to the audit log that a call of `author` was refused, which has no other event of its own.
/// It is named by its route: what stands in the path itself can be anything, a token by mistake.
pub(super) fn call_refused(cx: &Context<'_>, parts: &Parts, author: &Author, problem: Problem) -> Problem {
    if let Some(event) = call_event(cx, parts, author, &problem) {
        cx.service.refusals.leave(event);
    }
    problem
}

/// The same of a caller who is no administrator, whether or not he is a client.
pub(super) fn stranger_refused(
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

fn call_event(cx: &Context<'_>, parts: &Parts, author: &Author, problem: &Problem) -> Option<AuditEvent> {
    if problem.status().is_server_error() {
        return None;
    }
    let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let event = author.did(Action::AdministrationRefused, "", cx.service.clock.now());
    let event = event.with("call", format!("{} {route}", parts.method));
    Some(event.refused(problem.code()).with("status", problem.status().as_u16()))
}

/// The client that a path names, as far as it may be written down: one that is there, or what
/// looks like one of our identifiers.
pub(super) fn subject(named: &str, is_there: bool) -> &str {
    if is_there || management::endpoint::is_one_of_ours(named) { named } else { "" }
}
