//! Lets an authorization server report the use of clients.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::admin::{
    endpoint::Named, endpoint::admit, endpoint::bad_request, endpoint::read_body,
    endpoint::require_json, endpoint::unknown,
};
use crate::base::{ClientId, Timestamp, json};
use crate::http::{Problem, answer};
use crate::service::{Context, Service};

/// The maximum number of uses per call.
const MOST: usize = 1_000;

/// A use of a client.
struct ReportedUse {
    id: ClientId,
    /// The time of the use; `None` for now.
    at: Option<Timestamp>,
}

/// The number of recorded uses.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct Noted {
    noted: usize,
}

/// Records that one client was used now, or at the time `at` of the body.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn one(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (cx, said) = admitted(&service, request).await?;
    let id = ClientId::parse(&id).map_err(|_| unknown("client"))?;
    let at = parse_moment(&said).map_err(bad_request)?;
    let found = service.store.clients.find(&id).await?;
    found.ok_or_else(|| unknown("client"))?;
    note(&cx, &[ReportedUse { id, at }]);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Records the use of many clients: a list of identifiers, or of objects with `client_id` and `at`. The uses
/// are written later, so the response is 202. Unknown clients are ignored.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn many(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (cx, said) = admitted(&service, request).await?;
    let uses = parse_list(&said).map_err(bad_request)?;
    note(&cx, &uses);
    let noted = Noted { noted: uses.len() };
    Ok(answer::json(StatusCode::ACCEPTED, &noted))
}

/// Authenticates the caller and reads the body. An empty body counts as `{}`.
///
/// The use of clients is not recorded in the audit log. An authorization server reports it every few seconds,
/// so each event would cost a flush, and these events would soon displace all others among the newest
/// `store.auditEvents`. The effect, `last_used_at`, is visible, and the removal of an unused client has an
/// event of its own.
async fn admitted(
    service: &Service,
    request: Request<Body>,
) -> Result<(Context<'_>, Value), Problem> {
    let cx = Context::new(service);
    let (mut parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.clients_used).await?;
    let bytes = read_body(&mut parts)?;
    if bytes.is_empty() {
        return Ok((cx, Map::new().into()));
    }
    require_json(&parts.headers)?;
    let said = json::parse_integral(&bytes).map_err(|error| bad_request(&error.to_string()))?;
    Ok((cx, said))
}

/// Records `uses`. A time in the future counts as now.
fn note(cx: &Context<'_>, uses: &[ReportedUse]) {
    let now = cx.service.clock.now();
    for one in uses {
        let at = one.at.unwrap_or(now).min(now);
        cx.service.store.uses.note(&one.id, at);
    }
}

/// Reads the time of one use: the member `at` of an object without other members.
///
/// # Errors
/// Returns a description of the expected form.
fn parse_moment(said: &Value) -> Result<Option<Timestamp>, &'static str> {
    const DUE: &str =
        "the body must be empty or {\"at\": SECONDS}, in seconds since 1970-01-01T00:00:00Z";
    let members = said.as_object().ok_or(DUE)?;
    at(members, &["at"]).map_err(|Unreadable| DUE)
}

/// Reads a list of uses.
///
/// # Errors
/// Returns a description of the expected form.
fn parse_list(said: &Value) -> Result<Vec<ReportedUse>, &'static str> {
    const DUE: &str =
        "the body must be a list of client identifiers or of {\"client_id\": ID, \"at\": SECONDS}";
    let items = said.as_array().ok_or(DUE)?;
    if items.len() > MOST {
        return Err("the list must have at most 1000 items");
    }
    items
        .iter()
        .map(|item| parse_item(item).ok_or(DUE))
        .collect()
}

fn parse_item(item: &Value) -> Option<ReportedUse> {
    let (id, at) = match item {
        Value::Object(members) => {
            let at = at(members, &["client_id", "at"]).ok()?;
            (members.get("client_id")?, at)
        }
        id => (id, None),
    };
    let id = ClientId::parse(id.as_str()?).ok()?;
    Some(ReportedUse { id, at })
}

/// The value does not have the expected form.
struct Unreadable;

/// Reads the member `at` of `members`, which must not have other members than `known`.
fn at(members: &Map<String, Value>, known: &[&str]) -> Result<Option<Timestamp>, Unreadable> {
    if members.keys().any(|name| !known.contains(&name.as_str())) {
        return Err(Unreadable);
    }
    let Some(value) = members.get("at") else {
        return Ok(None);
    };
    match value.as_u64() {
        Some(at) => Ok(Some(Timestamp::from_unix(at))),
        None => Err(Unreadable),
    }
}
